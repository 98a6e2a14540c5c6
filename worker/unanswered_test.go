package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// write is one write operation with its subject staged at the fake.
type write struct {
	payload tasks.Payload
	stage   func(*ecpaytest.Server) error
	op      string
	subject string
	effect  string
	// canAsk is whether the rules can find out about an unanswered one.
	canAsk bool
}

// writes are the cases of the table of samples, by name. Left out is the one whose end
// depends on what happened at ECPay: of which nothing is known to ask by, but which may be
// sent again.
func writes() map[string]write {
	all := map[string]write{}
	for _, c := range samples.Writes(samples.Cases()) {
		at := samples.At{MerchantID: testMerchant, Subject: c.Subject("T", 1), RelateNumber: "R1", Date: testDate}
		p := c.Payload(at)
		canAsk, delay := len(c.Questions()) > 0, tasks.DelayOf(p)
		if !canAsk && c.Row().SendUnasked {
			continue
		}
		all[c.Name] = write{
			payload: p, stage: func(s *ecpaytest.Server) error { return c.Stage(s, at) },
			op: c.Row().Operation.Name, subject: at.Subject, effect: c.Effect,
			canAsk: canAsk && (!delay.Applies || delay.Known),
		}
	}
	return all
}

func (w *world) effects(x write) int {
	n := 0
	for _, e := range w.fake.EffectsOn(testMerchant, x.subject) {
		if e.Name == x.effect || e.Name == "delay_reset" || e.Name == "issued" && x.effect == "issued" {
			n++
		}
	}
	return n
}

// TestUnansweredWriteHasOneEffect drives every write through every way to lose
// its answer. Where ECPay can be asked, there is one effect and the task is
// done; where it cannot, there is at most one and the task is dead(Ambiguous).
func TestUnansweredWriteHasOneEffect(t *testing.T) {
	t.Parallel()
	faults := map[string]ecpaytest.Fault{
		"dropped before the effect":      {Drop: true},
		"dropped after the effect":       {Drop: true, AfterEffect: true},
		"effect lands after the drop":    {EffectAfter: 5 * time.Minute},
		"hangs without an effect":        {Hang: true},
		"hangs after the effect":         {Hang: true, AfterEffect: true},
		"garbage after the effect":       {Garbage: true, AfterEffect: true},
		"garbage without an effect":      {Garbage: true},
		"unreadable Data after":          {UnreadableData: true, AfterEffect: true},
		"another key after":              {WrongKey: true, AfterEffect: true},
		"null Data after":                {NullData: true, AfterEffect: true},
		"cut off after":                  {Truncate: true},
		"HTTP 500 HTML after the effect": {HTTPStatus: 500, Body: "<html>", AfterEffect: true},
		"HTTP 502 without an effect":     {HTTPStatus: 502, Body: "<html>"},
		"redirected":                     {Redirect: "/elsewhere"},
		"huge answer after the effect":   {Huge: 2 << 20, AfterEffect: true},
	}
	for wname := range writes() {
		for fname, fault := range faults {
			t.Run(wname+", "+fname, func(t *testing.T) {
				t.Parallel()
				x := writes()[wname]
				w := newWorld(t)
				if err := x.stage(w.fake); err != nil {
					t.Fatal(err)
				}
				w.fake.Inject(ecpaytest.Match{Operation: x.op}, fault)
				if fault.Hang {
					w.giveUpAfter(300 * time.Millisecond)
				}
				j := w.job(x.payload)
				v, attempts := w.toEnd(j)
				n := w.effects(x)
				if x.canAsk && (v.Action != Done || n != 1) {
					t.Errorf("%s(%s) after %d attempts with %d effects, want done with 1: %s", v.Action, v.Kind, attempts, n, v.Reason)
				}
				if !x.canAsk && (v.Action != Dead || v.Kind != ecpay.Ambiguous || n > 1) {
					t.Errorf("%s(%s) after %d attempts with %d effects, want dead(Ambiguous) with at most 1", v.Action, v.Kind, attempts, n)
				}
				if v.Action == Done && !w.record(j).InFlight.IsZero() {
					t.Error("the mark of a write in flight outlives its proof")
				}
				if v.Action == Dead && w.record(j).InFlight.IsZero() {
					t.Error("the mark of a write in flight is gone without proof")
				}
				if w.once(j); v.Action == Done && w.effects(x) != n { // asynq delivers it once more
					t.Error("a second delivery has an effect")
				}
			})
		}
	}
}

