package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// cancelOf is a cancel of what a trigger is about.
func (w *world) cancelOf(p tasks.Payload) job {
	w.t.Helper()
	trigger := p.(*tasks.B2CTriggerIssue)
	return w.job(&tasks.B2CCancelDelayIssue{
		MerchantID: trigger.MerchantID, Tsr: trigger.Tsr, RelateNumber: trigger.RelateNumber,
	})
}

func TestATriggerIsNotSentOnceOurOwnCancelOfItsTsrIsDone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		write string
		hold  func(*world, write) // what keeps the trigger from being done before the cancel
		kind  ecpay.Kind
		calls []string
	}{
		"never sent": {
			"trigger at once", nil, ecpay.Conflict, []string{"CancelDelayIssue"},
		},
		"held because ECPay wants a pause": {
			"trigger at once", func(w *world, x write) {
				w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{RtnCode: 5070350})
			},
			ecpay.Conflict, []string{"TriggerIssue", "CancelDelayIssue"},
		},
		"unanswered, until after the fence": {
			"trigger at once", func(w *world, x write) { w.unanswered(x, false) },
			ecpay.Conflict, []string{"TriggerIssue", "CancelDelayIssue", "GetIssue"},
		},
		"unanswered and scheduled, days later": {
			"trigger with delay", func(w *world, x write) { w.unanswered(x, false) },
			ecpay.Conflict, []string{"TriggerIssue", "CancelDelayIssue", "GetIssue"},
		},
		"unanswered, and nothing can be asked": {
			"trigger, nothing to ask", func(w *world, x write) { w.unanswered(x, false) },
			ecpay.Ambiguous, []string{"TriggerIssue", "CancelDelayIssue"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x, j := staged(t, tc.write)
			w.h.finishTTL = 1080 * time.Hour
			if tc.hold != nil {
				tc.hold(w, x)
				if v := w.once(j); v.Action == Done {
					t.Fatalf("got %s(%s), want a trigger that is not done", v.Action, v.Kind)
				}
			}
			w.wantVerdict(w.once(w.cancelOf(x.payload)), Done, ecpay.OK)
			w.advance(5 * 24 * time.Hour)
			v, _ := w.toEnd(j)
			w.wantVerdict(v, Dead, tc.kind)
			w.wantCalls(tc.calls...)
			if tc.kind == ecpay.Conflict && v.Reason != reasonUndone {
				t.Errorf("got reason %q, want what to do", v.Reason)
			}
		})
	}
}

// A person may end a cancel because the invoice is wanted after all.
func TestACancelThatAPersonResolvedForbidsNoTrigger(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger at once")
	cancel := w.cancelOf(x.payload)
	w.fake.Inject(ecpaytest.Match{Operation: "CancelDelayIssue"}, ecpaytest.Fault{RtnCode: 2103005})
	w.wantVerdict(w.once(cancel), Dead, ecpay.Rejected)
	l := deadletter.New(deadletter.Config{Redis: w.rdb, Now: w.clock})
	if out, err := l.Resolve(t.Context(), cancel.id, "ops", "the customer wants it after all"); err != nil || out != ledger.Resolved {
		t.Fatalf("resolve: %s, %v", out, err)
	}
	w.wantVerdict(w.once(j), Done, ecpay.OK)
}

