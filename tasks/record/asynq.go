package record

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// readTask asks for what decode needs. asynq's Inspector reads one task in two
// round trips; this way many are read in one.
func readTask(ctx context.Context, pipe redis.Pipeliner, queue, id string) *redis.SliceCmd {
	return pipe.HMGet(ctx, asynqx.TaskKey(queue, id), "msg", "state", "result")
}

// fieldMended is ours in asynq's task: what half archived it was asynq, see drop.lua in tasks/ledger.
const fieldMended = "ecpayq_mended"

// archivedByHand reports whether a person archived a task, by when asynq's archive
// says that it was (Unix seconds, 0 when it does not). asynq (v0.26) archives by itself
// what failed, when its retries are used up or [asynq.SkipRetry] is in the error, and
// stores the time of that failure; by hand it changes nothing but the place.
func archivedByHand(info *asynq.TaskInfo, at float64, mended bool) bool {
	if info.State != asynq.TaskStateArchived || mended {
		return false
	}
	if info.Retried < info.MaxRetry && !strings.Contains(info.LastErr, asynq.SkipRetry.Error()) {
		return true
	}
	return at > 0 && int64(at) != info.LastFailedAt.Unix()
}

// Archiving is how a task came into asynq's archive, as it is read.
type Archiving struct {
	stored *redis.SliceCmd
	at     *redis.FloatCmd
	mended *redis.BoolCmd
}

// ReadArchiving asks for it; it is there once the pipeline was executed.
func ReadArchiving(ctx context.Context, pipe redis.Pipeliner, queue, id string) Archiving {
	return Archiving{
		readTask(ctx, pipe, queue, id), pipe.ZScore(ctx, asynqx.Key(queue, asynqx.Archived), id), pipe.HExists(ctx, asynqx.TaskKey(queue, id), fieldMended),
	}
}

// Decode returns the task, and when a person archived it; zero when none did, or it is
// not known when.
func (a Archiving) Decode(rdb redis.UniversalClient, queue, id string) (info *asynq.TaskInfo, hand bool, at time.Time, err error) {
	if info, err = decode(rdb, queue, id, a.stored, time.Time{}); err != nil {
		return nil, false, time.Time{}, err
	}
	if err := a.at.Err(); !Missing(err) {
		return nil, false, time.Time{}, err
	}
	if hand = archivedByHand(info, a.at.Val(), a.mended.Val()); hand && a.at.Val() > 0 {
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

// decode lets asynq's own code say what it has stored; next is when the task runs
// next, if it waits for a time. It returns [asynq.ErrTaskNotFound] when asynq has
// no such task.
func decode(rdb redis.UniversalClient, queue, id string, stored *redis.SliceCmd, next time.Time) (*asynq.TaskInfo, error) {
	v, err := stored.Result()
	switch {
	case err != nil:
		return nil, err
	case len(v) != 3 || v[0] == nil && v[1] == nil:
		return nil, asynq.ErrTaskNotFound
	}
	at := int64(0)
	if !next.IsZero() {
		at = next.Unix()
	}
	return asynq.NewInspectorFromRedisClient(&told{rdb, []any{v[0], v[1], at, v[2]}}).GetTaskInfo(queue, id)
}

// DecodeTask lets asynq's own code say what a task is as asynq v0.26 encodes it.
func DecodeTask(msg []byte) (*asynq.TaskInfo, error) {
	return asynq.NewInspectorFromRedisClient(&told{nil, []any{msg, "active", int64(0), nil}}).GetTaskInfo("any", "any")
}

// told is the Redis client of an [asynq.Inspector] (v0.26) that is told what was
// read of a task.
type told struct {
	redis.UniversalClient
	task []any // message, state, when it runs next (Unix seconds, 0 for never), result
}

// SIsMember answers that the queue exists.
func (t *told) SIsMember(context.Context, string, any) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

// EvalSha implements [redis.Scripter].
func (t *told) EvalSha(context.Context, string, []string, ...any) *redis.Cmd {
	return redis.NewCmdResult(t.task, nil)
}
