package asynqx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// recoverers starts Servers on a LeaseClient over rdb as a worker does. They look for lost
// leases at their start; what they lose of their own is told on the channel.
func recoverers(t *testing.T, rdb redis.UniversalClient, servers int) (lost chan string) {
	t.Helper()
	lost = make(chan string, 100)
	c := NewLeaseClient(rdb, func(typ string) { lost <- typ })
	for range servers {
		s := asynq.NewServerFromRedisClient(c, asynq.Config{
			Concurrency: 1, Queues: map[string]int{"q": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 50 * time.Millisecond,
			RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		})
		if err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Shutdown)
	}
	return lost
}

// abandoned enqueues a task that a worker took and of which nothing was heard for an hour.
func abandoned(t *testing.T, rdb *redis.Client, typ string, opts ...asynq.Option) {
	t.Helper()
	task := asynq.NewTask(typ, []byte("asynq: task lease expired"), asynq.Queue("q"))
	info, err := asynq.NewClientFromRedisClient(rdb).Enqueue(task, opts...)
	if err != nil {
		t.Fatal(err)
	}
	pipe := rdb.TxPipeline()
	pipe.LRem(t.Context(), Key("q", "pending"), 0, info.ID)
	pipe.LPush(t.Context(), Key("q", "active"), info.ID)
	pipe.ZAdd(t.Context(), Key("q", "lease"), redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: info.ID})
	pipe.HSet(t.Context(), TaskKey("q", info.ID), "state", "active")
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestALostLeaseCountsOnceHoweverManyWorkersFindIt(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	abandoned(t, rdb, "to be tried again")
	abandoned(t, rdb, "archived", asynq.MaxRetry(0))
	got := map[string]int{}
	var counts []chan string
	for range 3 {
		counts = append(counts, recoverers(t, rdb, 4))
	}
	leases := func() int64 { return rdb.ZCard(t.Context(), Key("q", Lease)).Val() }
	for deadline := time.Now().Add(20 * time.Second); leases() > 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the tasks are not taken back")
		}
	}
	// A Server that found the tasks as well has tried in vain by the end of its next round trip.
	settle(t, rdb)
	for _, c := range counts {
		for len(c) > 0 {
			got[<-c]++
		}
	}
	if diff := cmp.Diff(map[string]int{"to be tried again": 1, "archived": 1}, got); diff != "" {
		t.Errorf("lost leases (-want +got):\n%s", diff)
	}
}

// settle waits until Redis executes no more scripts for a while.
func settle(t *testing.T, rdb *redis.Client) {
	t.Helper()
	calls := func() string {
		return fmt.Sprint(rdb.InfoMap(t.Context(), "commandstats").Item("Commandstats", "cmdstat_zrem"))
	}
	for before := ""; ; {
		now := calls()
		if now == before {
			return
		}
		before = now
		<-time.After(200 * time.Millisecond)
	}
}

func TestALostLeaseDoesNotCountWhileRedisTakesNoTaskBack(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, redistest.Options{AppendFsync: "no"})
	abandoned(t, s.Client(), "t")
	refusing := s.Client()
	refused := make(chan struct{}, 100)
	refusing.AddHook(&commandCounter{counts: map[string]int{}, answer: func(cmd redis.Cmder) (error, bool) {
		// The script by which a task is to be tried again alone has eight keys.
		if args := cmd.Args(); len(args) > 2 && strings.HasPrefix(cmd.Name(), "eval") && args[2] == 8 {
			select {
			case refused <- struct{}{}:
			default:
			}
			return errors.New("connection refused"), true
		}
		return nil, false
	}})
	lost := recoverers(t, refusing, 2)
	for range 2 {
		select {
		case <-refused:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody tries to take the task back")
		}
	}
	if len(lost) > 0 {
		t.Errorf("%d lost leases counted, and the task was not taken back", len(lost))
	}
}

func TestLeasesAreExtendedAlsoWhileRedisIsFull(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	key := Key("q", "lease")
	for _, id := range []string{"1", "2"} {
		if err := rdb.ZAdd(t.Context(), key, redis.Z{Score: 1, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c := NewLeaseClient(rdb, nil)
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ZAddXX(t.Context(), key, redis.Z{Score: 2, Member: "1"}).Err(); !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("Redis is not full: %v", err)
	}
	later := []redis.Z{{Score: 3, Member: "1"}, {Score: 3, Member: "2"}, {Score: 3, Member: "gone"}}
	if err := c.ZAddXX(t.Context(), key, later...).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := rdb.ZRangeWithScores(t.Context(), key, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]redis.Z{{Score: 3, Member: "1"}, {Score: 3, Member: "2"}}, got); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}
