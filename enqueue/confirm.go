package enqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Confirm asks for more than Redis' own word that a task is stored.
type Confirm = redisx.Confirm

// ErrNotConfirmed means that the task is stored, but not yet on as many replicas
// or disks as asked for. Workers may run it already; calling again is safe and
// waits again.
var ErrNotConfirmed = redisx.ErrNotConfirmed

// barrier proves that the very master that answers has all tasks, and writes:
// what is waited for is what the connection has written.
var barrier = redisx.NewScript[barrierKeys, struct{}, barrierAnswer](`
for i = FIRST.tasks, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return ANSWER{} end
end
redis.call('SET', KEYS.barrier, '1', 'PX', 60000)
return ANSWER{are_there = 1}`)

type barrierKeys struct {
	Barrier string // in the slot of the queue
	Tasks   []string
}

type barrierAnswer struct{ AreThere bool }

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
	keys := barrierKeys{record.BarrierKey(typ.Queue), []string{asynqx.TaskKey(typ.Queue, r.ID)}}
	v, err := barrier.RunConfirmed(ctx, c.rdb, c.cfg.Confirm, keys, struct{}{})
	if err != nil {
		return false, notConfirmed(r.ID, err)
	}
	return !v.AreThere, nil
}

func notConfirmed(id string, err error) error {
	if errors.Is(err, ErrNotConfirmed) {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	return fmt.Errorf("enqueue %s: %w: %w", id, ErrNotConfirmed, err)
}
