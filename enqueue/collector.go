package enqueue

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
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
	scripts map[string]string // text by SHA-1
	kept    []command
}

// command is a script with what it is called with.
type command struct {
	sha, text string
	keys      []string
	args      []any
}

func newCollector(rdb redis.UniversalClient) *collector {
	return &collector{UniversalClient: rdb, scripts: map[string]string{}}
}

// What asynq is answered: that the task was stored, and that the text is needed.
var (
	asStored   = redis.NewCmdResult(int64(1), nil)
	asNoScript = redis.NewCmdResult(nil, redis.ErrNoScript)
)

// EvalSha implements [redis.Scripter].
func (c *collector) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	text, ok := c.scripts[sha]
	if !ok {
		return asNoScript
	}
	c.kept = append(c.kept, command{sha, text, keys, args})
	return asStored
}

// Eval implements [redis.Scripter].
func (c *collector) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	sum := sha1.Sum([]byte(text))
	sha := hex.EncodeToString(sum[:])
	c.scripts[sha] = text
	return c.EvalSha(ctx, sha, keys, args...)
}

// errOtherAsynq means that asynq's client does not send what it sent when this
// was written.
var errOtherAsynq = errors.New("this version of asynq stores tasks in a way that is not known here; use Enqueue")

// collect returns the one command by which asynq stores a task. The state of the
// returned info is what it will be then.
func (c *collector) collect(ctx context.Context, client *asynq.Client, t *asynq.Task) (command, *asynq.TaskInfo, error) {
	c.kept = c.kept[:0]
	info, err := client.EnqueueContext(ctx, t)
	if err != nil {
		return command{}, nil, err
	}
	if len(c.kept) != 1 {
		return command{}, nil, fmt.Errorf("%w: %d scripts", errOtherAsynq, len(c.kept))
	}
	return c.kept[0], info, nil
}
