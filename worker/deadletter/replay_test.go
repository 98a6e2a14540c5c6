package deadletter_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestReplayWorksWhateverAsynqStillHas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i, made := range map[int]func(i int) string{
		1: func(i int) string { return b.died(i, ecpay.NotFound) },
		2: func(i int) string { return b.swept(i, ecpay.NotFound) },
		3: func(i int) string { id := b.died(i, ecpay.NotFound); b.orphan(id); return id },
		4: func(i int) string { return b.crashed(i, false) }, // no sweep came by
		5: func(i int) string { id := b.crashed(i, false); b.orphan(id); return id },
		6: func(i int) string { // asynq began to archive and could not finish
			id := b.died(i, ecpay.NotFound)
			b.must(b.rdb.HSet(b.Context(), asynqx.TaskKey(queue, id), "state", "active").Err())
			return id
		},
		7: func(i int) string { // a late result made a remnant
			id := b.swept(i, ecpay.NotFound)
			b.must(b.rdb.HSet(b.Context(), asynqx.TaskKey(queue, id), "result", "x").Err())
			return id
		},
	} {
		id := made(i)
		before := b.rdb.HGetAll(b.Context(), record.TaskKey(id)).Val()
		b.replay(b.ledger, id, deadletter.ReplayOptions{DryRun: true}, ledger.WouldReplay)
		if after := b.rdb.HGetAll(b.Context(), record.TaskKey(id)).Val(); len(after) != len(before) || b.pending(id) != 0 {
			t.Errorf("case %d: a dry run changed %v to %v", i, before, after)
		}
		b.replay(b.ledger, id, deadletter.ReplayOptions{By: "ops"}, ledger.Replayed)
		b.wantPending(id)
		info := b.info(id)
		p, err := tasks.Decode(info.Type, info.Headers, info.Payload)
		if want := void(number(i)); err != nil || len(tasks.Differs(p, &want)) > 0 ||
			info.MaxRetry != asynqx.MaxRetry || info.Retention != tasks.DefaultRetention {
			t.Errorf("case %d: runs %s with %+v, %v", i, info.Payload, info, err)
		}
		b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Busy)
		b.wantPending(id)
		b.judged(id, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, RecordTTL: time.Hour})
		if b.inLedger(id) {
			t.Errorf("case %d: it is done and still in the ledger", i)
		}
		b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.AlreadyDone)
	}
	b.replay(b.ledger, "b2b.invalid.2000132.VG99999999.2026-11-01", deadletter.ReplayOptions{}, ledger.NotFound)
	b.replay(b.ledger, "no id of ours", deadletter.ReplayOptions{}, ledger.NotFound)
}

func TestReplayLeavesRunningTasksAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.NotFound)
	b.must(b.inspector.RunTask(queue, id))
	for _, state := range []string{"pending", "active", "scheduled", "retry"} {
		b.must(b.rdb.HSet(b.Context(), asynqx.TaskKey(queue, id), "state", state).Err())
		if state == "scheduled" || state == "retry" {
			b.must(b.rdb.ZAdd(b.Context(), asynqx.Key(queue, state), redis.Z{Member: id}).Err())
		}
		b.replay(b.ledger, id, deadletter.ReplayOptions{Set: map[string]string{"Reason": "x"}}, ledger.Busy)
		if got := b.get(id).State; got != state {
			t.Errorf("listed as %s, want %s", got, state)
		}
		if out, err := b.ledger.Resolve(t.Context(), id, "ops", "done by hand"); err != nil || out != ledger.Busy {
			t.Errorf("resolve while %s: %s, %v", state, out, err)
		}
	}
}

