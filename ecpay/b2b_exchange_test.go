package ecpay_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

const (
	invoiceNumber = "VG11000002"
	invoiceDate   = "2026-09-23"
)

// fakeECPay is a fake, and the real client before it.
type fakeECPay struct {
	*ecpaytest.Server
	t        *testing.T
	client   *ecpay.Client
	merchant *ecpay.Merchant
}

func newFakeECPay(t *testing.T, cfg ecpaytest.Config) *fakeECPay {
	t.Helper()
	f := &fakeECPay{Server: ecpaytest.New(cfg), t: t}
	web := httptest.NewServer(f.Server)
	t.Cleanup(func() {
		f.Close()
		web.Close()
	})
	base, err := ecpay.ParseBaseURL(web.URL)
	f.must(err)
	f.client, err = ecpay.New(ecpay.Config{BaseURL: base})
	f.must(err)
	t.Cleanup(f.client.CloseIdleConnections)
	f.merchant, err = ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID,
		HashKey:    ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	f.must(err)
	return f
}

// archive is a fake whose merchant is in archive mode.
func archive() ecpaytest.Config {
	return ecpaytest.Config{Merchants: []ecpaytest.Merchant{{
		MerchantID: ecpaytest.StageMerchantID, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV, Archive: true,
	}}}
}

func (f *fakeECPay) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// do sends a request that succeeds.
func (f *fakeECPay) do(req ecpay.Request) ecpay.Response {
	f.t.Helper()
	resp, err := f.client.Do(f.t.Context(), f.merchant, req)
	f.must(err)
	return resp
}

// refused sends a request that does not, and says what becomes of it.
func (f *fakeECPay) refused(req ecpay.Request, kind ecpay.Kind, execution ecpay.Execution) {
	f.t.Helper()
	_, err := f.client.Do(f.t.Context(), f.merchant, req)
	var e *ecpay.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Execution != execution {
		f.t.Errorf("%s: got %v, want %s, %s", req.Operation(), err, kind, execution)
	}
}

// effects is how many effects of a name there are on a subject.
func (f *fakeECPay) effects(subject, name string) int {
	n := 0
	for _, e := range f.EffectsOn(ecpaytest.StageMerchantID, subject) {
		if e.Name == name {
			n++
		}
	}
	return n
}

// turnRow is a write about an invoice of the exchange, and the query that finds out about it.
type turnRow struct {
	staged ecpaytest.Invoice
	write  func() ecpay.Request // each time a new one, since validating trims it
	ask    ecpay.Request
	shows  func(ecpay.Response) bool
	effect string
	before ecpay.Kind // of the query, when there is nothing to show; OK where it answers that
}

func keyOf(side ecpay.InvoiceCategory) ecpay.InvoiceKey {
	return ecpay.InvoiceKey{
		MerchantID: ecpaytest.StageMerchantID, InvoiceCategory: side, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate,
	}
}

func turnRows() map[string]turnRow {
	id := ecpaytest.StageMerchantID
	return map[string]turnRow{
		"confirm of the issue": {
			staged: ecpaytest.Invoice{},
			write: func() ecpay.Request {
				return &ecpay.B2BIssueConfirmRequest{MerchantID: id, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, Remark: "收到"}
			},
			ask: &ecpay.B2BGetIssueConfirmRequest{InvoiceKey: keyOf(ecpay.Purchase)},
			shows: func(r ecpay.Response) bool {
				d := r.(*ecpay.B2BGetIssueConfirmResponse).RtnData.Value
				return d.ConfirmDate != "" && d.ConfirmRemark == "收到" && d.InvoiceNumber == invoiceNumber
			},
			effect: ecpaytest.EffectIssueConfirmed, before: ecpay.OK,
		},
		"rejection": {
			staged: ecpaytest.Invoice{},
			write: func() ecpay.Request {
				return &ecpay.B2BRejectRequest{MerchantID: id, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, Reason: "數量不符", Remark: "退"}
			},
			ask: &ecpay.B2BGetRejectRequest{InvoiceKey: keyOf(ecpay.Purchase)},
			shows: func(r ecpay.Response) bool {
				d := r.(*ecpay.B2BGetRejectResponse).RtnData.Value
				return d.RejectDate != "" && d.RejectReason == "數量不符" && d.Remark == "退" && d.ConfirmDate == "" && d.ExchangeStatus == "0"
			},
			effect: ecpaytest.EffectRejected, before: ecpay.NotFound,
		},
		"confirm of a rejection": {
			staged: ecpaytest.Invoice{Rejected: true},
			write: func() ecpay.Request {
				return &ecpay.B2BRejectConfirmRequest{MerchantID: id, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, Remark: "好"}
			},
			ask: &ecpay.B2BGetRejectConfirmRequest{InvoiceKey: keyOf(ecpay.Sales)},
			shows: func(r ecpay.Response) bool {
				d := r.(*ecpay.B2BGetRejectConfirmResponse).RtnData.Value
				return d.ConfirmDate != "" && d.ConfirmRemark == "好" && d.RejectReason == "staged"
			},
			effect: ecpaytest.EffectRejectConfirmed, before: ecpay.OK,
		},
	}
}

