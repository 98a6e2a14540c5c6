package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// DefaultFence is how long an unanswered write may still land, as long as no worker has stored
// its own fence.
const DefaultFence = 11 * time.Minute

// GoesAt returns when a write that did not happen, by a person's word, is sent again: when it
// cannot land any more, by the fence of the worker that looked last, or later if the clocks are
// set meanwhile. It is zero when there is no such write, or nothing to wait for.
func GoesAt(ctx context.Context, rdb redis.UniversalClient, id string) (time.Time, error) {
	pipe := rdb.Pipeline()
	mark := pipe.HMGet(ctx, record.TaskKey(id), record.FieldInFlight, record.FieldSentAt, record.FieldDenied)
	fence := pipe.HGet(ctx, record.ClockKey, record.FieldFence)
	now := pipe.Time(ctx)
	if err := redisx.Exec(ctx, pipe); err != nil {
		return time.Time{}, fmt.Errorf("read mark: %w", err)
	}
	var v [3]string
	for i, field := range mark.Val() {
		v[i], _ = field.(string)
	}
	if about, _, _ := strings.Cut(v[2], " "); v[0] == "" || v[0] != about {
		return time.Time{}, nil
	}
	wait := DefaultFence
	if n := record.Number(fence.Val()); n > 0 {
		wait = time.Duration(n) * time.Millisecond
	}
	at := time.UnixMilli(max(record.Number(v[0]), record.Number(v[1]))).Add(wait)
	if !at.After(now.Val()) {
		return time.Time{}, nil
	}
	return at, nil
}
