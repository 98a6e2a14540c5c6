package ledger

import (
	"context"
	_ "embed"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
)

//go:embed drop.lua
var dropLua string

var dropScript = redisx.NewScript[asynqx.DropKeys, dropArgs, string](asynqx.StateLua, asynqx.DropLua, dropLua)

type dropArgs struct {
	ID   string
	Mode string // what to do, one of the constants
	*dropOnly
}

// dropOnly is what must still hold for a task to be dropped.
type dropOnly struct {
	Message    string // that asynq has: another one is another death
	ArchivedAt string // when asynq archived it, as it has it; empty for any time
}

// Dropped is the answer of [Store.Drop] when it removed the task; else it says where
// asynq has it.
const Dropped asynqx.State = "dropped"

// What drop.lua is to do.
const (
	drop = "drop" // remove what is archived, stuck, half or a dangling entry of the archive, and nothing else
	tidy = "tidy" // remove a dangling entry
	mend = "mend" // finish a half one
)

// Look says where asynq has a task.
func (s *Store) Look(ctx context.Context, queue, id string) (asynqx.State, error) {
	there := s.LookAll(ctx, queue, []string{id})[0]
	return there.State, there.Err
}

// LookAll is [Store.Look] of many tasks in one round trip.
func (s *Store) LookAll(ctx context.Context, queue string, ids []string) []asynqx.Place {
	tasks := make([]asynqx.TaskAt, len(ids))
	for i, id := range ids {
		tasks[i] = asynqx.TaskAt{Queue: queue, ID: id}
	}
	return asynqx.Look(ctx, s.rdb, tasks)
}

// Drop removes a dead task from asynq, and only a dead one. Call it only for a
// task that the ledger has, or that is done.
func (s *Store) Drop(ctx context.Context, queue, id string) (asynqx.State, error) {
	return s.dropIf(ctx, queue, id, nil)
}

// dropIf is Drop on conditions, nil for none.
func (s *Store) dropIf(ctx context.Context, queue, id string, only *dropOnly) (asynqx.State, error) {
	return asynqx.ReadState(dropScript.Run(ctx, s.rdb, asynqx.DropKeysOf(queue, id), dropArgs{id, drop, only}))
}

// DropAll is [Store.Drop] of many tasks in one round trip.
func (s *Store) DropAll(ctx context.Context, queue string, ids []string) []asynqx.Place {
	return s.dropAll(ctx, queue, ids, drop)
}

// TidyAll removes the entries of asynq's archive that have no task, which are
// answered [asynqx.NoTask].
func (s *Store) TidyAll(ctx context.Context, queue string, ids []string) []asynqx.Place {
	return s.dropAll(ctx, queue, ids, tidy)
}

// MendAll finishes what asynq could not: tasks that it half archived.
func (s *Store) MendAll(ctx context.Context, queue string, ids []string) []asynqx.Place {
	return s.dropAll(ctx, queue, ids, mend)
}

func (s *Store) dropAll(ctx context.Context, queue string, ids []string, mode string) []asynqx.Place {
	calls := make([]*redisx.Call[string], len(ids))
	for i, id := range ids {
		calls[i] = dropScript.Call(asynqx.DropKeysOf(queue, id), dropArgs{ID: id, Mode: mode})
	}
	dropScript.RunAll(ctx, s.rdb, calls)
	found := make([]asynqx.Place, len(ids))
	for i, c := range calls {
		found[i].State, found[i].Err = asynqx.ReadState(c.Answer())
	}
	return found
}
