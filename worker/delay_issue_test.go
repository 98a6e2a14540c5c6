package worker

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// A DelayIssue that was not answered is sent again, and 5070357 says that its RelateNumber is used: by the
// first one, unless an invoice shows another order. Without an unanswered one it is always another's.
func TestADelayIssueThatIsRefusedAsUsedWasCarriedOutUnlessItsNumberIsAnothers(t *testing.T) {
	t.Parallel()
	issued := func(amount int) *ecpaytest.Delayed { return &ecpaytest.Delayed{Issued: true, SalesAmount: amount} }
	for name, tc := range map[string]struct {
		lost    bool // the first call is carried out, and its answer lost
		dropped bool // or it is not carried out, nor answered
		other   *ecpaytest.Delayed
		action  Action
		kind    ecpay.Kind
	}{
		"staged by the first":              {lost: true, action: Done, kind: ecpay.AlreadyDone},
		"an invoice of this amount":        {dropped: true, other: issued(100), action: Done, kind: ecpay.AlreadyDone},
		"an invoice of another amount":     {dropped: true, other: issued(7), action: Dead, kind: ecpay.Conflict},
		"staged before, all answered":      {other: &ecpaytest.Delayed{SalesAmount: 100}, action: Dead, kind: ecpay.Conflict},
		"issued before, of another amount": {other: issued(7), action: Dead, kind: ecpay.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, c := newWorld(t), samples.Named("delay")
			at := samples.At{MerchantID: testMerchant, Subject: "LATER1", RelateNumber: "RLATER1"}
			if tc.other != nil {
				tc.other.Tsr, tc.other.RelateNumber, tc.other.MerchantID = "OTHER1", at.RelateNumber, testMerchant
				if err := w.fake.StageDelayed(*tc.other); err != nil {
					t.Fatal(err)
				}
			}
			if tc.lost || tc.dropped {
				w.fake.Inject(ecpaytest.Match{Operation: "DelayIssue"}, ecpaytest.Fault{Drop: true, AfterEffect: tc.lost})
			}
			j := w.job(c.Payload(at))
			v, attempts := w.toEnd(j)
			if v.Action != tc.action || v.Kind != tc.kind {
				t.Errorf("got %s(%s) after %d attempts, want %s(%s): %s", v.Action, v.Kind, attempts, tc.action, tc.kind, v.Reason)
			}
			if rec := w.record(j); !rec.InFlight.IsZero() || (v.Action == Done) != (rec.State == record.Done) {
				t.Errorf("the record is %+v", rec)
			}
		})
	}
}
