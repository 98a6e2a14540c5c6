package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

const (
	testMerchant = ecpaytest.StageMerchantID
	testInvoice  = "VG11000002"
	testDate     = "2026-11-01"
)

func TestTriggerWaitsForItsStaging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["trigger at once"]
	j := w.job(x.payload)
	if v := w.once(j); v.Action != Retry || v.Kind != ecpay.NotFound {
		t.Fatalf("%s(%s), want retry(NotFound)", v.Action, v.Kind)
	}
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
		t.Errorf("%s(%s) with %d effects", v.Action, v.Kind, w.effects(x))
	}
}

func TestTriggerOfNothingDiesAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.job(writes()["trigger at once"].payload)
	v, _ := w.toEnd(j)
	if v.Action != Dead || v.Kind != ecpay.NotFound {
		t.Errorf("%s(%s), want dead(NotFound)", v.Action, v.Kind)
	}
}

func TestProvenNotExecutedIsSentAgainWithAFreshStamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 9000001, Times: 2}, ecpaytest.Fault{TransCode: 104})
	v, attempts := w.toEnd(w.job(x.payload))
	if v.Action != Done || attempts != 4 || w.effects(x) != 1 {
		t.Errorf("%s(%s) after %d attempts with %d effects", v.Action, v.Kind, attempts, w.effects(x))
	}
	stamps, ids := map[int64]bool{}, map[string]bool{}
	for _, c := range w.fake.Calls() {
		stamps[c.Timestamp], ids[c.RqID] = true, true
		if age := c.At.Sub(time.Unix(c.Timestamp, 0)); age < 0 || age > 2*time.Second {
			t.Errorf("stamp is %s old on arrival", age)
		}
	}
	if len(stamps) != 4 || len(ids) != 4 {
		t.Errorf("%d stamps and %d RqIDs, want 4 and 4", len(stamps), len(ids))
	}
}

func TestThrottledHoldsAndSpendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{HTTPStatus: 403, Times: 500})
	j := w.job(x.payload)
	for range 200 { // 100 hours: longer than the age budget, whose clock stands still
		v := w.once(j)
		if v.Action != Hold || v.Delay != 30*time.Minute {
			t.Fatalf("%s(%s) for %s", v.Action, v.Kind, v.Delay)
		}
		// Whoever runs it before its time, asynq or a person: nothing is sent.
		calls := len(w.fake.Calls())
		w.advance(10 * time.Minute)
		if early := w.once(j); early.Action != Hold || early.Kind != ecpay.Throttled ||
			early.Delay != 20*time.Minute-merchants.WakeEarly || len(w.fake.Calls()) != calls {
			t.Fatalf("run early: %s(%s) for %s with %d calls more, want hold for the rest",
				early.Action, early.Kind, early.Delay, len(w.fake.Calls())-calls)
		}
		w.advance(20 * time.Minute)
	}
	if r := w.record(j); r.Attempts != 0 || r.State != record.Queued || r.Holds != 200 {
		t.Errorf("%d attempts, state %s, %d holds", r.Attempts, r.State, r.Holds)
	}
	w.fake.ClearFaults()
	w.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001})
	if v := w.once(j); v.Action != Retry {
		t.Errorf("%s(%s): %s; the clock of age ran during holds", v.Action, v.Kind, v.Reason)
	}
}

// While a machine is suspended, the clock by which deadlines are kept stands still,
// and the lock ends.
func TestAnAttemptWhoseMachineSleptSendsNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	j := w.job(x.payload)
	a := w.h.newAttempt(j)
	a.merchant = w.keys.merchant
	w.mu.Lock()
	w.now = w.now.Add(time.Hour)
	w.mu.Unlock()
	if _, err := w.h.do(t.Context(), a, x.payload.Request(), wish{write: true}); err == nil ||
		err.Execution != ecpay.NotSent || len(w.fake.Calls()) != 0 {
		t.Errorf("%v with %d calls, want nothing sent", err, len(w.fake.Calls()))
	}
}

func TestMissingKeysHoldUntilTheyCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	j := w.job(x.payload)
	w.keys.err = fmt.Errorf("%w: %s", ErrUnknownMerchant, testMerchant)
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		pause *= time.Minute
		if v := w.once(j); v.Action != Hold || v.Kind != ecpay.Denied ||
			v.Delay != pause || !strings.Contains(v.Text().En, "; key fingerprint none") {
			t.Errorf("%s(%s) for %s: %s, want hold(Denied) for %s", v.Action, v.Kind, v.Delay, v.Reason, pause)
		}
		// Whoever comes meanwhile asks nobody, and waits for being woken.
		if v := w.once(j); v.Action != Hold || v.Kind != ecpay.Denied || v.Delay < pause+time.Hour {
			t.Errorf("during the pause: %s(%s) for %s, want hold(Denied) for an hour more", v.Action, v.Kind, v.Delay)
		}
		w.advance(pause)
	}
	w.keys.err = errors.New("vault is sealed")
	if v := w.once(j); v.Action != Retry || v.Kind != ecpay.Unavailable {
		t.Errorf("provider away: %s(%s)", v.Action, v.Kind)
	}
	w.keys.err = nil
	if v := w.once(j); v.Action != Done {
		t.Errorf("%s(%s)", v.Action, v.Kind)
	}
	if len(w.fake.Calls()) != 1 {
		t.Errorf("%d calls, want 1", len(w.fake.Calls()))
	}
}

func TestStoredBytesThatAreNoTask(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*job)
		action Action
		kind   ecpay.Kind
	}{
		"corrupt": {func(j *job) { j.payload = []byte("\x00\xff") }, Dead, ecpay.Rejected},
		"invalid field": {func(j *job) { j.payload = []byte(strings.Replace(string(j.payload), testDate, "2026-13-01", 1)) },
			Dead, ecpay.Rejected},
		"id of another":       {func(j *job) { j.id += "x" }, Dead, ecpay.Rejected},
		"id of no task":       {func(j *job) { j.id = "hello {world}" }, Dead, ecpay.Rejected},
		"unknown type":        {func(j *job) { j.typeName = "b2c:issue_it" }, Hold, ecpay.Unknown},
		"newer schema":        {func(j *job) { j.headers = map[string]string{"v": "3"} }, Hold, ecpay.Unknown},
		"no headers are fine": {func(j *job) { j.headers = nil }, Done, ecpay.OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := writes()["void"].stage(w.fake); err != nil {
				t.Fatal(err)
			}
			j := w.job(writes()["void"].payload)
			tc.change(&j)
			v := w.once(j)
			if v.Action != tc.action || v.Kind != tc.kind {
				t.Errorf("%s(%s), want %s(%s): %s", v.Action, v.Kind, tc.action, tc.kind, v.Reason)
			}
			if v.Action != Done && (len(w.fake.Calls()) != 0 || v.Reason == 0) {
				t.Errorf("%d calls, reason %q", len(w.fake.Calls()), v.Reason)
			}
		})
	}
}

// A task that never failed is looked at before it is counted.
func TestACrashBeforeTheFirstAttemptBeganIsCounted(t *testing.T) {
	t.Parallel()
	w, _, j := staged(t, "void")
	j.failed = 1
	for i := range MaxCrashes - 1 {
		a := gate.Attempt{Keys: record.KeysOfTask(j.id), Token: fmt.Sprint("crash-", i), Start: w.clock(), LockFor: time.Minute, Failed: j.failed}
		if _, err := w.h.gate.Begin(t.Context(), a, w.clock()); err != nil {
			t.Fatal(err)
		}
		j.failed++
		w.advance(90 * time.Second)
	}
	if v := w.once(j); v.Action != Dead || v.Reason != reasonCrashes {
		t.Errorf("%s: %s", v.Action, v.Reason)
	}
	if r := w.record(j); r.Crashes != MaxCrashes || r.Attempts != MaxCrashes+1 {
		t.Errorf("%d crashes in %d attempts, want %d in one more", r.Crashes, r.Attempts, MaxCrashes)
	}
}

