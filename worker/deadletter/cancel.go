package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Cancelled is the outcome of [Ledger.Cancel].
const Cancelled Outcome = "cancelled"

// ErrBegun means that the task was begun, or may have been before Redis lost what it
// knew of it, so that it is not for [Ledger.Cancel]: there may be an effect.
var ErrBegun = errors.New("this task was begun before, or may have been; let it run, or resolve it once it is dead")

// Cancel withdraws a task that waits for a later time and was never begun. No
// finish marker is written: nothing was sent, so that the same intent may be
// enqueued again. note must say why.
//
// asynq archives it first, which is one step and fails when a worker was faster.
// From then on it is a dead task like any other: whoever comes after a crash
// finds it in the ledger, as one that a person archived, and resolves it.
func (l *Ledger) Cancel(ctx context.Context, id, by, note string) (Outcome, error) {
	if strings.TrimSpace(note) == "" {
		return "", errors.New("a note is required: say why it is not wanted any more")
	}
	typ, _, err := tasks.ParseID(id)
	if err != nil {
		return NotFound, nil
	}
	letter, err := l.store.Letter(ctx, id)
	if err != nil {
		return "", err
	}
	at, err := l.store.Place(ctx, typ.Queue, id)
	switch {
	case err != nil:
		return "", err
	case letter.Finished || at == record.PlaceCompleted:
		return AlreadyDone, nil
	case at == record.PlaceNone || at.Dead():
		return NotFound, nil
	case at != record.PlaceScheduled:
		return Busy, nil
	case letter.InLedger || !letter.InFlight.IsZero() || letter.State != "" && letter.State != record.Done:
		return "", ErrBegun
	}
	if err := l.store.Audit(ctx, AuditEntry{Who: by, What: record.ActCancel, ID: id, Note: note}); err != nil {
		return "", err
	}
	if out, err := l.archive(ctx, typ.Queue, id); out != "" || err != nil {
		return out, err
	}
	if d := l.store.DepositByHand(ctx, typ.Queue, []string{id}, by)[0]; d.Err != nil {
		return "", d.Err
	}
	before := letter
	if letter, err = l.store.Letter(ctx, id); err != nil {
		return "", err
	}
	switch {
	case !letter.InLedger: // run again meanwhile, or resolved
		return Busy, nil
	case letter.Death.Kind == ecpay.Ambiguous || letter.Attempts != before.Attempts || !letter.Last.Equal(before.Last):
		return "", ErrBegun // and dead now, for a person to look at
	}
	if _, err := l.store.Drop(ctx, typ.Queue, id); err != nil {
		return "", err
	}
	switch v, err := l.store.Resolve(ctx, letter, by, note, 0, l.retention); {
	case err != nil:
		return "", err
	case v != "ok":
		return Busy, nil
	}
	return Cancelled, nil
}

// archive takes the task from asynq's schedule; an outcome says that somebody was
// faster.
func (l *Ledger) archive(ctx context.Context, queue, id string) (Outcome, error) {
	ch := make(chan error, 1)
	go func() { ch <- asynq.NewInspectorFromRedisClient(l.rdb).ArchiveTask(queue, id) }() // it takes no context
	select {
	case err := <-ch:
		switch {
		case err == nil:
			return "", nil
		case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
			return NotFound, nil
		}
		if at, perr := l.store.Place(ctx, queue, id); perr == nil && at != record.PlaceScheduled {
			return Busy, nil
		}
		return "", fmt.Errorf("cancel: %w", err)
	case <-ctx.Done():
		return "", fmt.Errorf("cancel: %w", ctx.Err())
	}
}
