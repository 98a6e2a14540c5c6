package asynqx

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// State is where asynq has a task: one of asynq's states, like [Archived], or one of these.
type State string

// States that are none of asynq's.
const (
	NoTask State = "none"
	Stuck  State = "stuck" // a remnant that asynq can neither list nor run
	Half   State = "half"  // asynq could not finish archiving it
)

// Dead reports whether asynq will not run the task by itself, nor could.
func (s State) Dead() bool { return s == Archived || s == Stuck || s == Half }

// StateKeys are the keys of asynq's by which it is known where it has a task.
type StateKeys struct{ Task, Archived, Lease, Completed, Retry, Scheduled string }

// StateKeysOf returns those of a task.
func StateKeysOf(queue, id string) StateKeys {
	return StateKeys{
		TaskKey(queue, id), Key(queue, Archived), Key(queue, Lease), Key(queue, Completed), Key(queue, Retry), Key(queue, Scheduled),
	}
}

// DropKeys are those that a script needs to remove a task as well.
type DropKeys struct {
	StateKeys
	Active string
}

// DropKeysOf returns those of a task.
func DropKeysOf(queue, id string) DropKeys {
	return DropKeys{StateKeysOf(queue, id), Key(queue, Active)}
}

// Parts of scripts, in Lua.
var (
	// StateLua defines asynq_state, for scripts that have [StateKeys].
	//
	//go:embed state.lua
	StateLua string
	// DropLua defines what removes or mends a task, for scripts that have [StateLua] and [DropKeys].
	//
	//go:embed drop.lua
	DropLua string
	// StoredLua defines what is asked of, and done to, a task by its keys alone.
	//
	//go:embed stored.lua
	StoredLua string
)

// Message is a task as [DecodeMessage] reads it, empty without one. It changes with every enqueue, since
// the headers have a nonce.
func Message(ctx context.Context, rdb redis.UniversalClient, queue, id string) (string, error) {
	msg, err := rdb.HGet(ctx, TaskKey(queue, id), FieldMessage).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read task in asynq: %w", err)
	}
	return msg, nil
}

// PendingSince is when a task became pending; see [redisx.Missing] for one that is not.
func PendingSince(ctx context.Context, rdb redis.UniversalClient, queue, id string) (time.Time, error) {
	ns, err := rdb.HGet(ctx, TaskKey(queue, id), fieldPendingSince).Int64()
	return time.Unix(0, ns), err
}

type lookArgs struct{ ID string }

var look = redisx.NewScript[StateKeys, lookArgs, string](StateLua, "return (asynq_state(ARGV.id))")

// ReadState reads the answer of a script that returns a [State].
func ReadState(answer string, err error) (State, error) {
	if err == nil && answer == "" {
		err = errors.New("no answer")
	}
	if err != nil {
		return "", fmt.Errorf("look for task in asynq: %w", err)
	}
	return State(answer), nil
}

// TaskAt names a task, and the queue in which asynq would have it.
type TaskAt struct{ Queue, ID string }

// Place is where asynq has one task of many.
type Place struct {
	State State
	Err   error
}

// Look says where asynq has tasks, in one round trip.
func Look(ctx context.Context, rdb redis.UniversalClient, tasks []TaskAt) []Place {
	calls := make([]*redisx.Call[string], len(tasks))
	for i, t := range tasks {
		calls[i] = look.Call(StateKeysOf(t.Queue, t.ID), lookArgs{t.ID})
	}
	look.RunAll(ctx, rdb, calls)
	found := make([]Place, len(tasks))
	for i, c := range calls {
		found[i].State, found[i].Err = ReadState(c.Answer())
	}
	return found
}
