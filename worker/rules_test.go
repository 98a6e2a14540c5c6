package worker

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// The once-only rules of the design, one test each, in its order. They show the
// rule where it acts; what follows from all of them together is shown by
// TestSimulation and by the table of troubles in cmd/ecpayq.

// staged is a world with the subject of a write at ECPay.
func staged(t *testing.T, name string) (*world, write, job) {
	t.Helper()
	w, x := newWorld(t), writes()[name]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	return w, x, w.job(x.payload)
}

// calls names the operations that ECPay was asked for, in order.
func (w *world) calls() []string {
	names := []string{}
	for _, c := range w.fake.Calls() {
		names = append(names, c.Operation)
	}
	return names
}

func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), w.calls()); diff != "" {
		w.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) wantVerdict(v Verdict, action Action, kind ecpay.Kind) {
	w.t.Helper()
	if v.Action != action || v.Kind != kind {
		w.t.Errorf("got %s(%s), want %s(%s): %s", v.Action, v.Kind, action, kind, v.Reason)
	}
}

// unanswered makes the next write get no answer, before or after its effect.
func (w *world) unanswered(x write, landed bool) {
	w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{Drop: true, AfterEffect: landed})
}

func TestRule1ATaskThatFindsItsFinishMarkerIsDoneWithoutARequestAndADeadOneHasNone(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "void")
	w.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 2103005})
	w.wantVerdict(w.once(j), Dead, ecpay.Rejected)
	if w.rdb.Exists(t.Context(), record.DoneKey(j.id)).Val() != 0 {
		t.Error("a dead verdict wrote a finish marker")
	}
	w.wantVerdict(w.once(j), Done, ecpay.OK)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
	w.wantCalls("Invalid", "Invalid")
	if n := w.effects(x); n != 1 {
		t.Errorf("got %d effects, want 1", n)
	}
}

func TestRule2WithoutAMarkNothingIsSentAndOnlyProofRemovesIt(t *testing.T) {
	t.Parallel()
	refuse := func(failed, script int) {
		t.Helper()
		w, _, j := staged(t, "trigger, nothing to ask")
		j.failed = failed
		scripts := 0
		w.rdb.(*redis.Client).AddHook(beforeScript(func() error {
			if scripts++; scripts == script {
				return errors.New("MISCONF the append-only file cannot be written")
			}
			return nil
		}))
		w.wantVerdict(w.once(j), Hold, ecpay.Unavailable)
		w.wantCalls()
		w.wantVerdict(w.once(j), Done, ecpay.OK)
		w.wantCalls("TriggerIssue")
	}
	refuse(0, 1) // which begins and marks
	refuse(1, 2) // which marks, after one that began

	w, x, j := staged(t, "trigger, nothing to ask")
	w.unanswered(x, true)
	w.wantVerdict(w.once(j), Dead, ecpay.Ambiguous)
	marked := func(when string) {
		t.Helper()
		if w.record(j).InFlight.IsZero() {
			t.Errorf("%s removed the mark", when)
		}
	}
	marked("death")
	w.advance(time.Hour)
	w.keys.err = ErrUnknownMerchant
	w.wantVerdict(w.once(j), Hold, ecpay.Denied)
	marked("a hold")
	w.keys.err = nil
	w.wantVerdict(w.once(j), Dead, ecpay.Ambiguous)
	marked("another death")
	w.wantCalls("TriggerIssue")
}

// What Redis did although its answer was lost must not count as a crash, nor as a write:
// nothing was sent.
func TestRule2ABeginWhoseAnswerIsLostLeavesNoMark(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"Redis does it at once": false, "Redis does it when the attempt has left": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, j := staged(t, "trigger, nothing to ask")
			client := w.rdb.(*redis.Client)
			if _, err := w.h.gate.Begin(t.Context(),
				gate.Attempt{Keys: record.KeysOfTask(j.id + "0"), Token: "loads the script", LockFor: time.Minute}, w.clock()); err != nil {
				t.Fatal(err)
			}
			var begin []any
			client.AddHook(onScript(func(_ context.Context, cmd redis.Cmder, next func() error) error {
				if begin != nil {
					return next()
				}
				begin = cmd.Args()
				if !late {
					if err := next(); err != nil {
						t.Error(err)
					}
				}
				return io.ErrUnexpectedEOF
			}))
			w.wantVerdict(w.once(j), Hold, ecpay.Unavailable)
			if late {
				if err := client.Do(t.Context(), begin...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if r := w.record(j); !r.InFlight.IsZero() {
				t.Error("a mark is left of a write that never went out")
			}
			w.wantCalls()
			w.wantVerdict(w.once(j), Done, ecpay.OK)
			w.wantCalls("TriggerIssue")
			if r := w.record(j); r.Attempts != 1 || r.Crashes != 0 {
				t.Errorf("%d attempts and %d crashes, want 1 and 0", r.Attempts, r.Crashes)
			}
		})
	}
}