func TestWorkerThatDiedInMidCallAsksFirst(t *testing.T) {
	t.Parallel()
	for name := range writes() {
		for _, landed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, effect %v", name, landed), func(t *testing.T) {
				t.Parallel()
				x := writes()[name]
				w := newWorld(t)
				if err := x.stage(w.fake); err != nil {
					t.Fatal(err)
				}
				j := w.job(x.payload)
				if _, err := w.h.gate.Begin(t.Context(),
					gate.Attempt{Keys: record.KeysOfTask(j.id), Token: "dead-worker", Start: w.clock(), LockFor: time.Minute}, w.clock()); err != nil {
					t.Fatal(err)
				}
				mark := gate.Request{Write: true, Stamp: w.clock(), Now: w.clock(), Repeats: false, InFlight: 8, Life: time.Minute}
				if c := tasks.CompareOf(x.payload); c != nil {
					list, err := w.h.ecpay.Do(t.Context(), w.keys.merchant.Merchant, c.List)
					if err != nil {
						list = nil
					}
					mark.Before, _ = c.Known(list)
				}
				if _, err := w.h.gate.Enter(t.Context(), gate.Attempt{Keys: record.KeysOfTask(j.id), Token: "dead-worker"}, mark); err != nil {
					t.Fatal(err)
				}
				if landed {
					if _, err := w.h.ecpay.Do(t.Context(), w.keys.merchant.Merchant, x.payload.Request()); err != nil {
						t.Fatal(err)
					}
				}
				before := len(w.fake.Calls())
				if v, calls := w.once(j), len(w.fake.Calls()); v.Action != Hold || calls > before {
					t.Errorf("%s while the dead worker's lock lives, want hold", v.Action)
				}
				w.advance(90 * time.Second) // asynq finds the lease expired
				v, _ := w.toEnd(j)
				n := w.effects(x)
				if x.canAsk && (v.Action != Done || n != 1) {
					t.Errorf("%s(%s) with %d effects, want done with 1: %s", v.Action, v.Kind, n, v.Reason)
				}
				if !x.canAsk && (v.Action != Dead || v.Kind != ecpay.Ambiguous || n > 1) {
					t.Errorf("%s(%s) with %d effects, want dead(Ambiguous)", v.Action, v.Kind, n)
				}
			})
		}
	}
}

func TestConfirmOfAnInvoiceThatECPayDoesNotKnowIsNotFoundAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.once(w.job(writes()["void confirm"].payload))
	if v.Action != Dead || v.Kind != ecpay.NotFound {
		t.Errorf("%s(%s), want dead(NotFound): %s", v.Action, v.Kind, v.Reason)
	}
}

// TestRetriggerIsAllowedOnce: with an unanswered trigger about which nothing can
// tell, retrigger_scheduled allows one more, after the fence, and no third.
func TestRetriggerIsAllowedOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trigger, nothing to ask", "trigger, delay unknown"} {
		for lost, want := range map[int]Action{1: Done, 2: Dead} {
			t.Run(fmt.Sprint(name, ", ", lost, " answers lost"), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.keys.merchant.RetriggerScheduled = true
				x := writes()[name]
				if err := x.stage(w.fake); err != nil {
					t.Fatal(err)
				}
				w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{Drop: true, Times: lost})
				start := w.clock()
				v, _ := w.toEnd(w.job(x.payload))
				if v.Action != want || v.Action == Dead && v.Kind != ecpay.Ambiguous {
					t.Errorf("%s(%s): %s", v.Action, v.Kind, v.Reason)
				}
				var sent []time.Duration
				for _, c := range w.fake.Calls() {
					if c.Operation == x.op {
						sent = append(sent, c.At.Sub(start))
					}
				}
				if len(sent) != 2 || sent[1]-sent[0] < 11*time.Minute {
					t.Errorf("triggers were sent at %v, want two, the second after the fence", sent)
				}
			})
		}
	}
}

func TestCancelOfAnIssuedInvoiceIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "R1", Issued: true}); err != nil {
		t.Fatal(err)
	}
	v := w.once(w.job(writes()["cancel"].payload))
	if v.Action != Dead || v.Kind != ecpay.Conflict || v.Reason != reasonIssued {
		t.Errorf("%s(%s): %s", v.Action, v.Kind, v.Reason)
	}
}

func TestCancelOfWhatNobodyKnowsIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if v := w.once(w.job(writes()["cancel"].payload)); v.Action != Dead || v.Kind != ecpay.NotFound {
		t.Errorf("%s(%s), want dead(NotFound)", v.Action, v.Kind)
	}
}

func TestTriggerAnsweredWithPlain1IsVerified(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		write   string
		want    Action
		effects int
	}{
		"issued at once, nothing happened": {"trigger at once", Done, 1}, // found out by asking, then sent again
		"scheduled cannot be seen":         {"trigger with delay", Done, 0},
		"nothing to ask by":                {"trigger, nothing to ask", Done, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			x := writes()[tc.write]
			if err := x.stage(w.fake); err != nil {
				t.Fatal(err)
			}
			w.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{RtnCode: 1})
			if v, _ := w.toEnd(w.job(x.payload)); v.Action != tc.want || w.effects(x) != tc.effects {
				t.Errorf("%s(%s) with %d effects", v.Action, v.Kind, w.effects(x))
			}
		})
	}
}
