package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// otherHands make an allowance of the invoice of a write at ECPay.
func (w *world) otherHands(x write, dollars int) {
	w.t.Helper()
	if err := w.fake.StageB2CAllowance(ecpaytest.B2CAllowance{InvoiceNo: x.subject, Amount: dollars}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnAllowanceIsLookedForBeforeAndAfter(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.otherHands(x, 30) // of the same amount, before
	w.unanswered(x, true)
	w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
	w.wantCalls("GetAllowanceList", "Allowance", "GetAllowanceList", "GetIssue")
	if n := w.effects(x); n != 1 {
		t.Errorf("got %d allowances, want 1", n)
	}
	if got := string(w.record(j).Result); !strings.Contains(got, "IA_Allow_No") || !strings.Contains(got, `"IA_Remain_Allowance_Amt":"40"`) {
		t.Errorf("got the result %s, want the number of the allowance that was found, and what it leaves", got)
	}
}

func TestAnAllowanceOfAnotherAmountIsNotOurs(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.unanswered(x, false)
	w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
	w.otherHands(x, 20)
	if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
		t.Errorf("got %s(%s) with %d allowances, want done with 1", v.Action, v.Kind, w.effects(x))
	}
}

// TestTwoNewAllowancesOfOneAmountAreLeftToAPerson: which one is this task's, or whether any is,
// nobody can tell.
func TestTwoNewAllowancesOfOneAmountAreLeftToAPerson(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.unanswered(x, true)
	w.once(j)
	w.otherHands(x, 30)
	if v, _ := w.toEnd(j); v.Action != Dead || v.Kind != ecpay.Ambiguous || w.effects(x) != 1 {
		t.Errorf("got %s(%s) with %d allowances, want dead(Ambiguous) with 1", v.Action, v.Kind, w.effects(x))
	}
}

// TestAnAllowanceOfOtherLinesIsLeftToAPerson: of the same amount, and none that this task asked
// for.
func TestAnAllowanceOfOtherLinesIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.unanswered(x, false)
	w.once(j)
	w.otherHands(x, 30)
	if v, _ := w.toEnd(j); v.Action != Dead || v.Kind != ecpay.Ambiguous || w.effects(x) != 0 {
		t.Errorf("got %s(%s) with %d allowances, want dead(Ambiguous) with none", v.Action, v.Kind, w.effects(x))
	}
}

// TestAListThatDoesNotAddUpProvesNothing: ECPay's list leaves out an allowance, as it does with
// one that the buyer has not agreed to.
func TestAListThatDoesNotAddUpProvesNothing(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.unanswered(x, true)
	w.once(j)
	w.fake.Inject(ecpaytest.Match{Operation: "GetAllowanceList"}, ecpaytest.Fault{RtnCode: ecpaytest.CodeNoData, Times: -1})
	if v, _ := w.toEnd(j); v.Action != Dead || v.Kind != ecpay.Ambiguous || w.effects(x) != 1 {
		t.Errorf("got %s(%s) with %d allowances, want dead(Ambiguous) with 1", v.Action, v.Kind, w.effects(x))
	}
}

// TestARefusedAllowanceIsNotAnothersThatWasMadeMeanwhile: the only request is known to have had no
// effect.
func TestARefusedAllowanceIsNotAnothersThatWasMadeMeanwhile(t *testing.T) {
	t.Parallel()
	w, x, j := staged(t, "B2C allowance")
	w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{RtnCode: ecpaytest.CodeAllowanceNoInvoice})
	w.wantVerdict(w.once(j), Dead, ecpay.NotFound)
	w.wantCalls("GetAllowanceList", "Allowance")
}

// TestAfterALossOfMarksAnAllowanceIsSentOnlyWhereNoneIsLikeIt covers a mark that is lost together
// with what was remembered: one of the amount may be this task's. A person's word ends it, if it
// was given when nothing could land any more.
func TestAfterALossOfMarksAnAllowanceIsSentOnlyWhereNoneIsLikeIt(t *testing.T) {
	t.Parallel()
	for amount, want := range map[int]ecpay.Kind{20: ecpay.OK, 30: ecpay.Ambiguous} {
		w, x, j := staged(t, "B2C allowance")
		w.replication("0000000000000000000000000000000000000001")
		if err := w.h.gate.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.otherHands(x, amount)
		w.replication("0000000000000000000000000000000000000002")
		v, _ := w.toEnd(j)
		if v.Kind != want {
			t.Errorf("with one of %d dollars: got %s(%s), want %s: %s", amount, v.Action, v.Kind, want, v.Reason)
		}
		if v.Action != Dead {
			continue
		}
		for _, early := range []bool{true, false} {
			said := w.clock()
			if !early {
				w.advance(time.Hour)
				said = w.clock()
			}
			w.rdb.HSet(t.Context(), record.TaskKey(j.id), record.FieldDenied, fmt.Sprint("0 ", said.UnixMilli()))
			v, _ = w.toEnd(j)
			if wantEnd := map[bool]Action{true: Dead, false: Done}[early]; v.Action != wantEnd {
				t.Errorf("a word given early (%t): got %s(%s) with %d allowances: %s", early, v.Action, v.Kind, w.effects(x), v.Reason)
			}
		}
	}
}

// TestAnAllowanceWithACodeInNoTableIsCompared: such an answer does not say what happened, and the lists do.
func TestAnAllowanceWithACodeInNoTableIsCompared(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]bool{"it is there": true, "it is not there": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x, j := staged(t, "B2C allowance")
			w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{RtnCode: 8888888, AfterEffect: effect})
			if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
				t.Errorf("got %s(%s) with %d allowances, want done with 1", v.Action, v.Kind, w.effects(x))
			}
		})
	}
}