// onScript is called for every script of a client, may call it by next, and returns its
// error.
type onScript func(ctx context.Context, cmd redis.Cmder, next func() error) error

func (h onScript) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h onScript) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		err := h(ctx, cmd, func() error { return next(ctx, cmd) })
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

func (h onScript) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// beforeScript is called before a script is sent by its SHA-1, and may fail it.
func beforeScript(f func() error) redis.Hook {
	return onScript(func(_ context.Context, cmd redis.Cmder, next func() error) error {
		if cmd.Name() == "evalsha" {
			if err := f(); err != nil {
				return err
			}
		}
		return next()
	})
}

// replication makes Redis answer with this replication id, of a replica that was
// promoted.
func (w *world) replication(id string) {
	w.mr.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		if cmd == "INFO" {
			c.WriteBulk("master_replid:" + id + "\r\nsecond_repl_offset:1\r\n")
		}
		return cmd == "INFO"
	})
}

func TestRule3WhileAWriteIsUnansweredItIsAskedAboutAndANoCountsAfterTheFence(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "void")
	w.unanswered(x, false)
	w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
	w.wantVerdict(w.once(j), Hold, ecpay.Ambiguous)
	w.advance(w.h.policy.Fence - time.Second)
	w.wantVerdict(w.once(j), Hold, ecpay.Ambiguous)
	w.advance(time.Second)
	w.wantVerdict(w.once(j), Done, ecpay.OK)
	w.wantCalls("Invalid", "GetInvalid", "GetInvalid", "GetInvalid", "Invalid")

	w, x, j = staged(t, "void")
	w.unanswered(x, true)
	w.once(j)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone) // a yes counts at once
	w.wantCalls("Invalid", "GetInvalid")
}

func TestRule4ARefusalSaysNothingAboutAnEarlierUnansweredWrite(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ecpaytest.Fault{
		"rejected": {RtnCode: 2103005}, "conflict": {RtnCode: 5070357}, "unknown": {RtnCode: 8888888}, "not found": {RtnCode: 5070305},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x, j := staged(t, "cancel")
			w.unanswered(x, true)
			w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
			w.fake.Inject(ecpaytest.Match{Operation: x.op}, fault)
			v := w.once(j)
			if v.Action == Dead && v.Kind != ecpay.Ambiguous || v.Action == Done && v.Kind != ecpay.AlreadyDone {
				t.Errorf("got %s(%s), want the earlier one to count", v.Action, v.Kind)
			}
			if calls := w.calls(); calls[len(calls)-1] != "GetIssue" {
				t.Errorf("got calls %q, want a question at the end", calls)
			}
		})
	}
}

func TestRule5NothingIsAskedByANumberThatIsAGuess(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger, nothing to ask")
	w.unanswered(x, true)
	w.wantVerdict(w.once(j), Dead, ecpay.Ambiguous)
	w.wantCalls("TriggerIssue")

	w = newWorld(t)
	if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "T1"}); err != nil {
		t.Fatal(err)
	}
	w.keys.merchant.TsrIsRelateNumber = true
	j = w.job(x.payload)
	w.unanswered(x, true)
	w.once(j)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
	w.wantCalls("TriggerIssue", "GetIssue")
}

func TestRule6ACancelMayBeSentAgainAtOnceAndItsRefusalIsAskedAbout(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "cancel")
	w.unanswered(x, true)
	w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone) // not issued, so our own cancel is why
	w.wantCalls("CancelDelayIssue", "CancelDelayIssue", "GetIssue")

	w = newWorld(t)
	if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "R1", Issued: true}); err != nil {
		t.Fatal(err)
	}
	w.wantVerdict(w.once(w.job(x.payload)), Dead, ecpay.Conflict)

	w = newWorld(t)
	w.wantVerdict(w.once(w.job(x.payload)), Dead, ecpay.NotFound) // and no cancel of ours before
}

