package deadletter_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

const many = 10_050 // asynq keeps 9,999

// enqueueMany stores voids quickly: the time is for what is tested.
func (b *bench) enqueueMany(n int) {
	b.Helper()
	client := asynq.NewClientFromRedisClient(b.rdb)
	each(n, func(i int) {
		inv := void(number(i))
		payload, err := tasks.Encode(&inv)
		if err != nil {
			panic(err)
		}
		h := tasks.Headers{Enqueued: time.Now(), Nonce: "N" + strconv.Itoa(i)}
		typ := tasks.TypeOf(&inv)
		spec := asynqx.Spec{Type: typ.Name, Queue: typ.Queue, ID: tasks.ID(&inv), Payload: payload, Headers: h.Map()}
		if _, err := client.Enqueue(spec.Task()); err != nil {
			b.Errorf("enqueue: %v", err)
		}
	})
}

// quick is a Redis that does not wait for the disk.
var quick = redistest.Options{AppendFsync: "no"}

func TestTenThousandAndFiftyDeadTasksAreListedAndReplayed(t *testing.T) {
	t.Parallel()
	b := newBench(t, quick)
	b.enqueueMany(many)
	clock := stopwatch(t)
	server := asynq.NewServerFromRedisClient(b.srv.Client(),
		asynq.Config{Concurrency: 16, Queues: map[string]int{queue: 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel})
	b.must(server.Start(b.dies(func(string) {})))
	defer server.Shutdown() // asynq's subscriber panics when the client is closed before it has ended
	b.reaches(many, "all are dead", func() int {
		n, err := b.ledger.Count(t.Context(), deadletter.Filter{})
		b.must(err)
		return n
	})
	server.Shutdown()
	clock("all died")
	if n := b.rdb.ZCard(t.Context(), asynqx.Key(queue, "archived")).Val(); n != 9_999 {
		t.Errorf("asynq kept %d, want the 9,999 that it keeps", n)
	}
	r, err := b.sweeper(nil).Sweep(t.Context())
	if err != nil || r.Trimmed != 9_999-2_000 || r.Copied != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	clock("swept")
	seen := map[string]bool{}
	for l, err := range b.ledger.List(t.Context(), deadletter.Filter{Live: true}) {
		b.must(err)
		if f := l.Full(); f.Payload == nil || l.State != record.StateDead {
			t.Fatalf("%+v", l)
		}
		seen[l.ID] = true
	}
	if len(seen) != many {
		t.Errorf("%d listed, want %d", len(seen), many)
	}
	clock("listed")
	replayed := 0
	b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{By: "ops"}, func(r deadletter.Result) {
		if r.ActResult != ledger.Replayed || r.Err != nil {
			t.Errorf("%+v", r)
		}
		replayed++
	}))
	clock("replayed")
	b.wantAllPending(many)
	if replayed != many {
		t.Errorf("%d replayed, want %d", replayed, many)
	}
	n := 0
	b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{Limit: 500}, deadletter.ReplayOptions{}, func(r deadletter.Result) {
		if r.ActResult == ledger.Busy {
			n++
		}
	}))
	if n != 500 {
		t.Errorf("a second replay found %d busy, want 500", n)
	}
}

// wantAllPending demands that asynq will run n different tasks, each once.
func (b *bench) wantAllPending(n int) {
	b.Helper()
	list, err := b.rdb.LRange(b.Context(), asynqx.Key(queue, "pending"), 0, -1).Result()
	b.must(err)
	distinct := map[string]bool{}
	for _, id := range list {
		distinct[id] = true
	}
	if len(list) != n || len(distinct) != n {
		b.Errorf("%d entries of %d tasks are pending, want %d each once", len(list), len(distinct), n)
	}
}

func stopwatch(t *testing.T) func(what string) {
	last := time.Now()
	return func(what string) {
		t.Logf("%s: %s", what, time.Since(last).Round(time.Millisecond))
		last = time.Now()
	}
}

