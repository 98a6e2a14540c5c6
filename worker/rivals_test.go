package worker

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// excluded are writes that come after what excludes them, whose code for that nobody knows.
func excluded() map[string]struct {
	write     string
	stage     func(*ecpaytest.Server, string) error
	questions []string
} {
	invoice := func(i ecpaytest.Invoice) func(*ecpaytest.Server, string) error {
		return func(f *ecpaytest.Server, number string) error {
			i := i
			i.InvoiceNumber, i.InvoiceDate = number, testDate
			return f.StageInvoice(i)
		}
	}
	return map[string]struct {
		write     string
		stage     func(*ecpaytest.Server, string) error
		questions []string
	}{
		"a confirm of what is rejected": {
			"issue confirm", invoice(ecpaytest.Invoice{Rejected: true}), []string{"GetIssueConfirm", "GetReject"},
		},
		"a confirm of what is voided": {
			"issue confirm", invoice(ecpaytest.Invoice{Voided: true}), []string{"GetIssueConfirm", "GetReject", "GetInvalid"},
		},
		"a rejection of what is confirmed": {
			"reject", invoice(ecpaytest.Invoice{IssueConfirmed: true}), []string{"GetReject", "GetIssueConfirm"},
		},
		"a rejection of what is voided": {
			"reject", invoice(ecpaytest.Invoice{Voided: true}), []string{"GetReject", "GetIssueConfirm", "GetInvalid"},
		},
		"a void of what is rejected": {
			"void", invoice(ecpaytest.Invoice{Rejected: true}), []string{"GetInvalid", "GetReject"},
		},
		"a confirm of an allowance that is void": {
			"allowance confirm", func(f *ecpaytest.Server, number string) error {
				return f.StageAllowance(ecpaytest.Allowance{AllowanceNo: number, Cancelled: true})
			}, []string{"GetAllowanceConfirm", "GetAllowanceInvalid"},
		},
	}
}

func TestAWriteThatAnotherExcludesIsAConflictAtOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range excluded() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, x := newWorld(t), writes()[tc.write]
			if err := tc.stage(w.fake, x.subject); err != nil {
				t.Fatal(err)
			}
			j := w.job(x.payload)
			v := w.once(j)
			w.wantVerdict(v, Dead, ecpay.Conflict)
			w.wantCalls(append([]string{x.op}, tc.questions...)...)
			if v.Reason != reasonBarred || w.effects(x) != 0 || !w.record(j).InFlight.IsZero() {
				t.Errorf("%s, with %d effects and a mark of %s, want that it is excluded, and neither", v.Reason, w.effects(x), w.record(j).InFlight)
			}
		})
	}
}

// What excludes the write is believed only where ECPay shows it, and only of a write that was answered.
func TestAWriteIsNoConflictAsLongAsNothingIsShownThatExcludesIt(t *testing.T) {
	t.Parallel()
	for name, tc := range excluded() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := tc.questions[len(tc.questions)-1]
			w, x := newWorld(t), writes()[tc.write]
			if err := tc.stage(w.fake, x.subject); err != nil {
				t.Fatal(err)
			}
			w.fake.Inject(ecpaytest.Match{Operation: last}, ecpaytest.Fault{AboutAnother: true}, ecpaytest.Fault{HTTPStatus: 502})
			j := w.job(x.payload)
			w.wantVerdict(w.once(j), Retry, ecpay.Unknown)
			if w.record(j).InFlight.IsZero() {
				t.Error("the mark of a write is gone without proof")
			}
			v, _ := w.toEnd(j)
			w.wantVerdict(v, Dead, ecpay.Conflict)

			w, x, j = staged(t, tc.write)
			w.fake.Inject(ecpaytest.Match{Operation: x.op}, ecpaytest.Fault{RtnCode: 8888888})
			w.wantVerdict(w.once(j), Retry, ecpay.Unknown)
			if v, _ := w.toEnd(j); v.Action != Done || w.effects(x) != 1 {
				t.Errorf("got %s(%s) with %d effects where nothing excludes it, want done with 1", v.Action, v.Kind, w.effects(x))
			}
		})
	}
}
