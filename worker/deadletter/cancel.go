package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// ErrBegun means that the task was begun, or may have been before Redis lost what it
// knew of it, so that it is not for [Ledger.Cancel]: there may be an effect.
var ErrBegun = errors.New("this task was begun before, or may have been; let it run, or resolve it once it is dead")

// Cancel withdraws a task that waits for a later time and was never begun. No
// finish marker is written: nothing was sent, so that the same intent may be
// enqueued again. note must say why.
//
// asynq archives it first, which is one step and fails when a worker was faster.
// From then on it is a dead task that a person stopped: nothing but a person sends it,
// and whoever comes after a crash calls Cancel again, resolves it, or replays it by its
// id. [ledger.Cancelled] is answered when nothing will send it, see [ledger.Store.Withdraw].
func (l *Ledger) Cancel(ctx context.Context, id, by, note string) (ledger.ActResult, error) {
	if strings.TrimSpace(note) == "" {
		return "", errors.New("a note is required: say why it is not wanted any more")
	}
	typ, _, err := tasks.ParseID(id)
	if err != nil {
		return ledger.NotFound, nil
	}
	letter, err := l.store.Entry(ctx, id)
	if err != nil {
		return "", err
	}
	at, err := l.store.Look(ctx, typ.Queue, id)
	switch {
	case err != nil:
		return "", err
	case letter.Finished || at == asynqx.Completed:
		return ledger.AlreadyDone, nil
	case at.Dead() || at == asynqx.NoTask && letter.InLedger: // by an earlier call, perhaps
		return l.cancelStopped(ctx, letter, typ.Queue, at, by, note)
	case at == asynqx.NoTask:
		return ledger.NotFound, nil
	case at != asynqx.Scheduled:
		return ledger.Busy, nil
	case letter.InLedger && !letter.Unbegun, !letter.InFlight.IsZero(),
		!letter.InLedger && letter.State != "" && letter.State != record.Done:
		return "", ErrBegun
	}
	if err := l.store.Audit(ctx, ledger.AuditEntry{Who: by, What: ledger.ActCancel, ID: id, Note: note}); err != nil {
		return "", err
	}
	since, err := l.store.Now(ctx)
	if err != nil {
		return "", err
	}
	if err := l.store.NoteCancel(ctx, id); err != nil {
		return "", err
	}
	if out, err := l.archive(ctx, typ.Queue, id); out != "" || err != nil {
		return out, err
	}
	if d := l.store.DepositByHand(ctx, typ.Queue, []string{id}, by, since)[0]; d.Err != nil {
		return "", d.Err
	}
	return l.withdraw(ctx, typ.Queue, id, by, note)
}

// cancelStopped goes on with a task that a person stopped before it was ever begun:
// an earlier call that did not get to its end did that.
func (l *Ledger) cancelStopped(
	ctx context.Context, letter ledger.Entry, queue string, at asynqx.State, by, note string,
) (ledger.ActResult, error) {
	if at.Dead() && (!letter.InLedger || letter.State != record.Dead && letter.State != record.Stopping) {
		if err := l.store.NoteCancel(ctx, letter.ID); err != nil {
			return "", err
		}
		if _, err := l.store.Deposit(ctx, queue, letter.ID, tasks.NewNonce()); err != nil {
			return "", err
		}
		var err error
		if letter, err = l.store.Entry(ctx, letter.ID); err != nil {
			return "", err
		}
	}
	if !letter.Unbegun || !letter.InLedger {
		return ledger.NotFound, nil // dead, and not for Cancel
	}
	if err := l.store.Audit(ctx, ledger.AuditEntry{Who: by, What: ledger.ActCancel, ID: letter.ID, Note: note}); err != nil {
		return "", err
	}
	return l.withdraw(ctx, queue, letter.ID, by, note)
}

func (l *Ledger) withdraw(ctx context.Context, queue, id, by, note string) (ledger.ActResult, error) {
	switch v, err := l.store.Withdraw(ctx, queue, id, by, note, l.retention); {
	case err != nil:
		return "", err
	case v == ledger.Withdrawn:
		return ledger.Cancelled, nil
	case v == ledger.Begun:
		return "", ErrBegun // and dead now, for a person to look at
	}
	return ledger.Busy, nil // run again meanwhile, or resolved
}

// archive takes the task from asynq's schedule; a result says that somebody was
// faster.
func (l *Ledger) archive(ctx context.Context, queue, id string) (ledger.ActResult, error) {
	switch err := asynqx.NewInspector(l.rdb).Archive(ctx, queue, id); {
	case err == nil:
		return "", nil
	case errors.Is(err, asynqx.ErrNotFound):
		return ledger.NotFound, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("cancel: %w", ctx.Err())
	default:
		if at, perr := l.store.Look(ctx, queue, id); perr == nil && at != asynqx.Scheduled {
			return ledger.Busy, nil
		}
		return "", fmt.Errorf("cancel: %w", err)
	}
}
