package asynqx

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// ConditionalClient is the Redis client of a [Client] that puts a condition before the script by
// which asynq stores a task. One script checks the condition and stores the task, so that no
// other command can come between. Only asynq's part of it writes.
//
// It takes one server that has all keys: on a cluster ecpayq's keys and asynq's may be on
// different ones. Each call needs a [Condition] in its context.
type ConditionalClient struct {
	redisx.Wrapped
	condition Before
	scripts   sync.Map // *spliced by the SHA-1 of asynq's
}

// NewConditionalClient returns a client over rdb. The condition answers a number below 0 where
// the task is not to be stored, else nothing.
func NewConditionalClient(rdb redis.UniversalClient, condition Before) *ConditionalClient {
	return &ConditionalClient{Wrapped: redisx.Wrapped{UniversalClient: rdb}, condition: condition}
}

// Condition is the condition of one call, and its result.
type Condition struct {
	Call Call
	// Answer is the number below 0 by which the condition kept the task from being stored, else
	// 0. asynq is then told that a task with the id exists, and [Client.Enqueue] returns
	// [ErrExists].
	Answer int64
	// Refused means that Redis, which was reached, refused the script.
	Refused bool
}

type conditionKey struct{}

// In returns the context of a call that has the condition.
func (c *Condition) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, conditionKey{}, c)
}

// asConflict tells asynq that a task with the id exists.
var asConflict = redis.NewCmdResult(int64(0), nil)

// EvalSha implements [redis.Scripter].
func (u *ConditionalClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	c := ctx.Value(conditionKey{}).(*Condition)
	s, known := u.scripts.Load(sha)
	if !known {
		return asNoScript
	}
	cmd := s.(*spliced).run(ctx, u.UniversalClient, keys, args, c.Call)
	switch n, err := cmd.Int64(); {
	case err != nil:
		var answer redis.Error
		c.Refused = errors.As(err, &answer)
	case n < 0:
		c.Answer = n
		return asConflict
	}
	return cmd
}

// Eval implements [redis.Scripter].
func (u *ConditionalClient) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	sha := hash(text)
	u.scripts.LoadOrStore(sha, splice(u.condition, text, len(keys), len(args)))
	return u.EvalSha(ctx, sha, keys, args...)
}
