package ecpay_test

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func issueModel() ecpay.B2BIssueModel {
	return ecpay.B2BIssueModel{
		RelateNumber: "ORDER-1001", CustomerIdentifier: "24549210", InvType: "07", TaxType: "1",
		Items: []ecpay.B2BIssueItem{
			{ItemSeq: 1, ItemName: "茶", ItemCount: "2", ItemPrice: "50", ItemAmount: "100"},
			{ItemSeq: 2, ItemName: "紙", ItemCount: "3", ItemWord: "包", ItemPrice: "10.166667", ItemAmount: "30.5", ItemTax: "2"},
		},
		SalesAmount: 131, TaxAmount: 7, TotalAmount: 138,
	}
}

func issue() *ecpay.B2BIssueRequest {
	return &ecpay.B2BIssueRequest{MerchantID: ecpaytest.StageMerchantID, B2BIssueModel: issueModel()}
}

// byRelateNumber asks for the invoice that issue makes.
func byRelateNumber() *ecpay.B2BGetIssueRequest {
	return &ecpay.B2BGetIssueRequest{InvoiceKey: ecpay.InvoiceKey{MerchantID: ecpaytest.StageMerchantID}, RelateNumber: "order-1001"}
}

func TestAB2BInvoiceIsIssuedAndFoundByItsRelateNumber(t *testing.T) {
	t.Parallel()
	// A quarter of an hour after midnight in Taipei it is the day before in UTC.
	now := time.Date(2026, 11, 29, 16, 15, 0, 0, time.UTC)
	f := newFakeECPay(t, ecpaytest.Config{Now: func() time.Time { return now }, Window: 1e6 * time.Hour, Future: -1})
	f.refused(byRelateNumber(), ecpay.NotFound, ecpay.NotExecuted)
	made := f.do(issue()).(*ecpay.B2BIssueResponse)
	found := f.do(byRelateNumber()).(*ecpay.B2BGetIssueResponse).RtnData.Value
	if made.InvoiceNumber == "" || found.InvoiceNumber != made.InvoiceNumber || found.RandomNumber != made.RandomNumber {
		t.Errorf("got %+v, want that of %+v", found, made)
	}
	if found.InvoiceDate != "2026-11-30" || string(found.InvoiceDate) != ecpay.Date(now) || found.RelateNumber != "ORDER-1001" {
		t.Errorf("got %+v, want the day of Taipei", found)
	}
	if found.SalesAmount != "131" || found.TaxAmount != "7" || found.TotalAmount != "138" {
		t.Errorf("got %+v, want the amounts", found)
	}
	f.refused(issue(), ecpay.Unknown, ecpay.MaybeExecuted) // the RelateNumber is used
	if n := f.effects("ORDER-1001", ecpaytest.EffectIssued); n != 1 {
		t.Errorf("got %d invoices, want 1", n)
	}
}

func TestAB2BInvoiceWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	f.Inject(ecpaytest.Match{Operation: "B2B Issue"}, ecpaytest.Fault{Drop: true}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	f.refused(issue(), ecpay.Ambiguous, ecpay.MaybeExecuted)
	f.refused(byRelateNumber(), ecpay.NotFound, ecpay.NotExecuted)
	f.refused(issue(), ecpay.Ambiguous, ecpay.MaybeExecuted)
	f.Inject(ecpaytest.Match{Operation: "B2B GetIssue"}, ecpaytest.Fault{AboutAnother: true})
	f.refused(byRelateNumber(), ecpay.Unknown, ecpay.MaybeExecuted)
	if found := f.do(byRelateNumber()).(*ecpay.B2BGetIssueResponse).RtnData.Value; found.InvoiceNumber == "" {
		t.Error("got no number")
	}
}

func TestAB2BInvoiceIsRefusedForABuyerWhoIsNotRegistered(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	req := issue()
	req.CustomerIdentifier = ecpaytest.NoSuchTaxID
	f.refused(req, ecpay.Rejected, ecpay.NotExecuted) // 6000015, recorded
}

