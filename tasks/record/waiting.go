package record

import (
	"context"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

const waitingPage = 250

// Waiting yields the tasks of a queue that wait for a time, those whose time comes
// first in front: with later, those that were scheduled, for their turn or for a
// time that was asked for; else those that are held or to be retried. What comes or
// goes during the walk may be missed. A queue that no task was ever put into has
// none. After an error it ends.
func (r *Reader) Waiting(ctx context.Context, queue string, later bool) iter.Seq2[Task, error] {
	inspector, state := asynqx.NewInspector(r.rdb), asynqx.Retry
	if later {
		state = asynqx.Scheduled
	}
	return func(yield func(Task, error) bool) {
		for page := 1; ; page++ {
			infos, err := inspector.Waiting(ctx, queue, state, page, waitingPage)
			if err == nil {
				var waiting []Task
				waiting, err = r.joinAll(ctx, queue, infos)
				for _, t := range waiting {
					if !yield(t, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(Task{}, fmt.Errorf("list queue %s: %w", queue, err))
				return
			}
			if len(infos) < waitingPage {
				return
			}
		}
	}
}

// joinAll joins what asynq has with our records, in one round trip.
func (r *Reader) joinAll(ctx context.Context, queue string, infos []*asynqx.Task) ([]Task, error) {
	pipe := r.rdb.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(infos))
	for i, info := range infos {
		records[i] = pipe.HGetAll(ctx, TaskKey(info.ID))
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	all := make([]Task, len(infos))
	for i, info := range infos {
		m := records[i].Val()
		rec, recorded := Parse(m), len(m) > 0
		if overtaken(info, rec) {
			rec, recorded = afterEnd(rec), false
		}
		all[i] = join(tasks.Type{Name: info.Type, Queue: queue}, info.ID, info, rec, recorded)
	}
	return all, nil
}
