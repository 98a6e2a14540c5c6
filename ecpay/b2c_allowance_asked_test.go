package ecpay_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// shop is a client with a merchant before a fake, which has issued FK00000001 over 100 dollars.
type shop struct {
	*ecpay.Client
	t    *testing.T
	fake *ecpaytest.Server
	m    *ecpay.Merchant
	date string // of the invoice
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, fake: ecpaytest.New(ecpaytest.Config{})}
	if err := s.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ORDER1", Issued: true}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.fake)
	t.Cleanup(func() { s.fake.Close(); web.Close() })
	base, err := ecpay.ParseBaseURL(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	if s.Client, err = ecpay.New(ecpay.Config{BaseURL: base}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	s.m, err = ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID, HashKey: ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.date, _, _ = strings.Cut(string(s.issue().IIS_Create_Date), " ")
	return s
}

const allowedInvoice = "FK00000001"

func (s *shop) issue() *ecpay.B2CGetIssueResponse {
	s.t.Helper()
	r, err := s.B2CGetIssue(s.t.Context(), s.m, &ecpay.B2CGetIssueRequest{MerchantID: s.m.ID(), RelateNumber: "ORDER1"})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// left is what allowances have left of the invoice.
func (s *shop) left() string { s.t.Helper(); return string(s.issue().IIS_Remain_Allowance_Amt) }

func (s *shop) allowance(dollars json.Number) *ecpay.B2CAllowanceRequest {
	return &ecpay.B2CAllowanceRequest{
		MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, InvoiceDate: s.date, AllowanceNotify: ecpay.NotifyNone, AllowanceAmount: dollars,
		Items: []ecpay.B2CAllowanceItem{{ItemName: "退款", ItemCount: "1", ItemWord: "式", ItemPrice: dollars, ItemAmount: dollars}},
	}
}

func (s *shop) offer(dollars json.Number) *ecpay.B2CAllowanceByCollegiateRequest {
	r := s.allowance(dollars)
	return &ecpay.B2CAllowanceByCollegiateRequest{
		MerchantID: r.MerchantID, InvoiceNo: r.InvoiceNo, InvoiceDate: r.InvoiceDate, NotifyMail: "a@example.com;b@example.com",
		AllowanceAmount: r.AllowanceAmount, Items: r.Items,
	}
}

func (s *shop) void(number ecpay.Text) *ecpay.B2CAllowanceInvalidRequest {
	return &ecpay.B2CAllowanceInvalidRequest{MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, AllowanceNo: string(number), Reason: "退款取消"}
}

// list asks by the day of the invoice. It returns nil for nothing found.
func (s *shop) list() []ecpay.B2CAllowanceInfo {
	s.t.Helper()
	r, err := s.B2CGetAllowanceList(s.t.Context(), s.m, &ecpay.B2CGetAllowanceListRequest{
		MerchantID: s.m.ID(), SearchType: ecpay.ByInvoiceDate, InvoiceNo: allowedInvoice, Date: s.date,
	})
	if ecpay.KindOf(err) == ecpay.NotFound {
		return nil
	}
	if err != nil || !r.AllowanceInfo.Present {
		s.t.Fatalf("got %+v, %v, want a list", r, err)
	}
	return r.AllowanceInfo.Value
}

// must is the response of a call that has to succeed.
func must[R any](t *testing.T) func(R, error) R {
	return func(r R, err error) R {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestAnAllowanceIsMadeShownAndVoided(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	made := must[*ecpay.B2CAllowanceResponse](t)(s.B2CAllowance(t.Context(), s.m, s.allowance("42")))
	if len(made.IA_Allow_No) != 16 || made.IA_Invoice_No != allowedInvoice || made.IA_Remain_Allowance_Amt != "58" || s.left() != "58" {
		t.Errorf("got %+v, and %s left", made, s.left())
	}
	keys := ecpay.B2CGetAllowanceRequest{MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, AllowanceNo: string(made.IA_Allow_No)}
	one := must[*ecpay.B2CGetAllowanceResponse](t)(s.B2CGetAllowance(t.Context(), s.m, &keys))
	want := ecpay.B2CAllowanceInfo{
		IA_Allow_No: made.IA_Allow_No, IA_Invoice_No: allowedInvoice, IA_Date: made.IA_Date, IA_Invoice_Issue_Date: s.issue().IIS_Create_Date,
		IA_Invalid_Status: "0", IA_Upload_Status: "0", IA_Tax_Type: "1", IA_Total_Tax_Amount: "42", IA_Total_Amount: "40", IA_Tax_Amount: "2",
		Items: ecpay.Nested[[]ecpay.B2CAllowanceInfoItem]{Present: true, Value: []ecpay.B2CAllowanceInfoItem{
			{ItemSeq: "1", ItemName: "退款", ItemCount: "1", ItemWord: "式", ItemPrice: "42", ItemAmount: "42"},
		}},
	}
	if diff := cmp.Diff(want, one.B2CAllowanceInfo); diff != "" {
		t.Errorf("one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ecpay.B2CAllowanceInfo{want}, s.list()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	voided := (*ecpay.B2CGetAllowanceInvalidRequest)(&keys)
	if _, err := s.B2CGetAllowanceInvalid(t.Context(), s.m, voided); ecpay.KindOf(err) != ecpay.NotFound {
		t.Errorf("a void that there is not: got %v, want NotFound", err)
	}
	must[*ecpay.B2CAllowanceInvalidResponse](t)(s.B2CAllowanceInvalid(t.Context(), s.m, s.void(made.IA_Allow_No)))
	if got := s.left(); got != "100" {
		t.Errorf("got %s left after the void, want 100", got)
	}
	void := must[*ecpay.B2CGetAllowanceInvalidResponse](t)(s.B2CGetAllowanceInvalid(t.Context(), s.m, voided))
	if !void.Voided() || void.Reason != "退款取消" || s.list()[0].IA_Invalid_Status != "1" {
		t.Errorf("got %+v and %+v, want a void", void, s.list())
	}
}

func TestAnUnansweredAllowanceIsFoundOutByItsListAndWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault ecpaytest.Fault
		kind  ecpay.Kind
		left  string
		count int
	}{
		"made":                       {ecpaytest.Fault{Drop: true, AfterEffect: true}, ecpay.Ambiguous, "70", 1},
		"not made":                   {ecpaytest.Fault{Drop: true}, ecpay.Ambiguous, "100", 0},
		"an answer about another":    {ecpaytest.Fault{AboutAnother: true}, ecpay.Ambiguous, "100", 0},
		"an answer about no invoice": {ecpaytest.Fault{NullData: true, AfterEffect: true}, ecpay.Ambiguous, "70", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.fake.Inject(ecpaytest.Match{Operation: "B2C Allowance"}, tc.fault)
			if _, err := s.B2CAllowance(t.Context(), s.m, s.allowance("30")); ecpay.KindOf(err) != tc.kind {
				t.Errorf("got %v, want %s", err, tc.kind)
			}
			if got := s.list(); len(got) != tc.count || s.left() != tc.left {
				t.Errorf("got %+v and %s left, want %d and %s", got, s.left(), tc.count, tc.left)
			}
			effects := s.fake.EffectsOn(s.m.ID(), allowedInvoice)
			if len(effects) != tc.count {
				t.Errorf("got %d effects, want %d", len(effects), tc.count)
			}
		})
	}
}

// Nothing in an allowance is unique, so nothing but the one who asks keeps it from being made again.
func TestARepeatedAllowanceIsASecondOne(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 2 {
		must[*ecpay.B2CAllowanceResponse](t)(s.B2CAllowance(t.Context(), s.m, s.allowance("30")))
	}
	if got := s.list(); len(got) != 2 || got[0].IA_Allow_No == got[1].IA_Allow_No || s.left() != "40" {
		t.Errorf("got %+v and %s left, want two and 40", got, s.left())
	}
	if got := s.fake.EffectsOn(s.m.ID(), allowedInvoice); len(got) != 2 {
		t.Errorf("got %+v, want two effects", got)
	}
}

func TestAnOfferIsShownByWhatIsLeftUntilTheBuyerAgrees(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.fake.Inject(ecpaytest.Match{Operation: "AllowanceByCollegiate"}, ecpaytest.Fault{Drop: true, AfterEffect: true}, ecpaytest.Fault{})
	if _, err := s.B2CAllowanceByCollegiate(t.Context(), s.m, s.offer("30")); ecpay.KindOf(err) != ecpay.Ambiguous {
		t.Errorf("got %v, want Ambiguous", err)
	}
	if got := s.list(); got != nil || s.left() != "70" {
		t.Errorf("got %+v and %s left, want no list and 70", got, s.left())
	}
	offered := must[*ecpay.B2CAllowanceByCollegiateResponse](t)(s.B2CAllowanceByCollegiate(t.Context(), s.m, s.offer("20")))
	if offered.IA_TempDate == "" || offered.IA_TempExpireDate <= offered.IA_TempDate || offered.IA_Remain_Allowance_Amt != "50" {
		t.Errorf("got %+v", offered)
	}
	if err := s.fake.AgreeAllowance("", string(offered.IA_Allow_No)); err != nil {
		t.Fatal(err)
	}
	if got := s.list(); len(got) != 1 || got[0].IA_Allow_No != offered.IA_Allow_No || s.left() != "50" {
		t.Errorf("got %+v and %s left, want the one to which the buyer agreed, and 50", got, s.left())
	}
}

func TestRefusalsAroundAllowancesHaveTheirKinds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ctx := t.Context()
	made := must[*ecpay.B2CAllowanceResponse](t)(s.B2CAllowance(ctx, s.m, s.allowance("30")))
	gone := must[*ecpay.B2CAllowanceResponse](t)(s.B2CAllowance(ctx, s.m, s.allowance("10")))
	must[*ecpay.B2CAllowanceInvalidResponse](t)(s.B2CAllowanceInvalid(ctx, s.m, s.void(gone.IA_Allow_No)))
	open := must[*ecpay.B2CAllowanceByCollegiateResponse](t)(s.B2CAllowanceByCollegiate(ctx, s.m, s.offer("10")))
	agreed := must[*ecpay.B2CAllowanceByCollegiateResponse](t)(s.B2CAllowanceByCollegiate(ctx, s.m, s.offer("10")))
	if err := s.fake.AgreeAllowance("", string(agreed.IA_Allow_No)); err != nil {
		t.Fatal(err)
	}
	for _, d := range []ecpaytest.Delayed{
		{Tsr: "VOIDED", Issued: true, Voided: true, InvoiceNo: "AB00000001"}, {Tsr: "CANCELLED", Cancelled: true},
	} {
		if err := s.fake.StageDelayed(d); err != nil {
			t.Fatal(err)
		}
	}
	withdraw := func(number ecpay.Text) *ecpay.B2CAllowanceInvalidByCollegiateRequest {
		return (*ecpay.B2CAllowanceInvalidByCollegiateRequest)(s.void(number))
	}
	invoice := &ecpay.B2CInvalidRequest{MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, InvoiceDate: s.date, Reason: "r"}
	nobody := &ecpay.B2CGetAllowanceRequest{MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, AllowanceNo: "1"}
	nothing := &ecpay.B2CGetAllowanceListRequest{MerchantID: s.m.ID(), SearchType: ecpay.ByAllowanceNo, AllowanceNo: "1"}
	of := func(invoice string) *ecpay.B2CAllowanceRequest {
		r := s.allowance("1")
		r.InvoiceNo = invoice
		return r
	}
	effects := len(s.fake.Effects())
	for name, tc := range map[string]struct {
		req  ecpay.Request
		code int64
		kind ecpay.Kind
	}{
		"of an unknown invoice":             {of("ZZ00000001"), 2000018, ecpay.NotFound},
		"of a voided invoice":               {of("AB00000001"), 2000042, ecpay.Conflict},
		"of more than is left":              {s.allowance("51"), 2000034, ecpay.Rejected},
		"offered of more than is left":      {s.offer("51"), 2000034, ecpay.Rejected},
		"voided again":                      {s.void(gone.IA_Allow_No), 2000063, ecpay.AlreadyDone},
		"voided, unknown":                   {s.void("9999999999999999"), 2000039, ecpay.NotFound},
		"voided, but an offer":              {s.void(open.IA_Allow_No), 2000039, ecpay.NotFound},
		"withdrawn after the buyer agreed":  {withdraw(agreed.IA_Allow_No), 5070250, ecpay.Rejected},
		"withdrawn, but never offered":      {withdraw(made.IA_Allow_No), 2000039, ecpay.NotFound},
		"the invoice voided under it":       {invoice, 5070450, ecpay.Rejected},
		"one that there is not":             {nobody, 2, ecpay.NotFound},
		"the list of one that there is not": {nothing, 2, ecpay.NotFound},
	} {
		_, err := s.Do(ctx, s.m, tc.req)
		var e *ecpay.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.RtnCode != tc.code || e.Execution != ecpay.NotExecuted {
			t.Errorf("%s: got %v, want %d, %s", name, err, tc.code, tc.kind)
		}
	}
	if got := len(s.fake.Effects()); got != effects {
		t.Errorf("got %d effects more, want none", got-effects)
	}
	must[*ecpay.B2CAllowanceInvalidByCollegiateResponse](t)(s.B2CAllowanceInvalidByCollegiate(ctx, s.m, withdraw(open.IA_Allow_No)))
	if got := s.left(); got != "60" {
		t.Errorf("got %s left when the offer was withdrawn, want 60", got)
	}
	// What a second withdrawal answers is in no table.
	if _, err := s.B2CAllowanceInvalidByCollegiate(ctx, s.m, withdraw(open.IA_Allow_No)); ecpay.KindOf(err) != ecpay.Unknown {
		t.Errorf("got %v, want Unknown", err)
	}
}

func TestAnUnansweredVoidOfAnAllowanceIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	made := must[*ecpay.B2CAllowanceResponse](t)(s.B2CAllowance(t.Context(), s.m, s.allowance("30")))
	s.fake.Inject(ecpaytest.Match{Operation: "B2C AllowanceInvalid"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	if _, err := s.B2CAllowanceInvalid(t.Context(), s.m, s.void(made.IA_Allow_No)); ecpay.KindOf(err) != ecpay.Ambiguous {
		t.Errorf("got %v, want Ambiguous", err)
	}
	keys := &ecpay.B2CGetAllowanceInvalidRequest{MerchantID: s.m.ID(), InvoiceNo: allowedInvoice, AllowanceNo: string(made.IA_Allow_No)}
	void := must[*ecpay.B2CGetAllowanceInvalidResponse](t)(s.B2CGetAllowanceInvalid(t.Context(), s.m, keys))
	if !void.Voided() || void.AI_Allow_No != made.IA_Allow_No {
		t.Errorf("got %+v, want the void", void)
	}
	s.fake.Inject(ecpaytest.Match{Operation: "B2C GetAllowanceInvalid"}, ecpaytest.Fault{AboutAnother: true})
	if _, err := s.B2CGetAllowanceInvalid(t.Context(), s.m, keys); ecpay.KindOf(err) != ecpay.Unknown {
		t.Errorf("about another: got %v, want Unknown", err)
	}
}
