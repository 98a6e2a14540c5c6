package enqueue

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// overDead answers a call whose earlier task is in the ledger of dead letters;
// answered is false when the task is to be stored as any other. asynq alone
// cannot tell: it forgets dead tasks, the ledger does not.
func (c *Client) overDead(ctx context.Context, r Receipt, p tasks.Payload, o call) (_ Receipt, answered bool, err error) {
	if o.replaceDead {
		out, err := obey(ctx, false, func() (record.Outcome, error) { // asynq's Inspector takes no context
			return c.dead.Revive(ctx, r.ID, record.Revival{
				Correct:   func(record.Letter) (tasks.Payload, error) { return p, nil },
				ProcessAt: o.processAt,
			})
		})
		switch {
		case err != nil:
			return Receipt{}, true, redisError(ctx, r.ID, err)
		case out == record.Replayed:
			r.State, r.Replaced = record.StatePending, true
			if !o.processAt.IsZero() {
				r.State = record.StateScheduled
			}
			return r, true, nil
		case out != record.Busy:
			return Receipt{}, false, nil
		}
		r, err = c.duplicate(ctx, r, p, "")
		return r, true, err
	}
	if _, err := obey(ctx, c.own, func() (float64, error) { return c.rdb.ZScore(ctx, record.DeadKey(r.ID), r.ID).Result() }); err != nil {
		if errors.Is(err, redis.Nil) {
			return Receipt{}, false, nil
		}
		return Receipt{}, true, redisError(ctx, r.ID, err)
	}
	r, err = c.duplicate(ctx, r, p, "")
	if r.State == record.StateMissing { // run again since, and deleted in asynq: the letter stands
		r.State = record.StateDead
	}
	return r, true, err
}
