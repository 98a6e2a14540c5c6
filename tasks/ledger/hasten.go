package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// hastenEvery is the least time between two attempts of a task that somebody hastens.
const hastenEvery = time.Minute

// Hasten runs a task now that waits for a time, unless it was begun within the last minute. It leaves
// alone what runs, what is dead and what a person stopped. It returns [record.ErrNotFound] where asynq
// has no such task.
func (s *Store) Hasten(ctx context.Context, id string) error {
	typ, _, err := tasks.ParseID(id)
	if err != nil {
		return record.ErrNotFound
	}
	switch waits, soon, err := s.waits(ctx, typ.Queue, id); {
	case err != nil:
		return err
	case !waits:
		return record.ErrNotFound
	case soon:
		return nil
	}
	runs := s.inspector.Run(ctx, typ.Queue, id)
	if runs == nil {
		return nil
	}
	// asynq has no name for its error about a task that somebody else has begun meanwhile.
	if waits, _, err := s.waits(ctx, typ.Queue, id); err != nil || !waits {
		return err
	}
	return fmt.Errorf("run what is hastened: %w", runs)
}

// waits reports whether a task waits for a time, and whether it was begun within [hastenEvery].
func (s *Store) waits(ctx context.Context, queue, id string) (waits, lately bool, err error) {
	pipe := s.rdb.Pipeline()
	last := pipe.HGet(ctx, record.TaskKey(id), record.FieldLast)
	now := pipe.Time(ctx)
	var scores [2]*redis.FloatCmd
	for i, state := range []string{asynqx.Scheduled, asynqx.Retry} {
		scores[i] = pipe.ZScore(ctx, asynqx.Key(queue, state), id)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return false, false, fmt.Errorf("look for what is hastened: %w", err)
	}
	waits = scores[0].Err() == nil || scores[1].Err() == nil
	return waits, tasks.Milli(last.Val()).After(now.Val().Add(-hastenEvery)), nil
}
