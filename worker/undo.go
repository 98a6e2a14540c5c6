package worker

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// follower stores the tasks that follow from others.
type follower struct {
	client *enqueue.Client
	store  *ledger.Store
	rdb    redis.UniversalClient
}

// stateWithdrawn is that of a task which a person cancelled before it was begun.
const stateWithdrawn = "withdrawn"

// follow enqueues a task unless it is there, and returns its state. What a person cancelled stays so.
func (f *follower) follow(ctx context.Context, p tasks.Payload) (state string, err error) {
	id := tasks.ID(p)
	t, err := f.client.Task(ctx, id)
	if err == nil && t.State != record.StateMissing {
		return t.State, nil
	}
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return "", err
	}
	switch withdrawn, err := f.rdb.HExists(ctx, record.TaskKey(id), record.FieldCancelled).Result(); {
	case err != nil:
		return "", err
	case withdrawn:
		return stateWithdrawn, nil
	}
	r, err := f.client.Enqueue(ctx, p)
	return r.State, err
}

// undoPause is how soon the task that undoes is looked at again; it doubles with every hold, up to
// undoPauseMax.
const (
	undoPause    = 5 * time.Second
	undoPauseMax = 5 * time.Minute
)

// undo is the verdict on a write that came too late to prevent what ECPay shows, and that wants it
// undone. What undoes it is a task of its own, with its own budget, questions and letter. This one waits
// for its end, and enqueues it where it is not there: whoever dies before or after that, there is one such task.
func (h *handler) undo(ctx context.Context, a *attempt, u *tasks.Undo) Verdict {
	a.open, a.doubt = false, false // what is shown was not prevented, and cannot be any more
	if u.Over {
		return a.undone(u)
	}
	late := h.ecpay.Stamp().After(u.Until)
	if late && a.history.Holds == 0 {
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonTooLateToVoid}
	}
	id := tasks.ID(u.Instead)
	state, err := h.follower.follow(ctx, u.Instead)
	switch {
	case err != nil:
		return h.redisAway(err)
	case state == record.StateCompleted:
		return h.undoEnded(ctx, a, id)
	case state == record.StateDead && late:
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonTooLateToVoid}
	case state == record.StateDead, state == stateWithdrawn:
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonVoidDead}.saying(record.Plain(id))
	}
	return Verdict{
		Action: Hold, Kind: ecpay.Conflict, Delay: grow(undoPause, undoPauseMax, a.history.Holds), Pauses: true, Reason: reasonVoiding,
	}.saying(record.Plain(id))
}

// undone is the verdict on a write whose work is undone.
func (a *attempt) undone(u *tasks.Undo) Verdict {
	a.err, a.resp = nil, u.Answer
	return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
}

// undoEnded asks once more when what undoes has ended: it is done, or a person resolved it.
func (h *handler) undoEnded(ctx context.Context, a *attempt, id string) Verdict {
	found, err := h.find(ctx, a)
	if found == askFailed {
		a.err = err
		return h.verdict(a, err)
	}
	if u := tasks.UndoOf(a.payload, a.seen); found == shown && u != nil && u.Over {
		return a.undone(u)
	}
	return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonVoidDead}.saying(record.Plain(id))
}
