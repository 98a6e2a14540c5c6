package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/worker/gate"
)

// completions is the Redis client of asynq's Servers by which the outcome of a task that
// is done is recorded by the same script as asynq completes it: that saves a round trip, and
// nothing can come between. The handler leaves the outcome here and returns, and the next
// script of asynq's about the task takes it along.
//
// It takes one server that has all keys. On a cluster, and where Redis refuses such a
// script, the outcome is recorded by itself, before asynq completes the task.
type completions struct {
	redis.UniversalClient

	gate    *gate.Gate
	scripts sync.Map    // *gate.With by the SHA-1 of asynq's
	off     atomic.Bool // Redis refuses them

	mu      sync.Mutex
	open    map[string]*completion // by task id
	stopped bool
	wg      sync.WaitGroup // of those that are open
}

// completion is an outcome that is to be recorded.
type completion struct {
	attempt gate.Attempt
	result  gate.Result
	// alone records it by itself, trying again; after is told what became of it.
	alone func() error
	after func(error)
	timer *time.Timer
}

// completionWait is how long an outcome waits for asynq, which completes a task at once
// or, when its lease is over, never.
const completionWait = time.Second

// newCompletions returns nil where not one server has all keys.
func newCompletions(rdb redis.UniversalClient, g *gate.Gate) *completions {
	if _, one := rdb.(*redis.Client); !one {
		return nil
	}
	return &completions{UniversalClient: rdb, gate: g, open: map[string]*completion{}}
}

// take takes an outcome over. It reports false where that has to be recorded now.
func (c *completions) take(p *completion) bool {
	if c == nil || c.off.Load() || p.result.Banned > 0 {
		return false
	}
	id := p.attempt.Keys.ID
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.open[id] != nil { // by an attempt whose lease is over
		return false
	}
	c.open[id] = p
	c.wg.Add(1)
	p.timer = time.AfterFunc(completionWait, func() {
		if c.claim(id, p) {
			_ = c.alone(p)
		}
	})
	return true
}

// claim takes an outcome out. Whoever gets it records it.
func (c *completions) claim(id string, p *completion) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[id] != p {
		return false
	}
	delete(c.open, id)
	return true
}

func (c *completions) alone(p *completion) error {
	defer c.wg.Done()
	p.timer.Stop()
	err := p.alone()
	p.after(err)
	return err
}

// stop records what asynq did not complete, and takes nothing over any more. It is called
// when the Servers have stopped.
func (c *completions) stop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.stopped = true
	left := c.open
	c.open = map[string]*completion{}
	c.mu.Unlock()
	for _, p := range left {
		go func() { _ = c.alone(p) }()
	}
	c.wg.Wait()
}

// about returns the outcome of the task that a script of asynq's is about, if there is
// one: in asynq v0.26 the first argument is its id.
func (c *completions) about(args []any) *completion {
	if len(args) == 0 {
		return nil
	}
	id, ok := args[0].(string)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[id]
}

// EvalSha implements [redis.Scripter].
func (c *completions) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	p := c.about(args)
	if p == nil {
		return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	w, known := c.scripts.Load(sha)
	if !known {
		return redis.NewCmdResult(nil, redis.ErrNoScript) // so that its text comes
	}
	if !c.claim(p.attempt.Keys.ID, p) {
		return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	cmd := c.gate.LeaveWith(ctx, c.UniversalClient, w.(*gate.With), keys, args, p.attempt, p.result)
	if cmd.Err() == nil {
		p.timer.Stop()
		p.after(nil)
		c.wg.Done()
		return cmd
	}
	var answer redis.Error
	if err := c.alone(p); err != nil || !errors.As(cmd.Err(), &answer) {
		return cmd // asynq must not complete what is not recorded
	}
	for _, word := range []string{"CROSSSLOT", "MOVED", "NOPERM", "ERR"} { // not for a moment, like READONLY
		if redis.HasErrorPrefix(cmd.Err(), word) {
			c.off.Store(true)
		}
	}
	return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// Eval implements [redis.Scripter].
func (c *completions) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	if c.about(args) == nil {
		return c.UniversalClient.Eval(ctx, text, keys, args...)
	}
	sha := redis.NewScript(text).Hash()
	c.scripts.LoadOrStore(sha, gate.NewWith(text, len(keys), len(args)))
	return c.EvalSha(ctx, sha, keys, args...)
}
