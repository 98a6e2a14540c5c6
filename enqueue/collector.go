package enqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// collector is the Redis client of an [asynq.Client] that keeps what is sent by it
// instead of sending it: asynq v0.26 has no batch, and this way its own code
// makes every byte of one. asynq stores a task by one script, of which it sends
// the SHA-1 first and the text when Redis does not know that. All else, which is
// the name of a queue once per client, goes to Redis at once.
//
// It is for one goroutine at a time.
type collector struct {
	redis.UniversalClient
	scripts map[string]*script // by SHA-1
	kept    []command
}

// command is a script with what it is called with.
type command struct {
	*script
	keys []string
	args []any
}

func newCollector(rdb redis.UniversalClient) *collector {
	return &collector{UniversalClient: rdb, scripts: map[string]*script{}}
}

// What asynq is answered: that the task was stored, and that the text is needed.
var (
	asStored   = redis.NewCmdResult(int64(1), nil)
	asNoScript = redis.NewCmdResult(nil, redis.ErrNoScript)
)

// EvalSha implements [redis.Scripter].
func (c *collector) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s, ok := c.scripts[sha]
	if !ok {
		return asNoScript
	}
	c.kept = append(c.kept, command{s, keys, args})
	return asStored
}

// Eval implements [redis.Scripter].
func (c *collector) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	s := newScript(text, len(keys), len(args))
	c.scripts[s.sha] = s
	return c.EvalSha(ctx, s.sha, keys, args...)
}

// errOtherAsynq means that asynq's client does not send what it sent when this
// was written.
var errOtherAsynq = errors.New("this version of asynq stores tasks in a way that is not known here; use Enqueue")

// collect returns the one command by which asynq stores a task. The state of the
// returned info is what it will be then.
func (c *collector) collect(ctx context.Context, client *asynqx.Client, t asynqx.Spec) (command, string, error) {
	c.kept = c.kept[:0]
	state, err := client.Enqueue(ctx, t)
	if err != nil {
		return command{}, "", err
	}
	if len(c.kept) != 1 {
		return command{}, "", fmt.Errorf("%w: %d scripts", errOtherAsynq, len(c.kept))
	}
	kept := c.kept[0]
	if len(kept.keys) != kept.numKeys || len(kept.args) != kept.numArgs {
		return command{}, "", fmt.Errorf("%w: a script with %d keys and %d arguments", errOtherAsynq, len(kept.keys), len(kept.args))
	}
	return kept, state, nil
}
