package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Place is where asynq has a task: one of asynq's states, or one of these.
type Place string

// Places that are no state of asynq's.
const (
	PlaceNone  Place = "none"
	PlaceStuck Place = "stuck" // a remnant that asynq can neither list nor run
	PlaceHalf  Place = "half"  // asynq could not finish archiving it
	// PlaceDropped is the answer of [Store.Drop] when it removed the task.
	PlaceDropped Place = "dropped"

	PlaceArchived  Place = "archived"
	PlaceCompleted Place = "completed"
	PlaceScheduled Place = "scheduled"
)

// Dead reports whether asynq will not run the task by itself, nor could.
func (p Place) Dead() bool { return p == PlaceArchived || p == PlaceStuck || p == PlaceHalf }

// What place.lua is to do.
const (
	look = "look"
	drop = "drop"
	tidy = "tidy"
	mend = "mend"
)

func placeRun(queue, id, mode string, more ...any) *run {
	return &run{
		keys: []string{
			AsynqTaskKey(queue, id), AsynqKey(queue, "archived"), AsynqKey(queue, "lease"), AsynqKey(queue, "completed"),
			AsynqKey(queue, "retry"), AsynqKey(queue, "scheduled"), AsynqKey(queue, "active"),
		},
		args: append([]any{id, mode}, more...),
	}
}

// place reads the answer of place.lua.
func (r *run) place() (Place, error) {
	p, err := r.answer.Text()
	if err == nil && p == "" {
		err = errors.New("no answer")
	}
	if err != nil {
		return "", fmt.Errorf("look for task in asynq: %w", err)
	}
	return Place(p), nil
}

func placeOf(ctx context.Context, rdb redis.UniversalClient, queue, id, mode string, more ...any) (Place, error) {
	r := placeRun(queue, id, mode, more...)
	r.answer = place.Run(ctx, rdb, r.keys, r.args...)
	return r.place()
}

// Place says where asynq has a task.
func (s *Store) Place(ctx context.Context, queue, id string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, look)
}

// Drop removes a dead task from asynq, and only a dead one. Call it only for a
// task that the ledger has, or that is done.
func (s *Store) Drop(ctx context.Context, queue, id string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, drop)
}

// dropIf is Drop when asynq's message is still the one that was read and, where at is
// not empty, was archived at that time (Unix seconds).
func (s *Store) dropIf(ctx context.Context, queue, id, msg, at string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, drop, msg, at)
}

// Placed is where asynq has one task of many.
type Placed struct {
	At  Place
	Err error
}

// PlaceAll is [Store.Place] of many tasks in one round trip.
func (s *Store) PlaceAll(ctx context.Context, queue string, ids []string) []Placed {
	return s.placeAll(ctx, queue, ids, look)
}

// DropAll is [Store.Drop] of many tasks in one round trip.
func (s *Store) DropAll(ctx context.Context, queue string, ids []string) []Placed {
	return s.placeAll(ctx, queue, ids, drop)
}

// TidyAll removes the entries of asynq's archive that have no task, which are
// answered [PlaceNone].
func (s *Store) TidyAll(ctx context.Context, queue string, ids []string) []Placed {
	return s.placeAll(ctx, queue, ids, tidy)
}

// MendAll finishes what asynq could not: tasks that it half archived.
func (s *Store) MendAll(ctx context.Context, queue string, ids []string) []Placed {
	return s.placeAll(ctx, queue, ids, mend)
}

func (s *Store) placeAll(ctx context.Context, queue string, ids []string, mode string) []Placed {
	runs := make([]*run, len(ids))
	for i, id := range ids {
		runs[i] = placeRun(queue, id, mode)
	}
	runAll(ctx, s.rdb, place, runs)
	placed := make([]Placed, len(ids))
	for i, r := range runs {
		placed[i].At, placed[i].Err = r.place()
	}
	return placed
}