// A person looks at ECPay a second after the send, and says that nothing is there.
func TestAPersonsWordThatAWriteDidNotHappenIsObeyedWhenItCannotLandAnyMore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		write string
		lands bool // after the person has looked
		kind  ecpay.Kind
		calls []string
	}{
		"nothing lands":           {"trigger at once", false, ecpay.OK, []string{"TriggerIssue", "GetIssue", "TriggerIssue"}},
		"it lands after the word": {"trigger at once", true, ecpay.AlreadyDone, []string{"TriggerIssue", "GetIssue"}},
		"nothing can be asked":    {"trigger, nothing to ask", false, ecpay.OK, []string{"TriggerIssue", "TriggerIssue"}},
		"the question would tell only in some days": {"trigger with delay",
			false, ecpay.OK, []string{"TriggerIssue", "GetIssue", "TriggerIssue"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x, j := staged(t, tc.write)
			w.unanswered(x, false)
			if tc.lands {
				w.fake.ClearFaults()
				w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{EffectAfter: 5 * time.Minute})
			}
			w.once(j)
			w.word(j)
			w.advance(time.Second)
			v := w.once(j)
			if left := w.h.policy.Fence - time.Second; v.Action != Hold || v.Reason != reasonWord || v.Delay > left || v.Delay < left-time.Second {
				t.Errorf("got %s for %s: %s, want hold for the rest of the fence, %s", v.Action, v.Delay, v.Reason, left)
			}
			w.wantCalls("TriggerIssue")
			w.advance(v.Delay + time.Second)
			w.wantVerdict(w.once(j), Done, tc.kind)
			w.wantCalls(tc.calls...)
			if n := w.effects(x); n != 1 {
				t.Errorf("%d effects, want 1", n)
			}
			if w.rdb.HExists(t.Context(), record.TaskKey(j.id), record.FieldDenied).Val() {
				t.Error("the word outlives the write that it is about")
			}
		})
	}
}

// word is that of a person, as it is stored: the write of a task did not happen.
func (w *world) word(j job) {
	w.t.Helper()
	mark := w.rdb.HGet(w.t.Context(), record.TaskKey(j.id), record.FieldInFlight).Val()
	err := w.rdb.HSet(w.t.Context(), record.TaskKey(j.id), record.FieldDenied, fmt.Sprint(mark, " ", w.clock().UnixMilli())).Err()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Where ECPay refuses the question, the word is all there is; but what may land after it
// was given is no part of it.
func TestWhereECPayDoesNotAnswerAPersonsWordCountsIfItWasGivenAfterTheFence(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger at once")
	w.unanswered(x, false)
	w.fake.Inject(ecpaytest.Match{Operation: "GetIssue"}, ecpaytest.Fault{RtnCode: 8888888, Times: -1})
	w.once(j)
	w.word(j)
	w.advance(w.h.policy.Fence + time.Second)
	w.wantVerdict(w.once(j), Retry, ecpay.Unknown)
	w.word(j)
	w.wantVerdict(w.once(j), Done, ecpay.OK)
	w.wantCalls("TriggerIssue", "GetIssue", "GetIssue", "TriggerIssue")
}

// A cancel is sent again at once, and what ECPay answers may come of the first one.
func TestAWordThatCameTooEarlyProvesNothingOfACancel(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "cancel")
	w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{EffectAfter: 5 * time.Minute})
	w.once(j)
	w.word(j)
	w.advance(w.h.policy.Fence + time.Second)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
}

// The word is about one write, not about those that come after it.
func TestAPersonsWordIsNotAboutALaterWrite(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger, nothing to ask")
	w.unanswered(x, false)
	w.once(j)
	w.word(j)
	w.advance(w.h.policy.Fence)
	w.unanswered(x, true)
	w.once(j)
	w.advance(time.Hour)
	v, _ := w.toEnd(j)
	w.wantVerdict(v, Dead, ecpay.Ambiguous)
	w.wantCalls("TriggerIssue", "TriggerIssue")
}

// One step of all clocks looks as if the fence had passed.
func TestTheFenceBeginsAnewWhenAllClocksAreSet(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "void")
	var passed time.Duration
	w.h.gate.Timed(w.clock, func() time.Duration { return passed }, w.h.policy.Fence)
	if err := w.h.gate.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{EffectAfter: time.Hour + 9*time.Minute}) // an hour of which does not pass
	w.once(j)
	passed += time.Minute
	w.advance(time.Minute + time.Hour) // by Redis' clock and by the worker's
	if v := w.once(j); v.Action != Hold {
		t.Fatalf("right after the step: got %s(%s), want hold", v.Action, v.Kind)
	}
	for range 5 {
		passed += 3 * time.Minute
		w.advance(3 * time.Minute)
		if v := w.once(j); v.Action == Done {
			break
		}
	}
	if n := w.effects(x); n != 1 {
		t.Errorf("%d effects, want 1: %v", n, w.calls())
	}
}