func TestATurnOfTheExchange(t *testing.T) {
	t.Parallel()
	for name, row := range turnRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeECPay(t, ecpaytest.Config{})
			f.refused(row.write(), ecpay.NotFound, ecpay.NotExecuted) // the invoice is unknown
			row.staged.InvoiceNumber, row.staged.InvoiceDate = invoiceNumber, invoiceDate
			f.must(f.StageInvoice(row.staged))
			if row.before != ecpay.OK {
				f.refused(row.ask, row.before, ecpay.NotExecuted)
			} else if row.shows(f.do(row.ask)) {
				t.Error("the query shows what was not done")
			}
			f.do(row.write())
			if !row.shows(f.do(row.ask)) {
				t.Error("the query does not show what was done")
			}
			f.refused(row.write(), ecpay.Unknown, ecpay.MaybeExecuted) // nobody knows the code of a second one
		})
	}
}

func TestATurnOfTheExchangeWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, row := range turnRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeECPay(t, ecpaytest.Config{})
			row.staged.InvoiceNumber, row.staged.InvoiceDate = invoiceNumber, invoiceDate
			f.must(f.StageInvoice(row.staged))
			f.Inject(ecpaytest.Match{Operation: row.write().Operation().String()}, ecpaytest.Fault{Drop: true, AfterEffect: true})
			f.refused(row.write(), ecpay.Ambiguous, ecpay.MaybeExecuted)
			f.Inject(ecpaytest.Match{Operation: row.ask.Operation().String()}, ecpaytest.Fault{AboutAnother: true})
			f.refused(row.ask, ecpay.Unknown, ecpay.MaybeExecuted)
			if !row.shows(f.do(row.ask)) || f.effects(invoiceNumber, row.effect) != 1 {
				t.Error("the query does not show the effect")
			}
		})
	}
}

// The confirm of a rejection is asked about by GetReject as well, and by GetIssue that there is one.
func TestOtherQueriesTellOfARejection(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, Rejected: true}))
	f.do(turnRows()["confirm of a rejection"].write())
	rejection := f.do(&ecpay.B2BGetRejectRequest{InvoiceKey: keyOf(ecpay.Sales)}).(*ecpay.B2BGetRejectResponse).RtnData.Value
	if rejection.ConfirmDate == "" || rejection.ExchangeStatus != "1" {
		t.Errorf("got %+v, want a confirmed rejection", rejection)
	}
	issue := f.do(&ecpay.B2BGetIssueRequest{InvoiceKey: keyOf(ecpay.Sales)}).(*ecpay.B2BGetIssueResponse).RtnData.Value
	if issue.Issue_Status != "0" || issue.Invalid_Status != "0" {
		t.Errorf("got %+v, want a rejected invoice", issue)
	}
}

func TestArchiveModeHasNoTurns(t *testing.T) {
	t.Parallel()
	for name, row := range turnRows() {
		f := newFakeECPay(t, archive())
		f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate}))
		f.refused(row.write(), ecpay.Unknown, ecpay.MaybeExecuted) // its code is not public
		if n := len(f.Effects()); n != 0 {
			t.Errorf("%s: got %d effects, want none", name, n)
		}
	}
}

func TestAMailThatIsRepeatedIsASecondMail(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	mail := func() ecpay.Request {
		return &ecpay.B2BNotifyRequest{
			MerchantID: ecpaytest.StageMerchantID, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate,
			NotifyMail: "a@example.com", InvoiceTag: "1", Notified: "C",
		}
	}
	f.refused(mail(), ecpay.NotFound, ecpay.NotExecuted)
	f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate}))
	f.Inject(ecpaytest.Match{Operation: "B2B Notify"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	f.refused(mail(), ecpay.Ambiguous, ecpay.MaybeExecuted)
	f.do(mail())
	if n := f.effects(invoiceNumber, ecpaytest.EffectNotified); n != 2 {
		t.Errorf("got %d mails, want 2", n)
	}
}
