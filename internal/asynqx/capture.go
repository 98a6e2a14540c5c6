package asynqx

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// Capture returns the script call by which asynq would store a task, and does not make it: asynq
// v0.26 has no batch, and with Capture asynq's own code still makes every byte of one.
//
// It is for one goroutine at a time.
type Capture struct {
	rdb   *captureClient
	asynq *Client
}

// NewCapture returns a Capture over rdb, to which the name of each queue goes at once.
func NewCapture(rdb redis.UniversalClient) *Capture {
	c := &captureClient{Wrapped: redisx.Wrapped{UniversalClient: rdb}, scripts: map[string]*script{}}
	return &Capture{rdb: c, asynq: NewClient(c)}
}

// ErrOtherAsynq means that asynq's client does not send what it sent when this
// was written.
var ErrOtherAsynq = errors.New("this version of asynq stores tasks in a way that is not known here; use Enqueue")

// Task returns the one command by which asynq stores a task, and the state in which it will
// be then.
func (c *Capture) Task(ctx context.Context, s Spec) (Command, string, error) {
	c.rdb.kept = c.rdb.kept[:0]
	state, err := c.asynq.Enqueue(ctx, s)
	if err != nil {
		return Command{}, "", err
	}
	if len(c.rdb.kept) != 1 {
		return Command{}, "", fmt.Errorf("%w: %d scripts", ErrOtherAsynq, len(c.rdb.kept))
	}
	kept := c.rdb.kept[0]
	if len(kept.keys) != kept.numKeys || len(kept.args) != kept.numArgs {
		return Command{}, "", fmt.Errorf("%w: a script with %d keys and %d arguments", ErrOtherAsynq, len(kept.keys), len(kept.args))
	}
	kept.queue = s.Queue
	return kept, state, nil
}

// Command is a script of asynq's with what it is called with.
type Command struct {
	form
	keys []string
	args []any
}

// captureClient is the Redis client of a [Client] that keeps what is sent by it instead of
// sending it. asynq stores a task by one script, of which it sends the SHA-1 first and the text
// when Redis does not know that. The one other command of asynq's client, which notes the name
// of a queue once per client, goes to Redis at once.
type captureClient struct {
	redisx.Wrapped
	scripts map[string]*script // by SHA-1
	kept    []Command
}

// asStored tells asynq that the task was stored.
var asStored = redis.NewCmdResult(int64(1), nil)

// EvalSha implements [redis.Scripter].
func (c *captureClient) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s, ok := c.scripts[sha]
	if !ok {
		return asNoScript
	}
	c.kept = append(c.kept, Command{form{script: s}, keys, args})
	return asStored
}

// Eval implements [redis.Scripter].
func (c *captureClient) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	s := newScript(text, len(keys), len(args))
	c.scripts[s.sha] = s
	return c.EvalSha(ctx, s.sha, keys, args...)
}
