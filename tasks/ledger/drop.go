package ledger

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed drop.lua
var dropLua string

var dropScript = redis.NewScript(record.AsynqStateLua + dropLua)

// Dropped is the answer of [Store.Drop] when it removed the task; else it says where
// asynq has it.
const Dropped record.AsynqState = "dropped"

// What drop.lua is to do.
const (
	drop = "drop"
	tidy = "tidy"
	mend = "mend"
)

func dropCall(queue, id, mode string, more ...any) *record.Call {
	return &record.Call{
		Keys: append(record.AsynqStateKeys(queue, id), asynqx.Key(queue, asynqx.Active)),
		Args: append([]any{id, mode}, more...),
	}
}

// Look says where asynq has a task.
func (s *Store) Look(ctx context.Context, queue, id string) (record.AsynqState, error) {
	there := s.LookAll(ctx, queue, []string{id})[0]
	return there.State, there.Err
}

// LookAll is [Store.Look] of many tasks in one round trip.
func (s *Store) LookAll(ctx context.Context, queue string, ids []string) []record.InAsynq {
	tasks := make([]record.AsynqTask, len(ids))
	for i, id := range ids {
		tasks[i] = record.AsynqTask{Queue: queue, ID: id}
	}
	return record.LookInAsynq(ctx, s.rdb, tasks)
}

// Drop removes a dead task from asynq, and only a dead one. Call it only for a
// task that the ledger has, or that is done.
func (s *Store) Drop(ctx context.Context, queue, id string) (record.AsynqState, error) {
	return s.dropIf(ctx, queue, id)
}

// dropIf is Drop on conditions: the message that asynq must still have, as it was read,
// and then, where it is not empty, when it was archived (Unix seconds).
func (s *Store) dropIf(ctx context.Context, queue, id string, conditions ...any) (record.AsynqState, error) {
	c := dropCall(queue, id, drop, conditions...)
	return record.ReadAsynqState(dropScript.Run(ctx, s.rdb, c.Keys, c.Args...))
}

// DropAll is [Store.Drop] of many tasks in one round trip.
func (s *Store) DropAll(ctx context.Context, queue string, ids []string) []record.InAsynq {
	return s.dropAll(ctx, queue, ids, drop)
}

// TidyAll removes the entries of asynq's archive that have no task, which are
// answered [record.AsynqNone].
func (s *Store) TidyAll(ctx context.Context, queue string, ids []string) []record.InAsynq {
	return s.dropAll(ctx, queue, ids, tidy)
}

// MendAll finishes what asynq could not: tasks that it half archived.
func (s *Store) MendAll(ctx context.Context, queue string, ids []string) []record.InAsynq {
	return s.dropAll(ctx, queue, ids, mend)
}

func (s *Store) dropAll(ctx context.Context, queue string, ids []string, mode string) []record.InAsynq {
	calls := make([]*record.Call, len(ids))
	for i, id := range ids {
		calls[i] = dropCall(queue, id, mode)
	}
	record.CallAll(ctx, s.rdb, dropScript, calls)
	found := make([]record.InAsynq, len(ids))
	for i, c := range calls {
		found[i].State, found[i].Err = record.ReadAsynqState(c.Answer)
	}
	return found
}
