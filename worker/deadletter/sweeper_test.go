package deadletter_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestASweepCopiesWhatAsynqArchivedWithoutAVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	crashed, sent, byHand := b.crashed(1, false), b.crashed(2, true), b.enqueued(3) // asynq does not keep who archived it
	b.must(b.inspector.ArchiveTask(queue, byHand))
	known := b.died(4, ecpay.Rejected)
	finished := b.enqueued(5)
	b.judged(finished, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, RecordTTL: time.Hour})
	b.must(b.inspector.ArchiveTask(queue, finished))
	if r := b.sweep(); r != (deadletter.Report{Copied: 3}) {
		t.Errorf("%+v", r)
	}
	for id, kind := range map[string]ecpay.Kind{crashed: ecpay.Unknown, sent: ecpay.Ambiguous, byHand: ecpay.Stopped} {
		l, by, reason := b.get(id), record.BySweeper, "未經判定"
		if id == byHand {
			by, reason = record.ByHand("unknown"), "由人手動封存"
		}
		if l.Kind != kind || l.By != by || !strings.Contains(l.ReasonZh, reason) ||
			l.State != record.StateDead || string(l.Payload) != string(b.info(id).Payload) || len(l.Headers) == 0 {
			t.Errorf("%s: %+v, want kind %s", id, l, kind)
		}
	}
	if l := b.get(known); l.Kind != ecpay.Rejected || l.By != record.ByWorker {
		t.Errorf("the sweep changed a verdict: %+v", l)
	}
	if b.inLedger(finished) {
		t.Error("a task that is done is in the ledger")
	}
	if r := b.sweep(); r != (deadletter.Report{}) {
		t.Errorf("the second sweep did %+v", r)
	}
}

func TestATaskThatAnOlderWorkerFoundDeadKeepsItsVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.Rejected)
	b.must(b.rdb.Del(t.Context(), record.DeadKey(id)).Err())
	b.must(b.rdb.HDel(t.Context(), record.TaskKey(id), record.FieldPayload, record.FieldType, record.FieldQueue, record.FieldDied).Err())
	if r := b.sweep(); r.Copied != 1 {
		t.Errorf("%+v", r)
	}
	if l := b.get(id); l.Kind != ecpay.Rejected || l.By != record.ByWorker ||
		l.Why() != (record.Text{En: "mend it", Zh: "請修正"}) || l.DiedAt.IsZero() {
		t.Errorf("%+v", l)
	}
}

func TestATaskThatCrashesAfterItWasRunAgainIsJudgedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.NotFound)
	before := b.get(id).DiedAt
	b.must(b.inspector.RunTask(queue, id))
	_, err := b.gate.Begin(t.Context(),
		gate.Attempt{Keys: record.KeysOfTask(id), Token: "x", Start: time.Now(), LockFor: time.Minute}, time.Now())
	b.must(err)
	b.must(b.entered(gate.Attempt{Keys: record.KeysOfTask(id), Token: "x"}))
	b.givenUp(queue, id)
	b.sweep()
	if l := b.get(id); l.Kind != ecpay.Ambiguous || l.By != record.BySweeper || l.DiedAt.Before(before) {
		t.Errorf("%+v, want Ambiguous: it was sent and nobody knows", l)
	}
}

func TestSweepInterruptedAfterAnyCommandAndRepeatedLosesNothingAndInventsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sweepOnce := func(rdb redis.UniversalClient) error {
		b.must(b.rdb.Del(t.Context(), record.SweepKey).Err()) // its lock ends by itself
		_, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Queues: []string{queue}}).Sweep(t.Context())
		return err
	}
	b.everyFault(func(i int) string { return b.crashed(i, false) },
		func(rdb redis.UniversalClient, _ string) error { return sweepOnce(rdb) },
		func(id string) {
			if b.info(id).State != asynq.TaskStateArchived {
				t.Errorf("%s left asynq's archive", id)
			}
			b.must(sweepOnce(b.rdb))
			if l := b.get(id); l.Kind != ecpay.Unknown || b.rdb.HExists(t.Context(), record.TaskKey(id), record.FieldUnsure).Val() {
				t.Errorf("%+v", l)
			}
			if n := b.rdb.SCard(t.Context(), record.UnsureKey).Val(); n != 0 {
				t.Errorf("%d letters stay unsure", n)
			}
		})
	// And the task is run while the sweep is interrupted: no phantom stays.
	b.everyFault(func(i int) string { return b.crashed(1000+i, false) },
		func(rdb redis.UniversalClient, _ string) error { return sweepOnce(rdb) },
		func(id string) {
			b.must(b.inspector.RunTask(queue, id))
			b.judged(id, gate.Result{State: record.Done, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour})
			b.must(b.inspector.DeleteTask(queue, id))
			b.must(sweepOnce(b.rdb))
			if b.inLedger(id) || b.rdb.SCard(t.Context(), record.UnsureKey).Val() != 0 {
				t.Errorf("a phantom of %s is in the ledger", id)
			}
		})
}

