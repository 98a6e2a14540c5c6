package ecpay

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// shop is a client of the fake.
type shop struct {
	*Client
	t    *testing.T
	m    *Merchant
	fake *ecpaytest.Server
}

func newShop(t *testing.T) *shop {
	t.Helper()
	fake := ecpaytest.New(ecpaytest.Config{})
	web := httptest.NewServer(fake)
	base, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{BaseURL: base, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.CloseIdleConnections()
		fake.Close()
		web.Close()
	})
	return &shop{c, t, stageMerchant(t), fake}
}

func (s *shop) stage(d ecpaytest.Delayed) {
	s.t.Helper()
	if err := s.fake.StageDelayed(d); err != nil {
		s.t.Fatal(err)
	}
}

// refused is the answer to a request that has none but an error.
func (s *shop) refused(req Request) (Kind, int64, Execution) {
	s.t.Helper()
	_, err := s.Do(s.t.Context(), s.m, req)
	var e *Error
	if !errors.As(err, &e) {
		s.t.Fatalf("%s: got %v, want a refusal", req.Operation(), err)
	}
	return e.Kind, e.RtnCode, e.Execution
}

func (s *shop) effects(subject string, want ...string) {
	s.t.Helper()
	names := []string{}
	for _, e := range s.fake.EffectsOn(stageID, subject) {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		s.t.Errorf("effects on %s (-want +got):\n%s", subject, diff)
	}
}

// got is the answer to a request that has one.
func got[R any](s *shop, do func(context.Context, *Merchant) (*R, error)) *R {
	s.t.Helper()
	r, err := do(s.t.Context(), s.m)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *shop) issue(relate string) *B2CIssueResponse {
	s.t.Helper()
	return got(s, func(ctx context.Context, m *Merchant) (*B2CIssueResponse, error) {
		return s.B2CIssue(ctx, m, issueOf(relate))
	})
}

func (s *shop) find(relate string) *B2CGetIssueResponse {
	s.t.Helper()
	return got(s, func(ctx context.Context, m *Merchant) (*B2CGetIssueResponse, error) {
		return s.B2CGetIssue(ctx, m, &B2CGetIssueRequest{MerchantID: stageID, RelateNumber: relate})
	})
}

func issueOf(relate string) *B2CIssueRequest {
	r := &B2CIssueRequest{goodInvoice()}
	r.RelateNumber = relate
	return r
}

// reIssueOf issues an invoice anew for 60 dollars instead of 100.
func reIssueOf(relate, number, date string) *B2CVoidWithReIssueRequest {
	r := goodReIssue()
	r.VoidModel.InvoiceNo, r.IssueModel.InvoiceDate, r.IssueModel.RelateNumber = number, date, relate
	r.IssueModel.SalesAmount, r.IssueModel.Items[0].ItemAmount = 60, "60"
	return r
}

func TestAnInvoiceIsIssuedOnceForItsRelateNumber(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := s.issue("Order-1")
	if !IsInvoiceNumber(string(r.InvoiceNo)) || dayOf(string(r.InvoiceDate)).IsZero() || len(r.RandomNumber) != 4 {
		t.Errorf("got %+v, want a number, a date and a random code", r)
	}
	found := s.find("ORDER-1")
	if diff := cmp.Diff(r.B2CNumber, B2CNumber{found.IIS_Number, found.IIS_Create_Date, found.IIS_Random_Number}); diff != "" {
		t.Errorf("what is found (-issued +found):\n%s", diff)
	}
	if kind, code, execution := s.refused(issueOf("ORDER-1")); kind != Conflict || code != 5070357 || execution != NotExecuted {
		t.Errorf("a second: got %s %d, %s", kind, code, execution)
	}
	s.effects("Order-1", ecpaytest.EffectIssued)
}

// Half a dollar is the one difference that the client leaves to ECPay.
func TestAHalfIsForECPayToRound(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := issueOf("R1")
	r.Items[0].ItemAmount, r.SalesAmount = "100.5", 100
	if kind, code, _ := s.refused(r); kind != Rejected || code != 5000022 {
		t.Errorf("got %s %d, want it refused by ECPay", kind, code)
	}
	if r.SalesAmount = 101; len(s.fake.Calls()) != 1 {
		t.Errorf("%d calls, want 1", len(s.fake.Calls()))
	}
	if _, err := s.B2CIssue(t.Context(), s.m, r); err != nil {
		t.Error(err)
	}
}

