package worker

import (
	"fmt"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
)

// answerRow is an answer of ECPay's, and what an attempt makes of it.
type answerRow struct {
	fault       ecpaytest.Fault
	kind        ecpay.Kind
	write, read Action
	readKind    *ecpay.Kind // where it differs
}

func answerRows() map[string]answerRow {
	kind := func(k ecpay.Kind) *ecpay.Kind { return &k }
	rtn := func(code int, k ecpay.Kind, write, read Action) answerRow {
		return answerRow{fault: ecpaytest.Fault{RtnCode: code}, kind: k, write: write, read: read}
	}
	rows := map[string]answerRow{
		"success": {ecpaytest.Fault{Name: "none"}, ecpay.OK, Done, Done, nil},

		"TransCode 104": {ecpaytest.Fault{TransCode: 104}, ecpay.Stale, Retry, Retry, nil},
		"TransCode 110": {ecpaytest.Fault{TransCode: 110}, ecpay.Denied, Hold, Hold, nil},
		"TransCode 111": {ecpaytest.Fault{TransCode: 111}, ecpay.Rejected, Dead, Dead, nil},
		"TransCode 115": {ecpaytest.Fault{TransCode: 115}, ecpay.Denied, Hold, Hold, nil},
		"TransCode 128": {ecpaytest.Fault{TransCode: 128}, ecpay.Unknown, Retry, Retry, nil},
		"TransCode 999": {ecpaytest.Fault{TransCode: 999}, ecpay.Unknown, Retry, Retry, nil},

		// What ECPay answers to a second B2B void is unknown: 5070453 is B2C's.
		"already voided in B2C": rtn(5070453, ecpay.Unknown, Retry, Retry),
		// A second void of an allowance is recorded for B2C only.
		"allowance voided already in B2C": rtn(2000063, ecpay.Unknown, Retry, Retry),

		"done all the same": {ecpaytest.Fault{RtnCode: 8888888, AfterEffect: true}, ecpay.AlreadyDone, Done, Retry, kind(ecpay.Unknown)},

		"unknown RtnCode": rtn(8888888, ecpay.Unknown, Retry, Retry),
		"timeout inside":  {ecpaytest.Fault{RtnCode: 10100058}, ecpay.Ambiguous, Retry, Retry, kind(ecpay.Unavailable)},
		"nothing known 2": {ecpaytest.Fault{RtnCode: 2}, ecpay.Unknown, Retry, Retry, nil},

		"garbage":         {ecpaytest.Fault{Garbage: true}, ecpay.Ambiguous, Retry, Retry, kind(ecpay.Unavailable)},
		"unreadable Data": {ecpaytest.Fault{UnreadableData: true}, ecpay.Ambiguous, Retry, Retry, kind(ecpay.Unavailable)},
		"dropped":         {ecpaytest.Fault{Drop: true}, ecpay.Ambiguous, Retry, Retry, kind(ecpay.Unavailable)},
		"HTTP 403":        {ecpaytest.Fault{HTTPStatus: 403}, ecpay.Throttled, Hold, Hold, nil},
		"HTTP 429":        {ecpaytest.Fault{HTTPStatus: 429}, ecpay.Throttled, Hold, Hold, nil},
	}
	for code, k := range map[int]ecpay.Kind{
		4000001: ecpay.NotFound, 2000018: ecpay.NotFound, 5070305: ecpay.NotFound,
		1600003: ecpay.NotFound, 6070004: ecpay.NotFound, 7: ecpay.NotFound, 2000039: ecpay.NotFound,
		5070357: ecpay.Conflict, 2000042: ecpay.Conflict,
		5070450: ecpay.Rejected, 5070250: ecpay.Rejected, 2103005: ecpay.Rejected, 2009005: ecpay.Rejected, 2013001: ecpay.Rejected,
		2014001: ecpay.Rejected, 2014003: ecpay.Rejected, 2001019: ecpay.Rejected, 2001096: ecpay.Rejected, 2019001: ecpay.Rejected,
		2020001: ecpay.Rejected, 1200125: ecpay.Rejected, 5000022: ecpay.Rejected,
		1200031: ecpay.Rejected, 6000015: ecpay.Rejected, 10400011: ecpay.Rejected,
		1200119: ecpay.Rejected, 2001003: ecpay.Rejected, 2001010: ecpay.Rejected,
		5000007: ecpay.Rejected, 5000015: ecpay.Rejected, 5000028: ecpay.Rejected,
		2027000: ecpay.Rejected, 2000034: ecpay.Rejected,
	} {
		rows[fmt.Sprint("RtnCode ", code)] = rtn(code, k, Dead, Dead)
	}
	for code, k := range map[int]ecpay.Kind{5070350: ecpay.Operator, 1500047: ecpay.Operator, 5070451: ecpay.Operator} {
		rows[fmt.Sprint("RtnCode ", code)] = rtn(code, k, Hold, Hold)
	}
	for _, code := range []int{9000001, 10000010} {
		rows[fmt.Sprint("RtnCode ", code)] = rtn(code, ecpay.Unavailable, Retry, Retry)
	}
	for _, status := range []int{204, 301, 302, 307, 400, 401, 404, 405, 408, 413, 418, 500, 502, 503, 504, 599} {
		r := answerRow{ecpaytest.Fault{HTTPStatus: status, Body: "<html>"}, ecpay.Ambiguous, Retry, Retry, kind(ecpay.Unavailable)}
		if status >= 400 && status < 500 {
			r.readKind = kind(ecpay.Unknown)
		}
		if status == 204 {
			r.fault.Body = ""
		}
		rows[fmt.Sprint("HTTP ", status)] = r
	}
	return rows
}

