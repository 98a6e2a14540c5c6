package asynqx

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// fieldMended is ours in asynq's task: what half archived it was asynq, see drop.lua.
const fieldMended = "ecpayq_mended"

// Archiving is how a task came into asynq's archive, as it is read.
type Archiving struct {
	stored *redis.SliceCmd
	at     *redis.FloatCmd
	mended *redis.BoolCmd
}

// ReadArchiving asks for it; it is there once the pipeline was executed.
func ReadArchiving(ctx context.Context, pipe redis.Pipeliner, queue, id string) Archiving {
	return Archiving{
		Read(ctx, pipe, queue, id),
		pipe.ZScore(ctx, Key(queue, Archived), id),
		pipe.HExists(ctx, TaskKey(queue, id), fieldMended),
	}
}

// Decode returns the task, and when a person archived it; zero when none did, or it is
// not known when.
func (a Archiving) Decode(queue, id string) (info *Task, hand bool, at time.Time, err error) {
	if info, err = Decode(queue, id, a.stored, time.Time{}); err != nil {
		return nil, false, time.Time{}, err
	}
	if err := a.at.Err(); !redisx.Missing(err) {
		return nil, false, time.Time{}, err
	}
	if hand = info.ArchivedByHand(a.at.Val()) && !a.mended.Val(); hand && a.at.Val() > 0 {
		at = time.Unix(int64(a.at.Val()), 0)
	}
	return info, hand, at, nil
}

// At is when asynq archived the task, in its seconds, as it has it; empty when it did not.
func (a Archiving) At() string {
	if a.at.Err() != nil {
		return ""
	}
	return strconv.FormatFloat(a.at.Val(), 'f', -1, 64)
}