// inLedgerMany puts the letters of stored voids into the ledger.
func (b *bench) inLedgerMany(n int) {
	b.Helper()
	b.must(ledger.NoteOwner(b.Context(), b.rdb, b.idOf(0)))
	pipe := b.rdb.Pipeline()
	now := time.Now().UnixMilli()
	for i := range n {
		inv := void(number(i))
		payload, err := tasks.Encode(&inv)
		b.must(err)
		id := tasks.ID(&inv)
		pipe.HSet(b.Context(), record.TaskKey(id), record.FieldState, "dead", record.FieldKind, "NotFound", record.FieldType, "b2b:invalid",
			record.FieldQueue, queue, record.FieldPayload, payload,
			record.FieldHeaders, "{}", record.FieldDied, now, record.FieldBy, record.ByWorker)
		pipe.ZAdd(b.Context(), record.DeadKey(id), redis.Z{Score: float64(now), Member: id})
		if i%1000 == 999 {
			b.must(redisx.Exec(b.Context(), pipe))
		}
	}
	b.must(redisx.Exec(b.Context(), pipe))
}

func TestNineThousandArchivedTasksThatExpireAtOnceDoNotWedgeTheArchive(t *testing.T) {
	t.Parallel()
	const n = 9_000
	for name, tc := range map[string]struct {
		sweepFirst bool
		dangling   int // entries whose tasks asynq deleted before it failed
	}{
		"the sweeper comes first":     {true, 0},
		"asynq archives and fails so": {false, n},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, quick)
			b.enqueueMany(n)
			if _, err := b.inspector.ArchiveAllPendingTasks(queue); err != nil {
				t.Fatal(err)
			}
			b.inLedgerMany(n)
			old := float64(time.Now().AddDate(0, 0, -91).Unix())
			pipe := b.rdb.Pipeline()
			for i := range n {
				pipe.ZAdd(t.Context(), asynqx.Key(queue, "archived"), redis.Z{Score: old, Member: b.idOf(i)})
			}
			b.must(redisx.Exec(t.Context(), pipe))
			if tc.sweepFirst {
				b.sweep()
			}
			// A task dies now, by way of asynq.
			id := b.enqueued(n)
			server := asynq.NewServerFromRedisClient(b.srv.Client(),
				asynq.Config{Concurrency: 1, Queues: map[string]int{queue: 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel})
			b.must(server.Start(b.dies(func(string) {})))
			defer server.Shutdown()
			archived := func(want string) func() bool {
				return func() bool {
					score := b.rdb.ZScore(t.Context(), asynqx.Key(queue, "archived"), id).Err()
					return score == nil && b.rdb.HGet(t.Context(), asynqx.TaskKey(queue, id), "state").Val() == want
				}
			}
			if tc.sweepFirst {
				b.eventually("it is archived", archived("archived"))
				server.Shutdown()
				return
			}
			b.eventually("asynq half archives it", archived("active"))
			server.Shutdown()
			r := b.sweep()
			if r.Dangling != tc.dangling || r.Mended != 1 {
				t.Errorf("%+v, want %d dangling entries and 1 mended", r, tc.dangling)
			}
			if _, err := b.inspector.GetQueueInfo(queue); err != nil {
				t.Errorf("the queue is still wedged: %v", err)
			}
			if b.info(id).State != asynq.TaskStateArchived {
				t.Error("the task that was half archived is not archived")
			}
			if c, err := b.ledger.Count(t.Context(), deadletter.Filter{}); err != nil || c != n+1 {
				t.Errorf("%d in the ledger, %v; want %d", c, err, n+1)
			}
			b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
			b.replay(b.ledger, b.idOf(17), deadletter.ReplayOptions{}, ledger.Replayed)
			b.wantAllPending(2)
		})
	}
}

func TestTheListOfManyDoesNotGrowWithThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, quick)
	for i := range 3000 {
		b.letterAt(fmt.Sprintf("b2b.invalid.%d.VG%08d.2026-11-01", i%1500, i),
			time.Now().Add(-time.Duration(i)*time.Second), ecpay.NotFound, "b2b:invalid")
	}
	stop := errors.New("enough")
	n := 0
	err := func() error {
		for _, err := range b.ledger.List(t.Context(), deadletter.Filter{}) {
			if err != nil {
				return err
			}
			if n++; n == 10 {
				return stop
			}
		}
		return nil
	}()
	if !errors.Is(err, stop) {
		t.Error(err)
	}
	if got := len(b.list(deadletter.Filter{})); got != 3000 {
		t.Errorf("%d listed of 1,500 merchants, want 3,000", got)
	}
}
