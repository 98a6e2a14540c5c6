package asynqx

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// DequeueClient is the Redis client of asynq's Servers as far as they ask for tasks. asynq asks
// every queue for a task, one round trip after the other, and sleeps when all are empty: the
// more often it looks, the sooner a task begins and the more an idle worker costs. DequeueClient
// does not ask a queue that was found empty again before it has a task, for which one blocked
// command of each queue and process waits. While all queues are empty, asynq's call does not
// return. So an idle worker sends almost no commands, a task begins at once, and a busy worker
// needs one round trip for a task rather than one for each queue.
//
// The blocked command is BLMOVE of the oldest element onto its own place, which changes nothing
// and works in asynq's own list. In case the blocked command misses a task, or Redis does not
// know it, the queues are asked from time to time as well.
type DequeueClient struct {
	redisx.Wrapped

	queues map[string]*watchedQueue // by the key of its pending tasks
	// recheck is how long a queue is taken for empty at most: the blocked command may miss a task.
	recheck time.Duration
	admit   func(context.Context)
	ctx     context.Context // ends with Stop
	cancel  context.CancelFunc
	made    time.Time
	asked   atomic.Int64 // when a Server asked for a task last, in nanoseconds after made; 0 for never

	mu      sync.Mutex
	changed chan struct{} // closed when a queue is to be asked again
}

// watchedQueue is one queue. DequeueClient.mu guards all but the channel.
type watchedQueue struct {
	pending    string        // asynq's list of tasks that wait
	emptyUntil time.Time     // it is taken for empty until then; zero: ask
	deaf       bool          // its blocked command failed
	fruitless  int           // returns of the blocked command in a row that brought no task
	emptied    chan struct{} // tells its watcher; holds one
}

const (
	// defaultRecheck is the default of recheck.
	defaultRecheck = time.Second
	// deafRecheck takes its place while the blocked command fails.
	deafRecheck = 50 * time.Millisecond
	// blockTime is how long one blocked command waits. It bounds for how long it
	// outlives Stop.
	blockTime = time.Second
	// atOnce is within what time the blocked command returns for a list that was not empty
	// when it began. That tells of no new task: the queue is paused, or other processes take its
	// tasks.
	atOnce = 20 * time.Millisecond
	// refusedPause is how long a Server pauses when Redis gives it no task and does not say that
	// there is none, for example while it is full: asynq asks again at once.
	refusedPause = 200 * time.Millisecond
	// maxFruitlessPause bounds the pause after many returns in a row that brought no task.
	maxFruitlessPause = time.Second
)

// NewDequeueClient returns a client over rdb for Servers of these queues. admit, when not nil,
// waits until the process may take one more task; its context ends with Stop.
func NewDequeueClient(rdb redis.UniversalClient, queues map[string]int, admit func(context.Context)) *DequeueClient {
	c := &DequeueClient{
		Wrapped: redisx.Wrapped{UniversalClient: rdb}, queues: map[string]*watchedQueue{}, recheck: defaultRecheck, admit: admit,
		changed: make(chan struct{}), made: time.Now(),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for name := range queues {
		key := Key(name, Pending)
		c.queues[key] = &watchedQueue{pending: key, emptied: make(chan struct{}, 1)}
	}
	return c
}

// Start begins to wait for tasks. It is called before the Servers are started.
func (c *DequeueClient) Start() {
	c.asks()
	for _, q := range c.queues {
		go c.watchQueue(q)
	}
}

// Stop ends the calls of Servers that wait for a task, so that these can be shut down. What
// Start began ends soon after, at the latest when the client is closed; nobody needs to wait for
// it.
func (c *DequeueClient) Stop() { c.cancel() }

// EvalSha answers asynq's question for a task of a queue that is empty.
func (c *DequeueClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	q := c.dequeued(keys)
	if q != nil {
		c.asks()
	}
	if q != nil && c.empty(q) {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(redis.Nil)
		return cmd
	}
	if q != nil && c.admit != nil {
		c.admit(c.ctx)
	}
	cmd := c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if q == nil {
		return cmd
	}
	switch err := cmd.Err(); {
	case err == nil:
		c.foundTask(q)
	case errors.Is(err, redis.Nil):
		c.foundEmpty(q)
	case !redis.HasErrorPrefix(err, "NOSCRIPT"): // after which asynq sends its text
		sleep(c.ctx, refusedPause)
	}
	return cmd
}

func (c *DequeueClient) asks() { c.asked.Store(int64(time.Since(c.made))) }

// Silent is how long no Server has asked for a task, by the monotonic clock; 0 before Start
// and after Stop.
func (c *DequeueClient) Silent() time.Duration {
	asked := time.Duration(c.asked.Load())
	if asked == 0 || c.ctx.Err() != nil {
		return 0
	}
	return time.Since(c.made) - asked
}

// dequeued returns the queue that asynq's script asks for a task, nil if it is
// another script: that script alone has these four keys.
func (c *DequeueClient) dequeued(keys []string) *watchedQueue {
	if len(keys) != 4 || !is(keys[1], Paused) || !is(keys[2], Active) {
		return nil
	}
	return c.queues[keys[0]]
}

// empty reports whether q need not be asked. When no queue needs to be, it waits
// for one first.
func (c *DequeueClient) empty(q *watchedQueue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ctx.Err() == nil {
		now := time.Now()
		if !now.Before(q.emptyUntil) {
			if !q.emptyUntil.IsZero() {
				q.emptyUntil = now.Add(c.recheckOf(q)) // one Server is enough to find out
			}
			return false
		}
		next, all := c.nextLook(now)
		if !all {
			return true // another queue comes later in this round, or early in the next
		}
		changed := c.changed
		c.mu.Unlock()
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-changed:
		case <-timer.C:
		case <-c.ctx.Done():
		}
		timer.Stop()
		c.mu.Lock()
	}
	return false
}

