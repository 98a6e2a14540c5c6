package deadletter_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// watched is a hook that is told of every command before it is sent.
type watched func(ctx context.Context, cmd redis.Cmder)

func (w watched) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w watched) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		w(ctx, cmd)
		return next(ctx, cmd)
	}
}

func (w watched) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A script whose connection broke may be executed once more a minute later, when another write
// has been sent of which nobody has said anything.
func TestAPersonsWordThatArrivesLateSaysNothingOfALaterWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, true)
	b.sweep()
	key := record.TaskKey(id)
	rdb := b.srv.Client()
	var word []any // the script by which the letter is claimed
	rdb.AddHook(watched(func(_ context.Context, cmd redis.Cmder) {
		if a := cmd.Args(); cmd.Name() == "evalsha" && len(a) > 5 && a[2] == 3 && a[3] == key && a[5] == record.LockKey(id) {
			word = slices.Clone(a)
		}
	}))
	l := deadletter.New(deadletter.Config{Redis: rdb})
	b.replay(l, id, deadletter.ReplayOptions{NotExecuted: true, By: "ops", Note: "looked it up"}, ledger.Replayed)
	if word == nil || b.rdb.HGet(t.Context(), key, record.FieldDenied).Val() == "" {
		t.Fatal("no word of a person was stored")
	}
	before := b.rdb.HGet(t.Context(), key, record.FieldDenied).Val()
	later := strconv.FormatInt(time.Now().Add(time.Second).UnixMilli(), 10)
	b.must(b.rdb.HSet(t.Context(), key, record.FieldInFlight, later).Err())
	b.must(b.rdb.Do(t.Context(), word...).Err())
	if after := b.rdb.HGet(t.Context(), key, record.FieldDenied).Val(); after != before {
		t.Errorf("the word %q is about the later write now: %q", before, after)
	}
}

// A caller who looked before a task came may go on when a person has archived it already.
func TestAReplayThatLookedBeforeATaskCameDropsNothingOfIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.between(
		func(rdb redis.UniversalClient, _ int, id string) string {
			l := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)})
			out, err := l.Replay(t.Context(), id, deadletter.ReplayOptions{By: "ops"})
			return fmt.Sprint(out, err)
		},
		b.idOf,
		func(i int, id string) string {
			b.enqueued(i)
			b.must(b.inspector.ArchiveTask(queue, id))
			return "enqueued and archived"
		},
		func(_ int, id, did, meanwhile string) {
			if at := b.place(id); meanwhile != "" && at == asynqx.NoTask && !b.inLedger(id) {
				t.Errorf("%s: the task is nowhere after a replay that answered %s", meanwhile, did)
			}
		},
	)
}