func TestSweepInterruptedAmidAPageAndRepeatedLosesNothingAndInventsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 4 // tasks of one page
	sweepOnce := func(rdb redis.UniversalClient) error {
		b.must(b.rdb.Del(t.Context(), record.SweepKey).Err()) // its lock ends by itself
		r, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Queues: []string{queue}}).Sweep(t.Context())
		if err == nil && rdb != b.rdb && r.Copied < n {
			err = errFault // of some: that is only logged
		}
		return err
	}
	page := func(id string) (ids []string) {
		var i int
		_, err := fmt.Sscanf(id, "b2b.invalid.2000132.VG%08d", &i)
		b.must(err)
		for k := range n {
			ids = append(ids, b.idOf(i+k))
		}
		return ids
	}
	b.faults([]fault{{some: 1}, {some: n - 1}, {some: n + 1}, {after: true}},
		func(i int) string {
			for k := range n {
				b.crashed(i*n+k, k == 0)
			}
			return b.idOf(i * n)
		},
		func(rdb redis.UniversalClient, _ string) error { return sweepOnce(rdb) },
		func(id string) {
			runs, ran := page(id)[n-2], page(id)[n-1] // somebody runs two of them meanwhile, one to its end
			kept := b.inLedger(runs) && !b.rdb.HExists(t.Context(), record.TaskKey(runs), record.FieldUnsure).Val()
			b.must(b.inspector.RunTask(queue, runs))
			b.must(b.inspector.RunTask(queue, ran))
			b.judged(ran, gate.Result{State: record.Done, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour})
			b.must(b.inspector.DeleteTask(queue, ran))
			b.must(sweepOnce(b.rdb))
			for k, id := range page(id)[:n-2] {
				want := ecpay.Unknown
				if k == 0 {
					want = ecpay.Ambiguous
				}
				if l := b.get(id); l.Kind != want || b.rdb.HExists(t.Context(), record.TaskKey(id), record.FieldUnsure).Val() {
					t.Errorf("%+v, want it in the ledger as %s", l, want)
				}
			}
			if b.rdb.SCard(t.Context(), record.UnsureKey).Val() != 0 {
				t.Error("a letter stays unsure")
			}
			if b.inLedger(ran) || b.inLedger(runs) != kept {
				t.Errorf("a phantom of %s or %s is in the ledger", ran, runs)
			}
		})
}

func TestAPageOfWhichSomeAreDoneOrKnownOrCannotBeReadIsCopiedAsFarAsItCanBe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := map[string]string{
		"crashed": b.crashed(1, false), "known": b.died(2, ecpay.Rejected), "finished": b.enqueued(3), "run since": b.enqueued(4),
		"gone": b.idOf(5), "of no use to asynq": b.crashed(6, false), "another crashed": b.crashed(7, false),
	}
	b.judged(ids["finished"], gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, RecordTTL: time.Hour})
	b.must(b.inspector.ArchiveTask(queue, ids["finished"]))
	b.must(b.rdb.HSet(t.Context(), asynqx.TaskKey(queue, ids["of no use to asynq"]), "msg", "\xff\xff").Err())
	var page, names []string
	for name, id := range ids {
		names, page = append(names, name), append(page, id)
	}
	b.must(b.rdb.ScriptFlush(t.Context()).Err())
	for i, got := range ledger.New(b.rdb, time.Hour, time.Now).DepositAll(t.Context(), queue, page, "sweep") {
		kept := strings.Contains(names[i], "crashed") || names[i] == "known"
		if got.Kept != kept || (got.Err != nil) != (names[i] == "of no use to asynq") {
			t.Errorf("%s: %+v", names[i], got)
		}
		if in := b.inLedger(page[i]); in != kept {
			t.Errorf("%s: in the ledger: %t", names[i], in)
		}
	}
	if n := b.rdb.SCard(t.Context(), record.UnsureKey).Val(); n != 0 {
		t.Errorf("%d letters stay unsure", n)
	}
}

func TestEverySweepBeginsWithAnotherQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var first []string
	queues := len(tasks.Queues())
	for range 2 * queues {
		f := &firstArchive{}
		rdb := b.srv.Client()
		rdb.AddHook(f)
		_, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb}).Sweep(t.Context())
		b.must(err)
		b.must(rdb.Close())
		first = append(first, f.key)
	}
	distinct := map[string]bool{}
	for i, key := range first {
		distinct[key] = true
		if key == "" || i >= queues && key != first[i-queues] {
			t.Errorf("sweeps began with %q, want each queue in turn", first)
		}
	}
	if len(distinct) != queues {
		t.Errorf("sweeps began with %q, want each queue in turn", first)
	}
}

// firstArchive remembers of which queue the archive is read first.
type firstArchive struct {
	fault
	key string
}

func (f *firstArchive) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if f.key == "" && cmd.Name() == "zrange" && strings.HasSuffix(cmd.Args()[1].(string), ":archived") {
			f.key = cmd.Args()[1].(string)
		}
		return next(ctx, cmd)
	}
}

func TestAPhantomOfAQueryThatWasRunMeanwhileIsWithdrawn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := b.producer.GetAllowanceConfirm(t.Context(), tasks.B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1"})
	b.must(err)
	b.must(b.inspector.ArchiveTask("query", r.ID))
	store := ledger.New(b.rdb, time.Hour, time.Now)
	// Between the sweep's look and its copy somebody runs the query to its end,
	// which leaves no finish marker.
	now := time.Now()
	b.must(b.inspector.RunTask("query", r.ID))
	_, err = b.gate.Begin(t.Context(), gate.Attempt{Keys: record.KeysOfTask(r.ID), Token: "q", Start: now, LockFor: time.Minute}, now)
	b.must(err)
	b.must(b.gate.Leave(t.Context(), gate.Attempt{Keys: record.KeysOfTask(r.ID), Token: "q"},
		gate.Result{State: record.Done, RecordTTL: time.Hour}))
	if ok, err := store.Deposit(t.Context(), "query", r.ID, "sweep"); err != nil || ok || b.inLedger(r.ID) {
		t.Errorf("%v, %v: a phantom", ok, err)
	}
	if ttl := b.rdb.PTTL(t.Context(), record.TaskKey(r.ID)).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("the record of the done query lives %s, want as before", ttl)
	}
}

func TestRunningTasksFromTheDashboardWhileTheSweeperRunsLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 400
	each(n, func(i int) { b.crashed(i, false) })
	server := asynq.NewServerFromRedisClient(b.srv.Client(),
		asynq.Config{Concurrency: 8, Queues: map[string]int{queue: 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel})
	var mu sync.Mutex
	runs := map[string]int{}
	b.must(server.Start(b.finishes(func(id string) {
		mu.Lock()
		runs[id]++
		mu.Unlock()
	})))
	defer server.Shutdown()
	var wg sync.WaitGroup
	wg.Go(func() {
		each(n, func(i int) {
			if i%4 == 0 {
				return // nobody presses Run for these
			}
			inv := void(number(i))
			if err := b.inspector.RunTask(queue, tasks.ID(&inv)); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	})
	for range 5 {
		b.sweep()
	}
	wg.Wait()
	b.eventually("what was run is done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(runs) == n*3/4
	})
	b.eventually("asynq has written the ends", func() bool {
		q, err := b.inspector.GetQueueInfo(queue)
		return err == nil && q.Active == 0 && q.Pending == 0
	})
	b.sweep()
	got := ids(b.list(deadletter.Filter{}))
	if len(got) != n/4 {
		t.Errorf("%d in the ledger, want the %d that were not run", len(got), n/4)
	}
	for _, id := range got {
		if runs[id] != 0 {
			t.Errorf("phantom %s", id)
		}
	}
}

func TestTheArchiveIsKeptShortOfWhatTheLedgerHas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n, keep = 60, 20
	for i := range n {
		b.died(i, ecpay.NotFound)
		b.rdb.ZAdd(t.Context(), asynqx.Key(queue, "archived"), redis.Z{Score: float64(time.Now().Unix() - n + int64(i)), Member: b.idOf(i)})
	}
	s := b.sweeper(func(c *deadletter.SweeperConfig) { c.Keep = keep })
	r, err := s.Sweep(t.Context())
	if err != nil || r.Trimmed != n-keep {
		t.Errorf("%+v, %v", r, err)
	}
	left, err := b.rdb.ZRange(t.Context(), asynqx.Key(queue, "archived"), 0, -1).Result()
	if err != nil || len(left) != keep || left[0] != b.idOf(n-keep) {
		t.Errorf("%d left from %v, want the newest %d", len(left), left[:1], keep)
	}
	if got := b.list(deadletter.Filter{}); len(got) != n {
		t.Errorf("%d in the ledger, want %d", len(got), n)
	}
	// What the ledger does not have stays, however old: here copying is made impossible.
	foreign := b.enqueued(n)
	b.must(b.inspector.ArchiveTask(queue, foreign))
	b.must(b.rdb.ZAdd(t.Context(), asynqx.Key(queue, "archived"), redis.Z{Score: 1, Member: foreign}).Err())
	b.must(b.rdb.Set(t.Context(), record.TaskKey(foreign), "no hash", 0).Err())
	if r, err := b.sweeper(func(c *deadletter.SweeperConfig) { c.Keep = 5 }).Sweep(t.Context()); err != nil || r.Trimmed != keep-5+1-1 {
		t.Errorf("%+v, %v; want one bad key to keep nothing else", r, err)
	}
	if b.info(foreign).State != asynq.TaskStateArchived {
		t.Error("a task that the ledger does not have was removed from asynq")
	}
	if r := b.sweep(); r.Settled != 1 {
		t.Errorf("%+v", r)
	}
}