func TestFiveCrashesAreDeadBeforeThePayloadIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.job(writes()["void"].payload)
	j.payload = []byte("kills the worker")
	for i := range MaxCrashes {
		j.failed++ // asynq notes that their leases ended
		a := gate.Attempt{Keys: record.KeysOfTask(j.id), Token: fmt.Sprint("crash-", i), Start: w.clock(), LockFor: time.Minute}
		if _, err := w.h.gate.Begin(t.Context(), a, w.clock()); err != nil {
			t.Fatal(err)
		}
		w.advance(90 * time.Second)
	}
	if v := w.once(j); v.Action != Dead || v.Reason != reasonCrashes {
		t.Errorf("%s: %s", v.Action, v.Reason)
	}
}

func TestRunningADeadTaskAgainStartsAFreshBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	w.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	j := w.job(x.payload)
	if v := w.once(j); v.Action != Dead {
		t.Fatalf("%s(%s)", v.Action, v.Kind)
	}
	r := w.record(j)
	end := record.End{Kind: ecpay.Rejected, HTTPStatus: 200, TransCode: 1,
		RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤", Reason: reasonRejected.Text()}
	want := record.Record{State: record.Dead, Attempts: 1, End: end, Death: end, First: r.First, Last: r.Last,
		Type: j.typeName, Queue: j.queue, Payload: j.payload, Headers: j.headers, Died: r.Last, By: record.ByWorker}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	w.advance(100 * time.Hour) // older than the age budget
	w.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001})
	if v := w.once(j); v.Action != Retry {
		t.Errorf("%s(%s): %s; want a fresh budget", v.Action, v.Kind, v.Reason)
	}
	if v, _ := w.toEnd(j); v.Action != Done || w.record(j).Attempts != 2 {
		t.Errorf("%s(%s), %d attempts", v.Action, v.Kind, w.record(j).Attempts)
	}
}

func TestUntilConfirmed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  ecpaytest.Allowance
		want Action
	}{
		"confirmed":     {ecpaytest.Allowance{AllowanceNo: "1909241702402030", ConfirmDate: "2026-11-22"}, Done},
		"upload failed": {ecpaytest.Allowance{AllowanceNo: "1909241702402030", UploadStatus: "2"}, Dead},
		"never":         {ecpaytest.Allowance{AllowanceNo: "1909241702402030", UploadStatus: "0"}, Dead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "1909241702402030", UploadStatus: "0"}); err != nil {
				t.Fatal(err)
			}
			j := w.job(&tasks.B2BGetAllowanceConfirm{
				MerchantID: testMerchant, AllowanceNo: "1909241702402030",
				UntilConfirmed: true,
			})
			for range 3 {
				v := w.once(j)
				if v.Action != Hold {
					t.Fatalf("%s(%s), want hold", v.Action, v.Kind)
				}
				w.advance(v.Delay)
			}
			if r := w.record(j); r.Attempts != 0 || len(r.Result) == 0 {
				t.Errorf("%d attempts, result %s", r.Attempts, r.Result)
			}
			if err := w.fake.StageAllowance(tc.end); err != nil {
				t.Fatal(err)
			}
			if name == "never" {
				w.advance(counterpartyMaxAge)
			}
			if v := w.once(j); v.Action != tc.want {
				t.Errorf("%s(%s), want %s", v.Action, v.Kind, tc.want)
			}
		})
	}
}

func TestRedisAwayHoldsAndSendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := writes()["void"].stage(w.fake); err != nil {
		t.Fatal(err)
	}
	j := w.job(writes()["void"].payload)
	w.mr.SetError("LOADING Redis is loading the dataset in memory")
	w.h.timeout = time.Second // so long is tried whether the attempt began
	v, text, err := w.h.run(t.Context(), j)
	if v.Action != Hold || v.Delay < time.Second || !errors.Is(err, errNotRecorded) ||
		toAsynq(v, text, err).Counts || toAsynq(v, text, err).Done || toAsynq(v, text, err).Delay < time.Second {
		t.Errorf("%s for %s, %v", v.Action, v.Delay, err)
	}
	if len(w.fake.Calls()) != 0 {
		t.Error("something was sent without being counted")
	}
	w.mr.SetError("")
	if v := w.once(j); v.Action != Done || w.record(j).Crashes != 0 {
		t.Errorf("when Redis is back: %s, %d crashes", v.Action, w.record(j).Crashes)
	}
}