func TestAnInvoiceInExchangeModeHasAShorterRelateNumber(t *testing.T) {
	t.Parallel()
	long := issue()
	long.RelateNumber = "ORDER-1001-OF-2026-11-30"
	newFakeECPay(t, archive()).do(long)
	newFakeECPay(t, ecpaytest.Config{}).refused(long, ecpay.Unknown, ecpay.MaybeExecuted)
}

func TestACounterpartyIsRegisteredOnceAndThenIssuedTo(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	add := func() ecpay.Request {
		return &ecpay.B2BMaintainMerchantCustomerDataRequest{
			MerchantID: ecpaytest.StageMerchantID, Action: "Add", Identifier: ecpaytest.NoSuchTaxID, Type: "1", CompanyName: "公司",
			TradingSlang: "暗語", ExchangeMode: "1", EmailAddress: "a@example.com",
		}
	}
	to := issue()
	to.CustomerIdentifier = ecpaytest.NoSuchTaxID
	f.Inject(ecpaytest.Match{Operation: "MaintainMerchantCustomerData"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	f.refused(add(), ecpay.Ambiguous, ecpay.MaybeExecuted)
	f.refused(add(), ecpay.AlreadyDone, ecpay.NotExecuted) // 6160052, recorded
	f.do(to)
	if n := f.effects(ecpaytest.NoSuchTaxID, ecpaytest.EffectCustomer); n != 1 {
		t.Errorf("got %d effects, want 1", n)
	}
}

// anew issues the invoice of issue anew, which was issued at a time.
func anew(number, at string) *ecpay.B2BVoidWithReIssueRequest {
	r := &ecpay.B2BVoidWithReIssueRequest{
		MerchantID: ecpaytest.StageMerchantID, VoidModel: ecpay.B2BVoidModel{InvoiceNumber: number, VoidReason: "統編錯誤"},
		IssueModel: issueModel(),
	}
	r.IssueModel.InvoiceTime = at
	return r
}

func TestAB2BInvoiceIsIssuedAnewAndFoundOutByItsRandomCode(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	f.do(issue())
	first := f.do(byRelateNumber()).(*ecpay.B2BGetIssueResponse).RtnData.Value
	number, created := string(first.InvoiceNumber), string(first.CreateDate)
	f.refused(anew("ZZ00000000", created), ecpay.NotFound, ecpay.NotExecuted)
	f.refused(anew(number, "2026-01-01 00:00:00"), ecpay.Unknown, ecpay.MaybeExecuted) // another time of issue
	f.Inject(
		ecpaytest.Match{Operation: "B2B VoidWithReIssue"}, ecpaytest.Fault{Drop: true, AfterEffect: true}, ecpaytest.Fault{AboutAnother: true},
	)
	f.refused(anew(number, created), ecpay.Ambiguous, ecpay.MaybeExecuted)
	second := f.do(byRelateNumber()).(*ecpay.B2BGetIssueResponse).RtnData.Value
	if second.InvoiceNumber != first.InvoiceNumber || second.CreateDate != first.CreateDate || second.RandomNumber == first.RandomNumber {
		t.Errorf("got %+v after %+v, want another random code alone", second, first)
	}
	f.refused(anew(number, created), ecpay.Ambiguous, ecpay.MaybeExecuted) // the answer is about another invoice
	if n := f.effects(number, ecpaytest.EffectReIssued); n != 1 {
		t.Errorf("got %d, want 1", n)
	}
	made := newFakeECPay(t, archive())
	made.do(issue())
	first = made.do(byRelateNumber()).(*ecpay.B2BGetIssueResponse).RtnData.Value
	got := made.do(anew(string(first.InvoiceNumber), string(first.CreateDate))).(*ecpay.B2BVoidWithReIssueResponse)
	if got.InvoiceNumber != first.InvoiceNumber || got.RandomNumber == "" || got.RandomNumber == first.RandomNumber {
		t.Errorf("got %+v after %+v", got, first)
	}
}
