package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Withdrawal is the result of [Store.Withdraw], by which a task is never sent.
type Withdrawal string

// The results.
const (
	Withdrawn Withdrawal = "withdrawn"
	// Elsewhere: it is no letter, or somebody has it run again.
	Elsewhere Withdrawal = "elsewhere"
	// Begun: it was begun before, or may have been, so that there may be an effect.
	Begun Withdrawal = "begun"
)

// Withdraw ends a task that a person stopped before it was ever begun, without a
// finish marker: the same intent may be enqueued again. Once it answers Withdrawn,
// nothing sends the task:
//
//   - asynq does not have it any more: its archived message is dropped first. If
//     another caller had the task run again, that message is not there.
//   - A caller who has a letter run again claims it before it enqueues the task. Either the
//     claim comes first, and the letter stays; or the letter is ended first, and cannot be
//     claimed.
//
// It may be called again after it was interrupted anywhere.
func (s *Store) Withdraw(ctx context.Context, queue, id, who, note string, recordTTL time.Duration) (Withdrawal, error) {
	if err := s.NoteCancel(ctx, id); err != nil {
		return "", err
	}
	// A sweep may have written the letter anew, and not have compared it with asynq yet: it does not say then
	// that the task was never begun.
	if err := s.Settle(ctx, queue, id); err != nil {
		return "", err
	}
	out, err := s.withdraw(ctx, queue, id, who, note, recordTTL)
	if err != nil || out == Withdrawn { // the same intent may be enqueued from now on, so that nothing comes after it
		return out, err
	}
	return out, s.Settle(ctx, queue, id) // what was stopped has ended by that then, and what was run again has not
}

// cancelFor is how long a step of a cancel may take before a sweep ends what it stopped.
const cancelFor = 30 * time.Second

// NoteCancel is called before a task is stopped that is then withdrawn, so that the cancel is its end and
// not that it was stopped. See settle.lua for a cancel that does not get to its end.
func (s *Store) NoteCancel(ctx context.Context, id string) error {
	if err := s.rdb.Set(ctx, record.CancelKey(id), "1", cancelFor).Err(); err != nil {
		return fmt.Errorf("note cancel: %w", err)
	}
	return nil
}

func (s *Store) withdraw(ctx context.Context, queue, id, who, note string, recordTTL time.Duration) (Withdrawal, error) {
	msg, err := asynqx.Message(ctx, s.rdb, queue, id)
	if err != nil {
		return "", err
	}
	l, err := s.Entry(ctx, id) // after the message: it is about that one, or an older one
	switch {
	case err != nil:
		return "", err
	case !l.InLedger || l.Finished:
		return Elsewhere, nil
	case !l.Unbegun || l.Death.Kind != ecpay.Stopped:
		return Begun, nil
	}
	switch at, err := s.dropIf(ctx, queue, id, &dropOnly{Message: msg}); {
	case err != nil:
		return "", err
	case at != Dropped && at != asynqx.NoTask:
		return Elsewhere, nil
	}
	switch v, err := s.end(ctx, l, who, note, 0, recordTTL, true); {
	case err != nil:
		return "", err
	case v == "ok":
		return Withdrawn, nil
	case v == "begun":
		return Begun, nil
	}
	return Elsewhere, nil
}
