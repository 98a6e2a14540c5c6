package enqueue

import (
	"context"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// replaceDead puts an intent in the place of a dead task; answered is false when
// there is none and it is to be stored as any other.
func (c *Client) replaceDead(ctx context.Context, i *intent) (_ Receipt, answered bool, err error) {
	r := i.receipt
	out, err := obey(ctx, false, func() (ledger.ActResult, error) { // asynq's Inspector takes no context
		return c.dead.Revive(ctx, r.ID, ledger.Revival{
			Correct:   func(ledger.Entry) (tasks.Payload, error) { return i.payload, nil },
			ProcessAt: i.processAt,
			Before: func(ctx context.Context, l ledger.Entry) error {
				return c.dead.Audit(ctx, c.replaced(l, i.payload, i.by))
			},
		})
	})
	switch {
	case err != nil:
		return Receipt{}, true, redisError(ctx, r.ID, err)
	case out == ledger.Replayed:
		r.State, r.Replaced = record.StatePending, true
		if !i.processAt.IsZero() {
			r.State = record.StateScheduled
		}
		return r, true, nil
	case out != ledger.Busy:
		return Receipt{}, false, nil
	}
	r, err = c.duplicate(ctx, i, "")
	return r, true, err
}

// replaced is the entry in the audit. Fields names what is not as it was; nothing
// when the earlier payload cannot be read.
func (c *Client) replaced(l ledger.Entry, p tasks.Payload, by string) ledger.AuditEntry {
	e := ledger.AuditEntry{Who: by, What: ledger.ActReplace, ID: l.ID}
	if earlier, err := c.keys.Decode(l.ID, l.Type, l.Headers, l.Payload); err == nil {
		e.Fields = tasks.Differs(p, earlier)
	}
	return e
}

// earlier is what we know of a task beyond asynq, which forgets.
type earlier struct {
	dead bool // it is in the ledger of dead letters
	done bool // it has a finish marker
}

// lookUp reads both in one round trip: the keys share a slot.
func (c *Client) lookUp(ctx context.Context, id string) (earlier, error) {
	return obey(ctx, c.own, func() (earlier, error) {
		pipe := c.rdb.Pipeline()
		letter := pipe.ZScore(ctx, record.DeadKey(id), id)
		done := pipe.Exists(ctx, record.DoneKey(id))
		if err := redisx.Exec(ctx, pipe); err != nil {
			return earlier{}, err
		}
		return earlier{dead: letter.Err() == nil, done: done.Val() == 1}, nil
	})
}

// stands reports whether the earlier task keeps a new one from being stored.
func (e earlier) stands(p tasks.Payload) bool { return e.dead || e.done && tasks.WantedOnce(p) }

// ended describes an earlier task that has ended. It may be this very one, if the
// Redis client repeated its command.
func (c *Client) ended(ctx context.Context, i *intent, e earlier) (Receipt, error) {
	return e.ended(c.duplicate(ctx, i, i.nonce))
}

// ended mends the receipt of a task that was run again since it died, and deleted
// in asynq: its letter stands.
func (e earlier) ended(r Receipt, err error) (Receipt, error) {
	if e.dead && r.State == record.StateMissing {
		r.State = record.StateDead
	}
	return r, err
}
