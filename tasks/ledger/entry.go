package ledger

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Entry is a task's record with what else decides about it. The task need not be in the
// ledger, nor exist.
type Entry struct {
	ID string
	record.Record
	// InLedger is true from death until the task is done or resolved.
	InLedger bool
	// Finished means that the task has a finish marker.
	Finished bool
}

// Entry reads one task.
func (s *Store) Entry(ctx context.Context, id string) (Entry, error) {
	pipe := s.rdb.Pipeline()
	fields := pipe.HGetAll(ctx, record.TaskKey(id))
	score := pipe.ZScore(ctx, record.DeadKey(id), id)
	done := pipe.Exists(ctx, record.DoneKey(id))
	if err := redisx.Exec(ctx, pipe); err != nil {
		return Entry{}, fmt.Errorf("read dead letter: %w", err)
	}
	return Entry{ID: id, Record: record.Parse(fields.Val()), InLedger: score.Err() == nil, Finished: done.Val() == 1}, nil
}

// Entries reads many tasks, without their finish markers.
func (s *Store) Entries(ctx context.Context, ids []string) ([]Entry, error) {
	pipe := s.rdb.Pipeline()
	fields, scores := make([]*redis.MapStringStringCmd, len(ids)), make([]*redis.FloatCmd, len(ids))
	for i, id := range ids {
		fields[i], scores[i] = pipe.HGetAll(ctx, record.TaskKey(id)), pipe.ZScore(ctx, record.DeadKey(id), id)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	entries := make([]Entry, len(ids))
	for i, id := range ids {
		entries[i] = Entry{ID: id, Record: record.Parse(fields[i].Val()), InLedger: scores[i].Err() == nil}
	}
	return entries, nil
}