func TestRule7AScheduledTriggerWaitsForItsDayOrForAPerson(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger with delay")
	w.unanswered(x, true)
	w.once(j)
	w.advance(w.h.policy.Fence)
	if v := w.once(j); v.Action != Hold || v.Reason != reasonScheduled {
		t.Errorf("known delay: got %s(%s): %s, want hold until the day", v.Action, v.Kind, v.Reason)
	}
	w.advance(3 * 24 * time.Hour)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)

	w, x, j = staged(t, "trigger, delay unknown")
	w.unanswered(x, true)
	w.once(j)
	w.advance(w.h.policy.Fence)
	w.wantVerdict(w.once(j), Dead, ecpay.Ambiguous)
	if n := len(w.calls()); n != 2 {
		t.Errorf("got calls %q, want the trigger and one question", w.calls())
	}
}

func TestRule8ALockExcludesARunOfTheSameTaskAndNothingIsSentAfterIt(t *testing.T) {
	t.Parallel()
	w, _, j := staged(t, "void")
	first := gate.Attempt{Keys: record.KeysOfTask(j.id), Token: "first", LockFor: time.Minute}
	if _, err := w.h.gate.Begin(t.Context(), first, w.clock()); err != nil {
		t.Fatal(err)
	}
	w.wantVerdict(w.once(j), Hold, ecpay.Unavailable)
	w.advance(time.Minute + time.Millisecond)
	write := gate.Request{Write: true, Stamp: w.clock(), Now: w.clock(), Repeats: false, InFlight: 8, Life: time.Minute}
	if _, err := w.h.gate.Enter(t.Context(), first, write); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("the first run, after its lock: got %v, want ErrSuperseded", err)
	}
	w.wantCalls()
	w.wantVerdict(w.once(j), Done, ecpay.OK)
	if limit := w.h.timeout - reserve(w.h.timeout); limit >= w.h.newAttempt(j).gate.LockFor {
		t.Errorf("an attempt may take %s, its lock lives %s", limit, w.h.newAttempt(j).gate.LockFor)
	}
}

// Rule 9, that every script may be executed twice, is tested where the scripts are:
// TestEveryScriptExecutedTwiceChangesNothingTheSecondTime in worker/gate.

func TestRule10TheMarkIsTheLastThingBeforeTheBytes(t *testing.T) {
	t.Parallel()
	w, _, j := staged(t, "void")
	var order []string
	w.rdb.(*redis.Client).AddHook(beforeScript(func() error { order = append(order, "redis"); return nil }))
	client, err := ecpay.New(ecpay.Config{BaseURL: w.base, Now: w.clock,
		Observe: func(context.Context, ecpay.Exchange) { order = append(order, "ecpay") }})
	if err != nil {
		t.Fatal(err)
	}
	w.h.ecpay = client
	w.once(j)
	if diff := cmp.Diff([]string{"redis", "ecpay", "redis"}, order); diff != "" { // begin with the mark, the write, leave
		t.Errorf("(-want +got):\n%s", diff)
	}

	// After a failure nothing of a task is looked at before it is counted.
	w2, _, j2 := staged(t, "void")
	order, j2.failed = nil, 1
	w2.rdb.(*redis.Client).AddHook(beforeScript(func() error { order = append(order, "redis"); return nil }))
	w2.h.keys = keysFunc(func(ctx context.Context, id string) (Merchant, error) {
		order = append(order, "keys")
		return w2.keys.Merchant(ctx, id)
	})
	w2.once(j2)
	if diff := cmp.Diff([]string{"redis", "keys", "redis", "redis"}, order); diff != "" { // begin, enter, leave
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}
}