func TestReplayInterruptedAfterAnyCommandAndRepeatedRunsTheTaskOnce(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		made   func(b *bench, i int) string
		o      deadletter.ReplayOptions
		reason string
	}{
		"asynq has it":    {func(b *bench, i int) string { return b.died(i, ecpay.NotFound) }, deadletter.ReplayOptions{}, "訂單取消"},
		"asynq forgot it": {func(b *bench, i int) string { return b.swept(i, ecpay.NotFound) }, deadletter.ReplayOptions{}, "訂單取消"},
		"a remnant": {func(b *bench, i int) string { id := b.died(i, ecpay.NotFound); b.orphan(id); return id },
			deadletter.ReplayOptions{}, "訂單取消"},
		"not in the ledger": {func(b *bench, i int) string { return b.crashed(i, true) }, deadletter.ReplayOptions{}, "訂單取消"},
		"corrected": {func(b *bench, i int) string { return b.died(i, ecpay.Rejected) },
			deadletter.ReplayOptions{Set: map[string]string{"Reason": "更正"}}, "更正"},
		"corrected, swept": {func(b *bench, i int) string { return b.swept(i, ecpay.Rejected) },
			deadletter.ReplayOptions{Set: map[string]string{"Reason": "更正"}}, "更正"},
		"not executed": {func(b *bench, i int) string { return b.crashed(i, true) }, deadletter.ReplayOptions{NotExecuted: true}, "訂單取消"},
		"repeated as it was": {func(b *bench, i int) string { return b.died(i, ecpay.Rejected) },
			deadletter.ReplayOptions{Set: map[string]string{"Reason": "更正"}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.everyFault(func(i int) string { return tc.made(b, i) },
				func(rdb redis.UniversalClient, id string) error {
					_, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Replay(t.Context(), id, tc.o)
					return err
				},
				func(id string) {
					again := tc.o
					if tc.reason == "" { // whoever comes next may not know of the correction
						again = deadletter.ReplayOptions{}
					}
					b.replay(b.ledger, id, again, ledger.Replayed, ledger.Busy)
					b.wantPending(id)
					if !strings.Contains(string(b.info(id).Payload), tc.reason) {
						t.Errorf("runs %s, want %s", b.info(id).Payload, tc.reason)
					}
				})
			if b.sweep(); b.rdb.SCard(t.Context(), record.UnsureKey).Val() != 0 {
				t.Error("letters stay unsure")
			}
		})
	}
}

