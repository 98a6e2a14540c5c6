package worker

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// ECPay, or what stands between, may answer about another order: that it is issued, voided
// or confirmed says nothing about ours.
func TestAnAnswerAboutAnotherOrderIsNoProof(t *testing.T) {
	t.Parallel()
	for name, question := range map[string]string{"trigger at once": "GetIssue",
		"trigger with delay": "GetIssue", "void": "GetInvalid", "void confirm": "GetInvalidConfirm"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x, j := staged(t, name)
			w.unanswered(x, false)
			w.once(j)
			w.fake.Inject(ecpaytest.Match{Operation: question}, ecpaytest.Fault{AboutAnother: true, Times: 3})
			for range 3 {
				w.wantVerdict(w.once(j), Retry, ecpay.Unknown)
			}
			if w.record(j).InFlight.IsZero() {
				t.Error("the mark of the unanswered write is gone without proof")
			}
			if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
				t.Errorf("got %s(%s) with %d effects, want done with 1", v.Action, v.Kind, w.effects(x))
			}
		})
	}
}

func TestACancelIsNoConflictBecauseOfAnotherOrder(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "cancel")
	w.unanswered(x, true)
	w.once(j)
	w.fake.Inject(ecpaytest.Match{Operation: "GetIssue"}, ecpaytest.Fault{AboutAnother: true})
	w.wantVerdict(w.once(j), Retry, ecpay.Unknown)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
}

func TestAnAnswerAboutAnotherOrderForEverIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "trigger at once")
	w.unanswered(x, true)
	w.fake.Inject(ecpaytest.Match{Operation: "GetIssue"}, ecpaytest.Fault{AboutAnother: true, Times: -1})
	if v, _ := w.toEnd(j); v.Action != Dead || v.Kind != ecpay.Ambiguous || w.effects(x) != 1 {
		t.Errorf("got %s(%s) with %d effects, want dead(Ambiguous) with 1", v.Action, v.Kind, w.effects(x))
	}
}

func TestATriggerThatIsAnsweredAboutAnotherTsrIsAmbiguous(t *testing.T) {
	t.Parallel()
	for _, landed := range []bool{false, true} {
		w, x, j := staged(t, "trigger at once")
		w.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{AboutAnother: true, AfterEffect: landed})
		w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
		if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
			t.Errorf("landed %t: got %s(%s) with %d effects, want done with 1", landed, v.Action, v.Kind, w.effects(x))
		}
	}
}
