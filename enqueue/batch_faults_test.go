package enqueue

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// hooked is a client whose Redis client is seen through a hook.
func hooked(t *testing.T, srv *redistest.Server, s sent) *Client {
	t.Helper()
	rdb := srv.Client()
	rdb.AddHook(s)
	c, err := New(Config{Redis: rdb, Interval: tasks.Every(0)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hasScripts(cmds []redis.Cmder) bool {
	return slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Name() == "evalsha" })
}

func TestABatchSurvivesThatRedisForgetsItsScripts(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	admin := srv.Client()
	forgotten := 0
	c := hooked(t, srv, sent{pipeline: func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
		return func(ctx context.Context, cmds []redis.Cmder) error {
			if !hasScripts(cmds) || forgotten == 2 {
				return next(ctx, cmds)
			}
			forgotten++
			half := len(cmds) / 2
			_ = next(ctx, cmds[:half])
			if err := admin.ScriptFlush(ctx).Err(); err != nil {
				return err
			}
			return next(ctx, cmds[half:])
		}
	}})
	for r := range c.Batch(t.Context(), numbered(2*chunkSize)) {
		if r.Err != nil || r.Receipt.Duplicate {
			t.Fatalf("%+v", r)
		}
	}
	if pending := admin.LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); pending != 2*chunkSize || forgotten != 2 {
		t.Errorf("%d tasks, want %d; the scripts were forgotten %d times", pending, 2*chunkSize, forgotten)
	}
}

// TestABatchWhosePipelineWasSentTwiceKnowsItsOwnTasks: the Redis client does that
// when it has lost the answers.
func TestABatchWhosePipelineWasSentTwiceKnowsItsOwnTasks(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := hooked(t, srv, sent{pipeline: func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
		return func(ctx context.Context, cmds []redis.Cmder) error {
			if hasScripts(cmds) {
				_ = next(ctx, cmds)
			}
			return next(ctx, cmds)
		}
	}})
	if _, err := c.TriggerIssue(t.Context(), trigger("BEFORE")); err != nil {
		t.Fatal(err)
	}
	var got []bool
	for r := range c.Batch(t.Context(), items(ptrTo(trigger("A")), ptrTo(trigger("BEFORE")), ptrTo(trigger("B")), ptrTo(trigger("A")))) {
		if r.Err != nil || r.Receipt.State != record.StatePending {
			t.Fatalf("%+v", r)
		}
		got = append(got, r.Receipt.Duplicate)
	}
	if diff := cmp.Diff([]bool{false, true, false, true}, got); diff != "" {
		t.Errorf("duplicates (-want +got):\n%s", diff)
	}
}

func TestABatchSaysThatRedisIsAwayWithinTheDeadline(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c, err := New(Config{RedisURL: srv.URL(), Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	srv.Freeze()
	t.Cleanup(srv.Thaw)
	start, n := time.Now(), 0
	for r := range c.Batch(t.Context(), items(ptrTo(trigger("A")), ptrTo(trigger("")), ptrTo(void("VG11000002", "r")))) {
		var invalid *ecpay.ValidationError
		if want := n == 1; errors.As(r.Err, &invalid) != want || errors.Is(r.Err, ErrRedis) == want || r.Receipt.ID != "" {
			t.Errorf("%+v", r)
		}
		n++
	}
	if took := time.Since(start); n != 3 || took > 5*time.Second { // many times the deadline: not a measurement, a hang
		t.Errorf("%d results in %s", n, took)
	}
}

func TestABatchIsConfirmedOnceForEachPipelineAndQueue(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	var barriers atomic.Int32
	rdb := srv.Client()
	rdb.AddHook(sent{pipeline: func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
		return func(ctx context.Context, cmds []redis.Cmder) error {
			if cmds[len(cmds)-1].Name() == "waitaof" {
				barriers.Add(1)
			}
			return next(ctx, cmds)
		}
	}})
	c, err := New(Config{Redis: rdb, Confirm: Confirm{Disk: true}})
	if err != nil {
		t.Fatal(err)
	}
	finished := trigger("FINISHED") // forgotten by asynq: nothing to confirm
	rdb.Set(t.Context(), record.DoneKey(tasks.ID(&finished)), 1, time.Hour)
	n := 0
	for r := range c.Batch(t.Context(), func(yield func(Item) bool) {
		for item := range numbered(chunkSize + 1) {
			if !yield(item) {
				return
			}
		}
		_ = yield(Item{Payload: ptrTo(void("VG11000002", "r"))}) && yield(Item{Payload: &finished})
	}) {
		if r.Err != nil || r.Receipt.Duplicate != (r.Receipt.State == record.StateCompleted) {
			t.Fatalf("%+v", r)
		}
		n++
	}
	if n != chunkSize+3 || barriers.Load() != 3 {
		t.Errorf("%d results and %d barriers, want %d and 3", n, barriers.Load(), chunkSize+3)
	}
}

func TestABatchIsNotConfirmedByReplicasThatHang(t *testing.T) {
	t.Parallel()
	group := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 1})
	c := confirming(t, group, 500*time.Millisecond)
	batch := items(ptrTo(trigger("A")), ptrTo(void("VG11000002", "r")))
	thaw := freezeReplicas(t, group)
	for r := range c.Batch(t.Context(), batch) {
		if !errors.Is(r.Err, ErrNotConfirmed) || r.Receipt.State != record.StatePending {
			t.Errorf("with a frozen replica: %+v; want ErrNotConfirmed with a receipt", r)
		}
	}
	thaw()
	for r := range confirming(t, group, 30*time.Second).Batch(t.Context(), batch) {
		if r.Err != nil || !r.Receipt.Duplicate {
			t.Errorf("%+v", r)
		}
	}
}

// TestABatchStoresAgainWhatTheMasterHasLost: as after a failover to a replica that
// lagged, between storing and confirming.
func TestABatchStoresAgainWhatTheMasterHasLost(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	admin := srv.Client()
	lost := false
	rdb := srv.Client()
	rdb.AddHook(sent{pipeline: func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
		return func(ctx context.Context, cmds []redis.Cmder) error {
			if cmds[len(cmds)-1].Name() == "waitaof" && !lost {
				lost = true
				if err := admin.FlushDB(ctx).Err(); err != nil {
					return err
				}
			}
			return next(ctx, cmds)
		}
	}})
	c, err := New(Config{Redis: rdb, Confirm: Confirm{Disk: true}})
	if err != nil {
		t.Fatal(err)
	}
	for r := range c.Batch(t.Context(), items(ptrTo(trigger("A")), ptrTo(trigger("B")))) {
		if r.Err != nil || r.Receipt.State != record.StatePending {
			t.Errorf("%+v", r)
		}
	}
	if n := admin.LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); n != 2 || !lost {
		t.Errorf("%d tasks, want both stored again", n)
	}
}