func TestTwoReplaysOfTheSameDeadSetRunEachTaskOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 300
	each(n, func(i int) {
		switch i % 3 {
		case 0:
			b.died(i, ecpay.NotFound)
		case 1:
			b.swept(i, ecpay.NotFound)
		case 2:
			b.orphan(b.died(i, ecpay.NotFound))
		}
	})
	// A worker that finds every task dead again, at once.
	var mu sync.Mutex
	runs := map[string]int{}
	server := asynq.NewServerFromRedisClient(b.srv.Client(),
		asynq.Config{Concurrency: 8, Queues: map[string]int{queue: 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel})
	b.must(server.Start(b.dies(func(id string) {
		mu.Lock()
		runs[id]++
		mu.Unlock()
	})))
	defer server.Shutdown()

	var replayed [2]int
	var wg sync.WaitGroup
	for who := range replayed {
		wg.Go(func() {
			l := deadletter.New(deadletter.Config{Redis: b.srv.Client(), Interval: tasks.Every(0)})
			err := l.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{}, func(r deadletter.Result) {
				if r.Err != nil {
					t.Errorf("%s: %v", r.ID, r.Err)
				}
				if r.ActResult == ledger.Replayed {
					replayed[who]++
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.eventually("all that was replayed is dead again", func() bool {
		return b.rdb.ZCard(t.Context(), asynqx.Key(queue, "archived")).Val() == n
	})
	mu.Lock()
	defer mu.Unlock()
	for id, k := range runs {
		if k != 1 {
			t.Errorf("%s was run %d times, want once", id, k)
		}
	}
	if got := replayed[0] + replayed[1]; got != n || len(runs) != n {
		t.Errorf("replayed %d and %d, %d tasks run; want %d in all, each once", replayed[0], replayed[1], len(runs), n)
	}
	t.Logf("replayed by the one %d, by the other %d", replayed[0], replayed[1])
}

func TestSetCorrectsThePayloadOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.Rejected)
	for _, tc := range []struct{ field, value, want string }{
		{"InvoiceNumber", "VG99999999", "changes the task's id"},
		{"MerchantID", "3000000", "changes the task's id"},
		{"Nonsense", "1", "unknown field"},
		{"Reason", strings.Repeat("字", 21), "Reason"},
		{"reason", "x", `unknown field "reason": names are exact, it is "Reason"`},
	} {
		out, err := b.ledger.Replay(t.Context(), id, deadletter.ReplayOptions{Set: map[string]string{tc.field: tc.value}, DryRun: true})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("set %s: %q, %v; want %q", tc.field, out, err, tc.want)
		}
	}
	if l := b.get(id); l.Corrected || l.Original != nil || b.pending(id) != 0 {
		t.Errorf("refused corrections changed the letter: %+v", l)
	}
	b.replay(b.ledger, id,
		deadletter.ReplayOptions{Set: map[string]string{"Reason": "=1+1, 更正", "Remark": "備註"}, By: "ops", Note: "ticket 7"}, ledger.Replayed)
	p, err := tasks.Decode("b2b:invalid", nil, b.info(id).Payload)
	if err != nil || p.(*tasks.B2BInvalid).Reason != "=1+1, 更正" || p.(*tasks.B2BInvalid).Remark != "備註" {
		t.Errorf("runs %+v, %v", p, err)
	}
	if l := b.get(id); !l.Corrected || !strings.Contains(string(l.Original), "訂單取消") {
		t.Errorf("the letter is %+v, want it corrected with the original kept", l)
	}
	// It dies of the correction: that is the payload now.
	b.judged(id, dead(ecpay.Rejected))
	if l := b.get(id); l.Corrected || !strings.Contains(string(l.Payload), "更正") {
		t.Errorf("after it died again: %+v", l)
	}
	audit := b.audit(deadletter.AuditFilter{})
	if len(audit) != 1 || audit[0].Who != "ops" || audit[0].What != "replay,set" || audit[0].ID != id ||
		audit[0].Note != "ticket 7" || strings.Join(audit[0].Fields, " ") != "Reason Remark" || time.Since(audit[0].At) > time.Minute {
		t.Errorf("audit %+v", audit)
	}
}

func TestSetTakesNumbersAndTruth(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := b.producer.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{MerchantID: "2000132", Tsr: "0123"})
	b.must(err)
	b.must(b.inspector.ArchiveTask("trigger_issue", r.ID))
	b.replay(b.ledger, r.ID, deadletter.ReplayOptions{Set: map[string]string{"DelayDay": "3", "RelateNumber": "007"}}, ledger.Replayed)
	info, err := b.inspector.GetTaskInfo("trigger_issue", r.ID)
	b.must(err)
	p, err := tasks.Decode(info.Type, info.Headers, info.Payload)
	b.must(err)
	if got := p.(*tasks.B2CTriggerIssue); got.DelayDay == nil || *got.DelayDay != 3 || got.RelateNumber != "007" || got.Tsr != "0123" {
		t.Errorf("%s", info.Payload)
	}
}

func TestACorrectionThatWasNotRunOutlivesARunOfTheOldTask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.Rejected)
	// The replay is interrupted after it stored the correction, and somebody
	// presses Run on the dashboard, which has the old payload.
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(id), record.FieldPayload, `{"corrected":true}`, record.FieldFix, 1).Err())
	b.must(b.inspector.RunTask(queue, id))
	b.judged(id, dead(ecpay.Rejected))
	if l := b.get(id); !l.Corrected || string(l.Payload) != `{"corrected":true}` {
		t.Errorf("the correction is lost: %+v", l)
	}
}