// TestVerdictOfEveryAnswer says what one attempt makes of every code that is
// known of ECPay and of every class of HTTP status: for a write about which ECPay can be
// asked, and for a query. A sample names the rows in which its operation differs. Every
// Kind that an answer can bring has a row.
func TestVerdictOfEveryAnswer(t *testing.T) {
	t.Parallel()
	seen := map[ecpay.Kind]bool{}
	for name, r := range answerRows() {
		seen[r.kind] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range samples.Usual() {
				w, at := newWorld(t), samples.At{MerchantID: testMerchant, Subject: c.Subject("T", 1), Date: testDate}
				if err := c.Stage(w.fake, at); err != nil {
					t.Fatal(err)
				}
				want := samples.Answer{Action: r.write.String(), Kind: r.kind.String()}
				if !c.Row().Operation.Write {
					want.Action = r.read.String()
					if r.readKind != nil {
						want.Kind = r.readKind.String()
					}
				}
				unsure := r.write == Retry && (r.kind == ecpay.Ambiguous || r.kind == ecpay.Unknown) || r.write == Done && r.kind == ecpay.AlreadyDone
				if row := c.Row(); unsure && row.Operation.Write && !row.SendUnasked && len(c.Questions()) == 0 {
					want = samples.Answer{Action: Dead.String(), Kind: ecpay.Ambiguous.String()} // nobody can be asked
				}
				for _, about := range []string{r.kind.String(), name} {
					if own, ok := c.Answers[about]; ok {
						want = own
					}
				}
				w.fake.Inject(ecpaytest.Match{Operation: c.Row().Operation.String()}, r.fault)
				v := w.once(w.job(c.Payload(at)))
				if got := (samples.Answer{Action: v.Action.String(), Kind: v.Kind.String()}); got != want {
					t.Errorf("%s: %s(%s), want %s(%s): %s", c.Name, got.Action, got.Kind, want.Action, want.Kind, v.Reason)
				}
			}
		})
	}
	for _, k := range ecpay.Kinds() {
		if !seen[k] {
			t.Errorf("no answer in the table brings %s", k)
		}
	}
}
