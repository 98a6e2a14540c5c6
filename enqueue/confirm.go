package enqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Confirm asks for more than Redis' own word that a task is stored.
type Confirm struct {
	// Replicas is how many replicas must have the task before a call succeeds; 0
	// asks for none.
	Replicas int
	// Disk asks that the append-only file holding the task is on the disk of the
	// master, and of as many replicas as Replicas says. It needs Redis 7.2
	// (WAITAOF), or appendfsync always for the master alone.
	Disk bool
	// Timeout is how long to wait for it. Defaults to 1 s.
	Timeout time.Duration
}

func (c Confirm) wanted() bool { return c.Replicas > 0 || c.Disk }

// ErrNotConfirmed means that the task is stored, but not yet on as many replicas
// or disks as asked for. Workers may run it already; calling again is safe and
// waits again.
var ErrNotConfirmed = errors.New("stored but not confirmed")

// barrier proves on the connection that runs it that this very master has the
// task, and writes: WAIT counts only what its own connection has written.
//
// KEYS: the task, the barrier (in the slot of the queue)
var barrier = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], '1', 'PX', 60000)
return 1`)

// errGone means that the master that answers does not have the task: a failover
// came between storing and confirming.
var errGone = errors.New("the task is not on the master that answers now")

// confirm waits until replicas and disks have the task.
func (c *Client) confirm(ctx context.Context, typ tasks.Type, id string) error {
	master, err := c.masterOf(ctx, typ.Queue)
	if err != nil {
		return err
	}
	// One connection for all of it: on another one of the pool, WAIT would return
	// at once and prove nothing.
	conn := master.Conn()
	defer conn.Close()
	keys := []string{record.AsynqTaskKey(typ.Queue, id), record.BarrierKey(typ.Queue)}
	timeout := c.cfg.Confirm.Timeout.Milliseconds()
	var there, replicas, disks *redis.Cmd
	_, err = conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		there = barrier.Eval(ctx, p, keys)
		if c.cfg.Confirm.Replicas > 0 {
			replicas = p.Do(ctx, "WAIT", c.cfg.Confirm.Replicas, timeout)
		}
		if c.cfg.Confirm.Disk {
			disks = p.Do(ctx, "WAITAOF", 1, c.cfg.Confirm.Replicas, timeout)
		}
		return nil
	})
	if n, terr := there.Int(); terr != nil {
		return err
	} else if n == 0 {
		return errGone
	}
	if replicas != nil {
		n, err := replicas.Int()
		if err != nil {
			return err
		}
		if n < c.cfg.Confirm.Replicas {
			return fmt.Errorf("%w: %d of %d replicas have it", ErrNotConfirmed, n, c.cfg.Confirm.Replicas)
		}
	}
	if disks != nil {
		return c.onDisk(ctx, conn, disks)
	}
	return nil
}

// onDisk judges WAITAOF's answer: how many local and replica files were synced.
func (c *Client) onDisk(ctx context.Context, conn *redis.Conn, answer *redis.Cmd) error {
	n, err := answer.Int64Slice()
	switch {
	case err == nil && len(n) == 2 && n[0] >= 1 && int(n[1]) >= c.cfg.Confirm.Replicas:
		return nil
	case err == nil && len(n) == 2:
		return fmt.Errorf("%w: on the disk of %d master and %d of %d replicas", ErrNotConfirmed, n[0], n[1], c.cfg.Confirm.Replicas)
	case err == nil:
		return fmt.Errorf("%w: WAITAOF answered oddly", ErrNotConfirmed)
	case !strings.Contains(err.Error(), "unknown command"):
		return fmt.Errorf("%w: %w", ErrNotConfirmed, err) // for example: appendonly is off
	}
	// Redis before 7.2. With appendfsync always, what is answered is on disk.
	v, err := conn.ConfigGet(ctx, "append*").Result()
	if err == nil && v["appendonly"] == "yes" && v["appendfsync"] == "always" && c.cfg.Confirm.Replicas == 0 {
		return nil
	}
	return fmt.Errorf("%w: this Redis has no WAITAOF (7.2), and appendfsync always is not known to be set", ErrNotConfirmed)
}

// confirmed is the outcome of confirming for the caller. again means that the
// task has to be stored once more.
func (c *Client) confirmed(ctx context.Context, r Receipt) (again bool, err error) {
	typ, _ := tasks.ByName(r.Type)
	err = c.confirm(ctx, typ, r.ID)
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, errGone):
		return true, nil
	case errors.Is(err, ErrNotConfirmed):
		return false, fmt.Errorf("enqueue %s: %w", r.ID, err)
	default:
		return false, fmt.Errorf("enqueue %s: %w: %w", r.ID, ErrNotConfirmed, err)
	}
}

// masterOf returns the client of the one server that has the queue's slot.
func (c *Client) masterOf(ctx context.Context, queue string) (*redis.Client, error) {
	switch rdb := c.rdb.(type) {
	case *redis.Client:
		return rdb, nil
	case *redis.ClusterClient:
		return rdb.MasterForKey(ctx, "{"+queue+"}")
	default:
		return nil, fmt.Errorf("%w: Confirm needs a *redis.Client or *redis.ClusterClient, not %T", ErrNotConfirmed, rdb)
	}
}
