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

// CompleteClient is the Redis client of asynq's Servers by which the end of a task that is
// done is recorded by the same script as asynq completes it: that saves a round trip, and Redis
// does both or neither. The handler leaves a Completion here and returns, and the next script of
// asynq's about the task takes it along.
//
// It takes one server that has all keys. On a cluster, and where Redis refuses such a
// script, the end is recorded by itself, before asynq completes the task.
type CompleteClient struct {
	redisx.Wrapped

	before  Before      // records the end
	scripts sync.Map    // *spliced by the SHA-1 of asynq's
	off     atomic.Bool // Redis refuses such scripts

	mu      sync.Mutex
	open    map[string]*Completion // by task id
	stopped bool
	wg      sync.WaitGroup // counts the open ones
}

// Completion is the end of a task that is to be recorded.
type Completion struct {
	// ID is that of the task.
	ID string
	// Call is that of the script that records the end.
	Call Call
	// Alone records the end without asynq's completion, trying again; After is told the
	// result.
	Alone func() error
	After func(error)

	timer *time.Timer
}

// completionWait is how long a Completion waits for asynq, which completes a task at once
// or, when its lease is over, never.
const completionWait = time.Second

// NewCompleteClient returns a client over rdb, which has to be one server with all keys. before
// records the end.
func NewCompleteClient(rdb redis.UniversalClient, before Before) *CompleteClient {
	return &CompleteClient{Wrapped: redisx.Wrapped{UniversalClient: rdb}, before: before, open: map[string]*Completion{}}
}

// Take takes over a Completion. It reports false where the caller has to record
// it now, as always where c is nil.
func (c *CompleteClient) Take(p *Completion) bool {
	if c == nil || c.off.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.open[p.ID] != nil { // left by another attempt, whose lease is over
		return false
	}
	c.open[p.ID] = p
	c.wg.Add(1)
	p.timer = time.AfterFunc(completionWait, func() {
		if c.claim(p) {
			_ = c.alone(p)
		}
	})
	return true
}

// claim removes a Completion from the open ones and reports whether it was there: the one caller
// that is told so records it.
func (c *CompleteClient) claim(p *Completion) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[p.ID] != p {
		return false
	}
	delete(c.open, p.ID)
	return true
}

func (c *CompleteClient) alone(p *Completion) error {
	defer c.wg.Done()
	p.timer.Stop()
	err := p.Alone()
	p.After(err)
	return err
}

// Stop records what asynq did not complete, and takes nothing over any more. It is called
// when the Servers have stopped, and does nothing where c is nil.
func (c *CompleteClient) Stop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.stopped = true
	left := c.open
	c.open = map[string]*Completion{}
	c.mu.Unlock()
	for _, p := range left {
		go func() { _ = c.alone(p) }()
	}
	c.wg.Wait()
}

// about returns the Completion of the task that a script of asynq's is about, if there is
// one: the first argument is its id.
func (c *CompleteClient) about(args []any) *Completion {
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
func (c *CompleteClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	p := c.about(args)
	if p == nil {
		return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	w, known := c.scripts.Load(sha)
	if !known {
		return asNoScript
	}
	if !c.claim(p) {
		return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	cmd := w.(*spliced).run(ctx, c.UniversalClient, keys, args, p.Call)
	if cmd.Err() == nil {
		p.timer.Stop()
		p.After(nil)
		c.wg.Done()
		return cmd
	}
	var answer redis.Error
	if err := c.alone(p); err != nil || !errors.As(cmd.Err(), &answer) {
		return cmd // asynq must not complete what is not recorded
	}
	for _, word := range []string{"CROSSSLOT", "MOVED", "NOPERM", "ERR"} { // refusals that last, unlike READONLY
		if redis.HasErrorPrefix(cmd.Err(), word) {
			c.off.Store(true)
		}
	}
	return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// Eval implements [redis.Scripter].
func (c *CompleteClient) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	if c.about(args) == nil {
		return c.UniversalClient.Eval(ctx, text, keys, args...)
	}
	sha := hash(text)
	c.scripts.LoadOrStore(sha, splice(c.before, text, len(keys), len(args)))
	cmd := c.EvalSha(ctx, sha, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") { // the end was recorded by itself, and asynq's script is not known to Redis
		return c.UniversalClient.Eval(ctx, text, keys, args...)
	}
	return cmd
}
