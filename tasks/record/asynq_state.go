package record

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
)

// AsynqState is where asynq has a task: one of asynq's states, or one of these.
type AsynqState string

// States that are none of asynq's, and those of asynq's that have to be told apart.
const (
	AsynqNone  AsynqState = "none"
	AsynqStuck AsynqState = "stuck" // a remnant that asynq can neither list nor run
	AsynqHalf  AsynqState = "half"  // asynq could not finish archiving it

	AsynqArchived  AsynqState = "archived"
	AsynqCompleted AsynqState = "completed"
	AsynqScheduled AsynqState = "scheduled"
)

// Dead reports whether asynq will not run the task by itself, nor could.
func (s AsynqState) Dead() bool { return s == AsynqArchived || s == AsynqStuck || s == AsynqHalf }

// AsynqKeys are the keys of asynq's by which it is known where it has a task.
type AsynqKeys struct{ Task, Archived, Lease, Completed, Retry, Scheduled string }

// AsynqKeysOf returns those of a task.
func AsynqKeysOf(queue, id string) AsynqKeys {
	return AsynqKeys{
		asynqx.TaskKey(queue, id), asynqx.Key(queue, asynqx.Archived), asynqx.Key(queue, asynqx.Lease), asynqx.Key(queue, asynqx.Completed),
		asynqx.Key(queue, asynqx.Retry), asynqx.Key(queue, asynqx.Scheduled),
	}
}

// AsynqStateLua defines asynq_state, for scripts that have [AsynqKeys].
//
//go:embed asynq_state.lua
var AsynqStateLua string

type lookArgs struct{ ID string }

var look = redisx.NewScript[AsynqKeys, lookArgs, string](AsynqStateLua, "return (asynq_state(ARGV.id))")

// ReadAsynqState reads the answer of a script that returns an [AsynqState].
func ReadAsynqState(answer string, err error) (AsynqState, error) {
	if err == nil && answer == "" {
		err = errors.New("no answer")
	}
	if err != nil {
		return "", fmt.Errorf("look for task in asynq: %w", err)
	}
	return AsynqState(answer), nil
}

// AsynqTask names a task, and the queue in which asynq would have it.
type AsynqTask struct{ Queue, ID string }

// InAsynq is where asynq has one task of many.
type InAsynq struct {
	State AsynqState
	Err   error
}

// LookInAsynq says where asynq has tasks, in one round trip.
func LookInAsynq(ctx context.Context, rdb redis.UniversalClient, tasks []AsynqTask) []InAsynq {
	calls := make([]*redisx.Call[string], len(tasks))
	for i, t := range tasks {
		calls[i] = look.Call(AsynqKeysOf(t.Queue, t.ID), lookArgs{t.ID})
	}
	look.RunAll(ctx, rdb, calls)
	found := make([]InAsynq, len(tasks))
	for i, c := range calls {
		found[i].State, found[i].Err = ReadAsynqState(c.Answer())
	}
	return found
}
