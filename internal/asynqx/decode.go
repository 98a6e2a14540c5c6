package asynqx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Read asks for what [Decode] needs of a task. asynq's Inspector reads one task in two
// round trips; this way many are read in one.
func Read(ctx context.Context, pipe redis.Pipeliner, queue, id string) *redis.SliceCmd {
	return pipe.HMGet(ctx, TaskKey(queue, id), "msg", "state", "result")
}

// Decode lets asynq's own code say what it has stored, by the answer to [Read]; next is when
// the task runs next, if it waits for a time. It returns [ErrNotFound] when asynq has no
// such task, and an error that wraps [ErrUnreadable] when what it has is none.
func Decode(queue, id string, stored *redis.SliceCmd, next time.Time) (*Task, error) {
	v, err := stored.Result()
	switch {
	case err != nil:
		return nil, err
	case len(v) != 3 || v[0] == nil && v[1] == nil:
		return nil, ErrNotFound
	}
	at := int64(0)
	if !next.IsZero() {
		at = next.Unix()
	}
	t, err := told{task: []any{v[0], v[1], at, v[2]}}.get(queue, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return t, nil
}

// ErrUnreadable means that what is stored as a task is none that asynq could read.
var ErrUnreadable = errors.New("task cannot be read")

// DecodeMessage lets asynq's own code say what a task is as asynq encodes it in the field
// msg. The state of what it returns says nothing.
func DecodeMessage(msg []byte) (*Task, error) {
	return told{task: []any{msg, Active, int64(0), nil}}.get("any", "any")
}

// told is a Redis client that answers an [asynq.Inspector] from what was read of a task before.
// To read a task, the Inspector asks whether the queue exists, and runs one script, which
// answers the message, the state, when the task runs next (Unix seconds, 0 for never) and the
// result.
type told struct {
	redis.UniversalClient // nil: the Inspector sends nothing else
	task                  []any
}

func (t told) get(queue, id string) (*Task, error) {
	info, err := asynq.NewInspectorFromRedisClient(t).GetTaskInfo(queue, id)
	if err != nil {
		return nil, err
	}
	return taskOf(info), nil
}

// SIsMember answers that the queue exists.
func (told) SIsMember(context.Context, string, any) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

// EvalSha implements [redis.Scripter].
func (t told) EvalSha(context.Context, string, []string, ...any) *redis.Cmd {
	return redis.NewCmdResult(t.task, nil)
}

// ArchivedByHand reports whether a person archived a task, by when asynq's archive says that it
// was (Unix seconds, 0 when it does not). asynq archives by itself what failed, when its retries
// are used up or [asynq.SkipRetry] is in the error, and stores the time of that failure; by hand
// it only moves the task to another list.
func (t *Task) ArchivedByHand(at float64) bool {
	if t.State != Archived {
		return false
	}
	if t.Retried < t.MaxRetry && !strings.Contains(t.LastErr, asynq.SkipRetry.Error()) {
		return true
	}
	return at > 0 && int64(at) != t.LastFailedAt.Unix()
}