func TestRule11ProofIsRecordedWhateverAttemptBringsItAndNothingElseIs(t *testing.T) {
	t.Parallel()
	w, _, j := staged(t, "void")
	g, ctx := w.h.gate, t.Context()
	old := gate.Attempt{Keys: record.KeysOfTask(j.id), Token: "old", LockFor: time.Minute}
	current := gate.Attempt{Keys: record.KeysOfTask(j.id), Token: "current", LockFor: time.Minute}
	if _, err := g.Begin(ctx, old, w.clock()); err != nil {
		t.Fatal(err)
	}
	w.advance(2 * time.Minute)
	if _, err := g.Begin(ctx, current, w.clock()); err != nil {
		t.Fatal(err)
	}
	kept := &gate.Task{Type: j.typeName, Queue: j.queue, Payload: j.payload}
	for _, r := range []gate.Result{{State: record.Retry}, {State: record.Held, Settled: true}, {State: record.Dead, Task: kept}} {
		if err := g.Leave(ctx, old, r); !errors.Is(err, gate.ErrSuperseded) {
			t.Errorf("%s by an old attempt: got %v, want ErrSuperseded", r.State, err)
		}
	}
	if err := g.Leave(ctx, old, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour}); err != nil {
		t.Errorf("done by an old attempt: %v", err)
	}
	write := gate.Request{Write: true, Stamp: w.clock(), Now: w.clock(), Repeats: false, InFlight: 8, Life: time.Minute}
	if _, err := g.Enter(ctx, current, write); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("the current attempt may still send: %v", err)
	}
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
}

func TestRule12ReceivedWithUnreadableDataIsAmbiguousForAWrite(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ecpaytest.Fault{
		"no blocks":   {UnreadableData: true, AfterEffect: true},
		"another key": {WrongKey: true, AfterEffect: true}, "null": {NullData: true, AfterEffect: true},
	} {
		w, x, j := staged(t, "void")
		w.fake.Inject(ecpaytest.Match{Operation: x.op}, fault)
		w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
		w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
		if n := w.effects(x); n != 1 {
			t.Errorf("%s: got %d effects, want 1", name, n)
		}
	}
}

func TestRule13AfterAChangeOfRedisAnOlderWriteIsAskedAboutFirst(t *testing.T) {
	t.Parallel()
	for _, landed := range []bool{false, true} {
		w, x, j := staged(t, "void")
		w.replication("a")
		if err := w.h.gate.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if landed { // and its mark was lost
			if _, err := w.h.ecpay.Do(t.Context(), w.keys.merchant.Merchant, x.payload.Request()); err != nil {
				t.Fatal(err)
			}
		}
		w.advance(time.Minute)
		w.replication("b")
		if landed {
			w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
			w.wantCalls("Invalid", "GetInvalid")
			continue
		}
		if v := w.once(j); v.Action != Hold || v.Reason != reasonLost {
			t.Errorf("not shown: got %s: %s, want hold", v.Action, v.Reason)
		}
		w.advance(w.h.policy.Fence)
		w.wantVerdict(w.once(j), Done, ecpay.OK)
		w.wantCalls("GetInvalid", "GetInvalid", "Invalid")
		w.advance(time.Hour)
		later := w.job(&tasks.B2BInvalid{MerchantID: testMerchant, InvoiceNumber: "VG11000003", InvoiceDate: testDate, Reason: "r"})
		if err := w.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000003", InvoiceDate: testDate}); err != nil {
			t.Fatal(err)
		}
		w.wantVerdict(w.once(later), Done, ecpay.OK) // enqueued long since
		w.wantCalls("GetInvalid", "GetInvalid", "Invalid", "Invalid")
	}
}

func TestRule14DeadOfAnyKindButAmbiguousMeansThatThereIsNoEffect(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ecpaytest.Fault{
		"a code in no table": {RtnCode: 8888888, AfterEffect: true}, "a TransCode in no table": {TransCode: 999, AfterEffect: true},
		"refused after an answer was lost": {Drop: true, AfterEffect: true},
	} {
		w, x, j := staged(t, "trigger, nothing to ask")
		w.fake.Inject(ecpaytest.Match{Operation: x.op}, fault, ecpaytest.Fault{RtnCode: 2103005})
		v, _ := w.toEnd(j)
		if w.effects(x) != 1 || v.Action != Dead || v.Kind != ecpay.Ambiguous {
			t.Errorf("%s: got %s(%s) with %d effects, want dead(Ambiguous) with 1", name, v.Action, v.Kind, w.effects(x))
		}
	}
}
