package asynqx

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// ForwardClient is the Redis client of asynq's Servers as far as they make delayed tasks
// pending: it knows when the next one of each queue is due. asynq runs one script after the
// other for each queue, for its scheduled tasks and for those to be tried again, as often as it
// looks whether their time has come: those are most of the commands of an idle worker.
// ForwardClient reads by one pipeline when the first task of each is due, and lets asynq's
// script run only where one is.
//
// A task that is added between two reads is found by the next one. Where the read fails, asynq's
// script runs as it would without ForwardClient.
type ForwardClient struct {
	redisx.Wrapped

	sets []string      // asynq's sorted sets, by the second at which a task is due
	old  time.Duration // how long a look counts

	mu     sync.Mutex
	looked time.Time
	due    map[string]float64 // when the first of a set is, in seconds; absent for none
}

// NewForwardClient returns a client over rdb for Servers of these queues. old is how long a read
// counts.
func NewForwardClient(rdb redis.UniversalClient, queues map[string]int, old time.Duration) *ForwardClient {
	c := &ForwardClient{Wrapped: redisx.Wrapped{UniversalClient: rdb}, old: old}
	for name := range queues {
		c.sets = append(c.sets, Key(name, Scheduled), Key(name, Retry))
	}
	return c
}

// EvalSha answers in the place of asynq's script that makes delayed tasks pending, where no task
// is due, that it has found none.
func (c *ForwardClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if now, ok := c.forwards(keys, args); ok && !c.ready(ctx, keys[0], now) {
		return redis.NewCmdResult(int64(0), nil)
	}
	return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// forwards recognises that script by its two keys, which no other of asynq's has, and returns
// its first argument, the second that it takes for now.
func (c *ForwardClient) forwards(keys []string, args []any) (now int64, ok bool) {
	if len(keys) != 2 || len(args) == 0 || !is(keys[1], Pending) || !slices.Contains(c.sets, keys[0]) {
		return 0, false
	}
	now, ok = args[0].(int64)
	return now, ok
}

// ready reports whether a task of a set may be due.
func (c *ForwardClient) ready(ctx context.Context, set string, now int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > c.old && !c.look(ctx) {
		return true
	}
	first, some := c.due[set]
	return some && first <= float64(now)
}

// look asks Redis, and reports whether it has answered. The caller holds mu.
func (c *ForwardClient) look(ctx context.Context) bool {
	start := time.Now()
	first := make([]*redis.ZSliceCmd, len(c.sets))
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, set := range c.sets {
			first[i] = p.ZRangeWithScores(ctx, set, 0, 0)
		}
		return nil
	})
	if err != nil {
		return false
	}
	due := make(map[string]float64, len(c.sets))
	for i, set := range c.sets {
		if z := first[i].Val(); len(z) > 0 {
			due[set] = z[0].Score
		}
	}
	c.due, c.looked = due, start
	return true
}