func TestOneSweepsAtATime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.crashed(1, false)
	b.must(b.rdb.Set(t.Context(), record.SweepKey, "another", time.Minute).Err())
	if r := b.sweep(); r != (deadletter.Report{}) {
		t.Errorf("swept beside another: %+v", r)
	}
	if got := b.rdb.Get(t.Context(), record.SweepKey).Val(); got != "another" {
		t.Errorf("the lock is %q", got)
	}
	b.must(b.rdb.Del(t.Context(), record.SweepKey).Err())
	if r := b.sweep(); r.Copied != 1 || b.rdb.Exists(t.Context(), record.SweepKey).Val() != 0 {
		t.Errorf("%+v, or the lock stays", r)
	}
}

func TestTheSweeperRunsByItselfAndStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, false)
	s := b.sweeper(func(c *deadletter.SweeperConfig) { c.Every = 10 * time.Millisecond })
	s.Stop() // before Start
	s.Start()
	s.Start()
	b.eventually("the sweeper copies", func() bool { return b.inLedger(id) })
	s.Stop()
	s.Stop()
}

func TestMerchantsWithoutDeadLettersAreForgottenOnlyAfterAWhile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.NotFound)
	_, err := b.ledger.Resolve(t.Context(), id, "ops", "void by hand")
	b.must(err)
	b.sweep()
	if n := b.rdb.ZCard(t.Context(), record.OwnersKey).Val(); n != 1 {
		t.Errorf("%d owners at once, want 1: a letter may be on its way", n)
	}
	b.must(
		b.rdb.ZAdd(t.Context(), record.OwnersKey, redis.Z{Score: float64(time.Now().Add(-2 * time.Hour).UnixMilli()), Member: "2000132"}).Err(),
	)
	b.sweep()
	if n := b.rdb.ZCard(t.Context(), record.OwnersKey).Val(); n != 0 {
		t.Errorf("%d owners, want none", n)
	}
}

// Without a mark nothing was sent, unless Redis has lost marks since.
func TestATaskArchivedWithoutAVerdictIsAmbiguousWhereItsMarkMayBeLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sent    bool
		changed time.Time // of Redis' replication id
		want    ecpay.Kind
	}{
		"never sent":               {false, time.Time{}, ecpay.Unknown},
		"sent":                     {true, time.Time{}, ecpay.Ambiguous},
		"redis changed before":     {false, time.Now().Add(-time.Hour), ecpay.Unknown},
		"redis changed since then": {false, time.Now().Add(time.Hour), ecpay.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.crashed(1, tc.sent)
			if !tc.changed.IsZero() {
				b.must(b.rdb.HSet(t.Context(), record.ReplicationKey(redisx.TopologyOf(b.rdb), id), record.FieldChanged, tc.changed.UnixMilli()).Err())
			}
			b.sweep()
			if l, err := b.ledger.Get(t.Context(), id); err != nil || l.Kind != tc.want {
				t.Errorf("got %s, %v; want %s", l.Kind, err, tc.want)
			}
		})
	}
}
