package worker

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// On the day of issue ECPay takes no cancel after 10:00, and shows the invoice later: that
// there is nothing to cancel, and no invoice, is no proof that our unanswered cancel worked.
func TestACancelThatIsRefusedAround10OClockIsNotDoneUntilTheDayIsOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		landed bool
		action Action
		kind   ecpay.Kind
		effect string
	}{
		"the first one never came": {false, Dead, ecpay.Conflict, "issued"},
		"the first one worked":     {true, Done, ecpay.AlreadyDone, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t) // at 16:00 in Taipei
			if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "R1", DelayFlag: "1", DelayDay: 1}); err != nil {
				t.Fatal(err)
			}
			w.advance(18*time.Hour - time.Minute) // 9:59 on the day of issue
			x := writes()["cancel"]
			j := w.job(x.payload)
			w.unanswered(x, tc.landed)
			w.wantVerdict(w.once(j), Retry, ecpay.Ambiguous)
			w.advance(2 * time.Minute)
			if v := w.once(j); v.Action != Hold || v.Kind != ecpay.Ambiguous || v.Reason != reasonLate {
				t.Errorf("got %s(%s): %s, want hold until the day is over", v.Action, v.Kind, v.Reason)
			}
			if w.record(j).InFlight.IsZero() {
				t.Error("the mark of the unanswered cancel is gone without proof")
			}
			v, _ := w.toEnd(j)
			w.wantVerdict(v, tc.action, tc.kind)
			if effects := w.fake.EffectsOn(testMerchant, "T1"); len(effects) != 1 || effects[0].Name != tc.effect {
				t.Errorf("got effects %v, want %s", effects, tc.effect)
			}
		})
	}
}

func TestALateCancelOfWhichNothingIsKnownToAskByIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "R1", DelayFlag: "1", DelayDay: 1}); err != nil {
		t.Fatal(err)
	}
	w.advance(18*time.Hour - time.Minute)
	x := writes()["cancel"]
	j := w.job(&tasks.B2CCancelDelayIssue{MerchantID: testMerchant, Tsr: "T1"})
	w.unanswered(x, false)
	w.once(j)
	w.advance(2 * time.Minute)
	w.wantVerdict(w.once(j), Dead, ecpay.Ambiguous)
}

func TestWhenACancelThatIsRefusedIsNoProof(t *testing.T) {
	t.Parallel()
	const margin = 11 * time.Minute
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("2006-01-2 15:04", "2026-11-"+s, ecpay.Taipei)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for name, tc := range map[string]struct {
		began, now string
		want       time.Duration // of the wait
	}{
		"both in the night":                     {"5 02:00", "5 02:01", 0},
		"both before 10:00":                     {"5 09:40", "5 09:48", 0},
		"so near that clocks may differ":        {"5 09:48", "5 09:49", 14*time.Hour + 22*time.Minute},
		"on both sides":                         {"5 09:58", "5 10:01", 14*time.Hour + 10*time.Minute},
		"shortly after it":                      {"5 10:10", "5 10:11", 14 * time.Hour},
		"long before, and in the evening":       {"4 23:00", "5 20:00", 4*time.Hour + 11*time.Minute},
		"until the day is over by every clock":  {"5 09:00", "6 00:10", time.Minute},
		"in the next night it is proof":         {"5 09:00", "6 00:11", 0},
		"the next day may be the one":           {"5 09:00", "6 10:00", 14*time.Hour + 11*time.Minute},
		"what begins in the afternoon is later": {"5 14:00", "5 14:01", 0},
	} {
		if got := lateOnDayOfIssue(at(tc.now).UTC(), at(tc.began).UTC(), margin); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
	if lateOnDayOfIssue(at("5 14:00"), time.Time{}, margin) == 0 {
		t.Error("what began at an unknown time is taken for proof")
	}
}