func TestADelayedInvoiceIsEditedUntilItIsIssued(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	edit := &B2CEditDelayIssueRequest{B2CInvoice: goodInvoice(), Tsr: "R1"}
	if kind, code, _ := s.refused(edit); kind != NotFound || code != 4000001 {
		t.Errorf("of nothing: got %s %d", kind, code)
	}
	if _, err := s.B2CDelayIssue(t.Context(), s.m, goodDelayIssue()); err != nil {
		t.Fatal(err)
	}
	edit.SalesAmount, edit.Items[0].ItemAmount = 60, "60"
	for range 2 { // once more does no harm
		if _, err := s.B2CEditDelayIssue(t.Context(), s.m, edit); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.B2CTriggerIssue(t.Context(), s.m, &B2CTriggerIssueRequest{MerchantID: stageID, Tsr: "R1"}); err != nil {
		t.Fatal(err)
	}
	if r := s.find("R1"); r.IIS_Sales_Amount != "60" {
		t.Errorf("issued for %s, want 60", r.IIS_Sales_Amount)
	}
	if kind, code, _ := s.refused(edit); kind != NotFound || code != 4000001 {
		t.Errorf("when it is issued: got %s %d", kind, code)
	}
}

func TestAnInvoiceIsIssuedAnewUnderItsNumber(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.issue("R1")
	number, date := string(first.InvoiceNo), string(first.InvoiceDate)
	again := got(s, func(ctx context.Context, m *Merchant) (*B2CVoidWithReIssueResponse, error) {
		return s.B2CVoidWithReIssue(ctx, m, reIssueOf("R1", number, date))
	})
	if again.InvoiceNo != first.InvoiceNo || again.InvoiceDate != first.InvoiceDate || again.RandomNumber == first.RandomNumber {
		t.Errorf("got %+v after %+v, want another random code alone", again.B2CNumber, first.B2CNumber)
	}
	if r := s.find("R1"); r.IIS_Sales_Amount != "60" || r.IIS_Random_Number != again.RandomNumber {
		t.Errorf("found %+v", r)
	}
	s.stage(ecpaytest.Delayed{Tsr: "VOIDED", Issued: true, Voided: true, InvoiceNo: "FK90000000"})
	for name, tc := range map[string]struct {
		req  Request
		kind Kind
		code int64
	}{
		"a second time":        {reIssueOf("R1", number, date), Operator, 5070451},
		"a void of it":         {&B2CInvalidRequest{stageID, number, date[:10], "r"}, Operator, 5070451},
		"of an unknown number": {reIssueOf("R1", "FK99999999", date), NotFound, 1600003},
		"of a voided one":      {reIssueOf("VOIDED", "FK90000000", date), Unknown, 5070453},
	} {
		if kind, code, _ := s.refused(tc.req); kind != tc.kind || code != tc.code {
			t.Errorf("%s: got %s %d, want %s %d", name, kind, code, tc.kind, tc.code)
		}
	}
	s.effects(number, ecpaytest.EffectReIssued)
}

// What an unanswered write has done is asked, or told by sending it again, or is never known.
func TestALostAnswerOfAWriteIsFoundOut(t *testing.T) {
	t.Parallel()
	lost := func(s *shop, req Request) {
		t.Helper()
		s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{Drop: true, AfterEffect: true})
		if kind, _, execution := s.refused(req); kind != Ambiguous || execution != MaybeExecuted {
			t.Fatalf("%s: got %s, %s, want it ambiguous", req.Operation(), kind, execution)
		}
	}

	s := newShop(t)
	lost(s, issueOf("R1"))
	if kind, code, _ := s.refused(issueOf("R1")); kind != Conflict || code != 5070357 {
		t.Errorf("Issue sent again: got %s %d", kind, code)
	}
	issued := s.find("R1")
	s.effects("R1", ecpaytest.EffectIssued)

	number, date := string(issued.IIS_Number), string(issued.IIS_Create_Date)
	lost(s, reIssueOf("R1", number, date))
	if now := s.find("R1"); now.IIS_Random_Number == issued.IIS_Random_Number || now.IIS_Sales_Amount != "60" {
		t.Errorf("what was issued anew is not seen in %+v", now)
	}
	if kind, code, _ := s.refused(reIssueOf("R1", number, date)); kind != Operator || code != 5070451 {
		t.Errorf("VoidWithReIssue sent again: got %s %d", kind, code)
	}

	notify := goodNotify()
	notify.InvoiceNo = number
	lost(s, notify)
	if _, err := s.B2CInvoiceNotify(t.Context(), s.m, notify); err != nil {
		t.Errorf("InvoiceNotify sent again: %v", err)
	}
	s.effects(number, ecpaytest.EffectReIssued, ecpaytest.EffectNotified, ecpaytest.EffectNotified) // a second message

	s.stage(ecpaytest.Delayed{Tsr: "T1"})
	edit := &B2CEditDelayIssueRequest{B2CInvoice: goodInvoice(), Tsr: "T1"}
	edit.RelateNumber = "T1"
	lost(s, edit)
	if _, err := s.B2CEditDelayIssue(t.Context(), s.m, edit); err != nil {
		t.Errorf("EditDelayIssue sent again: %v", err)
	}
}

func TestAMessageAboutNoInvoiceIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if kind, code, _ := s.refused(goodNotify()); kind != NotFound || code != 1600003 {
		t.Errorf("got %s %d", kind, code)
	}
}
