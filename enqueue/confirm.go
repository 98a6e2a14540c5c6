package enqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Confirm asks for more than Redis' own word that a task is stored.
type Confirm = record.Confirm

// ErrNotConfirmed means that the task is stored, but not yet on as many replicas
// or disks as asked for. Workers may run it already; calling again is safe and
// waits again.
var ErrNotConfirmed = record.ErrNotConfirmed

// barrier proves that the very master that answers has the task, and writes:
// what is waited for is what the connection has written.
//
// KEYS: the task, the barrier (in the slot of the queue)
var barrier = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {0} end
redis.call('SET', KEYS[2], '1', 'PX', 60000)
return {1}`)

// confirms reports whether there is anything to wait for: an earlier task that has
// ended may be forgotten by asynq, and is not enqueued again for that.
func (c *Client) confirms(r Receipt) bool {
	ended := record.Task{State: r.State}.Ended()
	return c.cfg.Confirm.Wanted() && !(r.Duplicate && ended)
}

// confirmed waits until replicas and disks have the task. again means that the
// task has to be stored once more: a failover came between storing and
// confirming, and the master that answers now does not have it.
func (c *Client) confirmed(ctx context.Context, r Receipt) (again bool, err error) {
	typ, _ := tasks.ByName(r.Type)
	keys := []string{record.AsynqTaskKey(typ.Queue, r.ID), record.BarrierKey(typ.Queue)}
	there, err := c.cfg.Confirm.Run(ctx, c.rdb, barrier, keys)
	if err != nil {
		return false, notConfirmed(r.ID, err)
	}
	return len(there) == 0 || there[0] == 0, nil
}

func notConfirmed(id string, err error) error {
	if errors.Is(err, ErrNotConfirmed) {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	return fmt.Errorf("enqueue %s: %w: %w", id, ErrNotConfirmed, err)
}