// nextLook returns when the next queue is to be asked, and whether all are taken
// for empty. The caller holds mu.
func (c *DequeueClient) nextLook(now time.Time) (next time.Time, all bool) {
	for _, q := range c.queues {
		if !now.Before(q.emptyUntil) {
			return now, false
		}
		if next.IsZero() || q.emptyUntil.Before(next) {
			next = q.emptyUntil
		}
	}
	return next, true
}

func (c *DequeueClient) recheckOf(q *watchedQueue) time.Duration {
	if q.deaf {
		return deafRecheck
	}
	return c.recheck
}

// foundEmpty notes that q has no task, and lets its watcher wait for one. It is safe
// that a task may have come since: the watcher finds it at once.
func (c *DequeueClient) foundEmpty(q *watchedQueue) {
	c.mu.Lock()
	q.emptyUntil = time.Now().Add(c.recheckOf(q))
	c.mu.Unlock()
	select {
	case q.emptied <- struct{}{}:
	default:
	}
}

// foundTask notes that q had a task.
func (c *DequeueClient) foundTask(q *watchedQueue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.fruitless = 0
	c.ask(q)
}

// ask lets all Servers ask q again. The caller holds mu.
func (c *DequeueClient) ask(q *watchedQueue) {
	if q.emptyUntil.IsZero() {
		return
	}
	q.emptyUntil = time.Time{}
	c.tell()
}

// tell lets the Servers that wait look again. The caller holds mu.
func (c *DequeueClient) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// watchQueue waits for a task whenever q was found empty.
func (c *DequeueClient) watchQueue(q *watchedQueue) {
	for {
		select {
		case <-q.emptied:
		case <-c.ctx.Done():
			return
		}
		for c.takenForEmpty(q) {
			pause := c.block(q)
			if pause > 0 {
				sleep(c.ctx, pause)
			}
			if c.ctx.Err() != nil {
				return
			}
		}
	}
}

func (c *DequeueClient) takenForEmpty(q *watchedQueue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !q.emptyUntil.IsZero()
}

// block waits until something is in q, and returns how long to pause before the
// next time.
func (c *DequeueClient) block(q *watchedQueue) time.Duration {
	start := time.Now()
	err := c.BLMove(c.ctx, q.pending, q.pending, "RIGHT", "RIGHT", blockTime).Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, redis.Nil): // nothing came
		q.deaf, q.fruitless = false, 0
		return 0
	case err != nil:
		q.deaf = true
		q.emptyUntil = time.Now().Add(min(deafRecheck, max(0, time.Until(q.emptyUntil))))
		c.tell() // to Servers that wait for longer
		return defaultRecheck
	}
	q.deaf = false
	c.ask(q)
	if time.Since(start) > atOnce {
		q.fruitless = 0
		return 0
	}
	q.fruitless++
	return min(maxFruitlessPause, time.Millisecond<<min(q.fruitless-1, 16)-time.Millisecond)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