func TestOutcomeThatCannotBeRecordedMakesTheTaskComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.timeout = 2 * time.Second
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{Latency: 100 * time.Millisecond, AfterEffect: true})
	done := make(chan struct{})
	go func() { // Redis goes away while ECPay answers
		defer close(done)
		for len(w.fake.Effects()) == 0 {
			<-time.After(time.Millisecond)
		}
		w.mr.SetError("LOADING")
	}()
	j := w.job(x.payload)
	v, text, err := w.h.run(t.Context(), j)
	<-done
	if v.Action != Done || !errors.Is(err, errNotRecorded) {
		t.Fatalf("%s, %v", v.Action, err)
	}
	if toAsynq(v, text, err).Done {
		t.Error("asynq is told that the task is done")
	}
	w.mr.SetError("")
	if v, _ := w.toEnd(j); v.Action != Done || v.Kind != ecpay.AlreadyDone || w.effects(x) != 1 {
		t.Errorf("%s(%s) with %d effects", v.Action, v.Kind, w.effects(x))
	}
}

func TestScriptsMayRunTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, g := t.Context(), w.h.gate
	const id = "b2b.invalid.2000132.VG11000002.2026-11-01"
	for range 2 {
		h, err := g.Begin(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a", Start: w.clock(), LockFor: time.Minute}, w.clock())
		if err != nil || h.Attempts != 1 || h.Crashes != 0 {
			t.Errorf("Begin: %+v, %v", h, err)
		}
	}
	for range 2 {
		write := gate.Request{Write: true, Stamp: w.clock(), Now: w.clock(), Repeats: false, InFlight: 8, Life: time.Minute}
		if _, err := g.Enter(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"}, write); err != nil {
			t.Error(err)
		}
	}
	res := gate.Result{State: record.Held, Kind: ecpay.Operator, Delay: time.Minute}
	for range 2 {
		if err := g.Leave(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"}, res); err != nil {
			t.Error(err)
		}
	}
	r, err := record.Get(ctx, w.rdb, id)
	if err != nil || r.Attempts != 0 || r.Holds != 1 || r.InFlight.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	next := gate.Attempt{Keys: record.KeysOfTask(id), Token: "b", Start: w.clock(), LockFor: time.Minute}
	if h, err := g.Begin(ctx, next, w.clock()); err != nil || h.Attempts != 1 || h.Crashes != 0 || !h.InFlight {
		t.Errorf("next attempt: %+v, %v", h, err)
	}
	// A repetition of a leave that has landed changes nothing any more.
	if err := g.Leave(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"},
		gate.Result{State: record.Dead, Task: &gate.Task{Type: "b2b:invalid", Queue: "invalid"}}); err != nil {
		t.Error(err)
	}
	if r, err := record.Get(ctx, w.rdb, id); err != nil || r.State != record.Active {
		t.Errorf("state %s, %v, want active", r.State, err)
	}
	write := gate.Request{Write: true, Stamp: w.clock(), Now: w.clock(), Repeats: false, InFlight: 8, Life: time.Minute}
	if _, err := g.Enter(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"}, write); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("an attempt that is over may enter: %v", err)
	}
	// Proof of an effect is recorded whatever attempt brings it.
	if err := g.Leave(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"},
		gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour}); err != nil {
		t.Error(err)
	}
	last := gate.Attempt{Keys: record.KeysOfTask(id), Token: "c", Start: w.clock(), LockFor: time.Minute}
	if h, err := g.Begin(ctx, last, w.clock()); err != nil || !h.Finished {
		t.Errorf("%+v, %v", h, err)
	}
}