func TestNotExecutedRemovesTheMarkAndOnlyThat(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, true)
	b.sweep()
	l := b.get(id)
	if l.Kind != ecpay.Ambiguous || l.InFlightAt == nil || !strings.Contains(l.Advice, "--not-executed") {
		t.Errorf("a task that died with a write in flight is %+v, want Ambiguous", l)
	}
	// Without the word, the mark stays over a replay.
	b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
	if r, err := record.Get(t.Context(), b.rdb, id); err != nil || r.InFlight.IsZero() {
		t.Errorf("a replay removed the mark: %+v, %v", r, err)
	}
	b.must(b.inspector.ArchiveTask(queue, id))
	b.replay(b.ledger, id, deadletter.ReplayOptions{NotExecuted: true, By: "ops", Note: "looked it up"}, ledger.Replayed)
	// The write may land all the same for a while: the mark stays, and the word with it.
	mark := b.rdb.HGet(t.Context(), record.TaskKey(id), record.FieldInFlight).Val()
	if word := b.rdb.HGet(t.Context(), record.TaskKey(id), record.FieldDenied).Val(); mark == "" || !strings.HasPrefix(word, mark+" ") {
		t.Errorf("got mark %q and a person's word about %q, want both of one write", mark, word)
	}
	if audit := b.audit(deadletter.AuditFilter{Limit: 1}); len(audit) != 1 ||
		audit[0].What != "replay,not-executed" || audit[0].Note != "looked it up" {
		t.Errorf("audit %+v", audit)
	}
	// An attempt that still runs could send after the person looked.
	running := b.crashed(2, true)
	b.sweep()
	end := time.Now().Add(time.Minute).UnixMilli()
	b.must(b.rdb.Set(t.Context(), record.LockKey(running), fmt.Sprintf("crash %d %d", end, end), time.Hour).Err())
	b.replay(b.ledger, running, deadletter.ReplayOptions{NotExecuted: true}, ledger.Busy)
}

func TestAReplayOfEverythingLeavesRejectedAndAmbiguousAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.died(1, ecpay.Rejected)
	ambiguous := b.died(2, ecpay.Ambiguous)
	b.died(3, ecpay.NotFound)
	run := func(f deadletter.Filter, o deadletter.ReplayOptions) map[ledger.ActResult]int {
		got := map[ledger.ActResult]int{}
		b.must(b.ledger.ReplayAll(t.Context(), f, o, func(r deadletter.Result) { got[r.ActResult]++ }))
		return got
	}
	dry := deadletter.ReplayOptions{DryRun: true}
	kind := ecpay.Ambiguous
	for name, tc := range map[string]struct {
		f       deadletter.Filter
		o       deadletter.ReplayOptions
		would   int
		skipped int
	}{
		"bare":                            {deadletter.Filter{}, dry, 1, 2},
		"by merchant":                     {deadletter.Filter{MerchantID: "2000132"}, dry, 1, 2},
		"by kind":                         {deadletter.Filter{Kind: &kind}, dry, 1, 0},
		"by id":                           {deadletter.Filter{IDs: []string{ambiguous, ambiguous}}, dry, 1, 0},
		"a limit counts what is replayed": {deadletter.Filter{Limit: 1}, dry, 1, 2},
		"with correction": {deadletter.Filter{},
			deadletter.ReplayOptions{DryRun: true, Set: map[string]string{"Reason": "x"}}, 2, 1},
	} {
		if got := run(tc.f, tc.o); got[ledger.WouldReplay] != tc.would || got[ledger.Skipped] != tc.skipped {
			t.Errorf("%s: %v, want %d and %d skipped", name, got, tc.would, tc.skipped)
		}
	}
	err := b.ledger.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{NotExecuted: true}, func(deadletter.Result) {})
	if err == nil {
		t.Error("not-executed of everything is taken")
	}
	if got := run(deadletter.Filter{}, deadletter.ReplayOptions{}); got[ledger.Replayed] != 1 {
		t.Errorf("%v", got)
	}
}

func TestReplayEndsWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 20 {
		b.died(i, ecpay.NotFound)
	}
	rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
	defer rdb.Close()
	rdb.AddHook(&fault{n: 60, stays: true})
	n := 0
	l := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)})
	err := l.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{}, func(deadletter.Result) { n++ })
	// By its text: where the fault strikes asynq's own enqueue, asynq keeps no more of it.
	if err == nil || !strings.Contains(err.Error(), errFault.Error()) || n >= 20 {
		t.Errorf("%d results, %v", n, err)
	}
	b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{}, func(deadletter.Result) {}))
	for i := range 20 {
		inv := void(number(i))
		b.wantPending(tasks.ID(&inv))
	}
}

// TestAReplayOfManyIsSpreadAlongTheirMerchantsPace: otherwise it would stand before
// all other merchants' tasks.
func TestAReplayOfManyIsSpreadAlongTheirMerchantsPace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 100
	for i := range n {
		b.died(i, ecpay.NotFound)
	}
	start := time.Now()
	l := deadletter.New(deadletter.Config{Redis: b.rdb}) // at ECPay's 200 ms
	b.must(l.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{}, func(r deadletter.Result) {
		if r.ActResult != ledger.Replayed {
			t.Errorf("%+v", r)
		}
	}))
	took := time.Since(start)
	pending := b.rdb.LLen(t.Context(), "asynq:{invalid}:pending").Val()
	scheduled := b.rdb.ZRangeWithScores(t.Context(), "asynq:{invalid}:scheduled", 0, -1).Val()
	if most := 9 + int64((took+time.Second)/tasks.DefaultInterval); pending > most || pending+int64(len(scheduled)) != n {
		t.Fatalf("%d pending and %d scheduled, want at most %d pending of %d", pending, len(scheduled), most, n)
	}
	last := time.Unix(int64(scheduled[len(scheduled)-1].Score), 0)
	if want := start.Add((n - 1) * tasks.DefaultInterval); last.Sub(want).Abs() > took+3*time.Second {
		t.Errorf("the last is run at %s, want about %s", last, want)
	}
}

// A person looks a second after the send; the write may land for ten minutes.
func TestAReplayOnAPersonsWordTellsWhenItGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, true)
	b.sweep()
	sent := time.Now()
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(id),
		record.FieldInFlight, sent.Add(-time.Minute).UnixMilli(), record.FieldSentAt, sent.UnixMilli()).Err())
	replay := func(o deadletter.ReplayOptions) (results []deadletter.Result) {
		t.Helper()
		b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{IDs: []string{id}},
			o, func(r deadletter.Result) { results = append(results, r) }))
		return results
	}
	want := func(at *time.Time, fence time.Duration) {
		t.Helper()
		if at == nil || at.Sub(sent.Add(fence)).Abs() > time.Second {
			t.Errorf("got %v, want %s", at, sent.Add(fence))
		}
	}
	if r := replay(deadletter.ReplayOptions{NotExecuted: true, DryRun: true}); r[0].GoesAt != nil {
		t.Errorf("a dry run: got %v, want nothing", r)
	}
	r := replay(deadletter.ReplayOptions{NotExecuted: true})
	if len(r) != 1 || r[0].ActResult != ledger.Replayed {
		t.Fatalf("got %v", r)
	}
	want(r[0].GoesAt, ledger.DefaultFence)
	b.must(b.rdb.HSet(t.Context(), record.ClockKey, record.FieldFence, (20 * time.Minute).Milliseconds()).Err()) // as a worker has it
	l, err := b.ledger.Get(t.Context(), id)
	b.must(err)
	want(l.GoesAt, 20*time.Minute)
	// A write that was sent since is another one.
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(id), record.FieldInFlight, sent.UnixMilli()).Err())
	if l, err := b.ledger.Get(t.Context(), id); err != nil || l.GoesAt != nil {
		t.Errorf("of a later write: got %v, %v, want nothing", l.GoesAt, err)
	}
}
