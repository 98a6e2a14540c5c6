package ecpay_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

const allowanceNo = "1909241702402030"

func allowanceKey() ecpay.AllowanceKey {
	return ecpay.AllowanceKey{MerchantID: ecpaytest.StageMerchantID, AllowanceNo: allowanceNo}
}

// allowanceRow is a write about an allowance, and the query that finds out about it.
type allowanceRow struct {
	staged   ecpaytest.Allowance
	write    func() ecpay.Request
	ask      ecpay.Request
	shows    func(ecpay.Response) bool
	effect   string
	before   ecpay.Kind // of the query, when there is nothing to show; OK where it answers that
	nameless bool       // the answer to the query does not say which allowance it is about
	archive  bool       // archive mode has it, too
}

func allowanceRows() map[string]allowanceRow {
	id := ecpaytest.StageMerchantID
	cancel := func() ecpay.Request {
		return &ecpay.B2BCancelAllowanceRequest{MerchantID: id, AllowanceNo: allowanceNo, Reason: "金額錯誤", Remark: "重開"}
	}
	return map[string]allowanceRow{
		"confirm": {
			write: func() ecpay.Request {
				return &ecpay.B2BAllowanceConfirmRequest{MerchantID: id, AllowanceNo: allowanceNo, Remark: "收到"}
			},
			ask: &ecpay.B2BGetAllowanceConfirmRequest{MerchantID: id, AllowanceNo: allowanceNo},
			shows: func(r ecpay.Response) bool {
				confirm := r.(*ecpay.B2BGetAllowanceConfirmResponse)
				return confirm.Confirmed() && confirm.RtnData.Value.ConfirmRemark == "收到"
			},
			effect: ecpaytest.EffectAllowanceConfirmed, before: ecpay.OK, nameless: true,
		},
		"confirm of the cancel": {
			staged: ecpaytest.Allowance{Cancelled: true},
			write: func() ecpay.Request {
				return &ecpay.B2BCancelAllowanceConfirmRequest{MerchantID: id, AllowanceNo: allowanceNo, Remark: "好"}
			},
			ask: &ecpay.B2BGetAllowanceInvalidConfirmRequest{AllowanceKey: allowanceKey()},
			shows: func(r ecpay.Response) bool {
				confirm := r.(*ecpay.B2BGetAllowanceInvalidConfirmResponse)
				return confirm.Confirmed() && confirm.RtnData.Value.ConfirmRemark == "好"
			},
			effect: ecpaytest.EffectCancelConfirmed, before: ecpay.OK, nameless: true,
		},
		"cancel, by its own query": {
			staged: ecpaytest.Allowance{ConfirmDate: "2026-09-24"}, write: cancel, archive: true,
			ask: &ecpay.B2BGetAllowanceInvalidRequest{AllowanceKey: allowanceKey()},
			shows: func(r ecpay.Response) bool {
				d := r.(*ecpay.B2BGetAllowanceInvalidResponse).RtnData.Value
				return d.CancelDate != "" && d.CancelReason == "金額錯誤" && d.Remark == "重開" && d.ExchangeStatus == "0" && d.Upload_Date == ""
			},
			effect: ecpaytest.EffectAllowanceVoided, before: ecpay.NotFound,
		},
		"cancel, by that of the allowance": {
			staged: ecpaytest.Allowance{ConfirmDate: "2026-09-24"}, write: cancel, archive: true,
			ask: &ecpay.B2BGetAllowanceRequest{AllowanceKey: allowanceKey()},
			shows: func(r ecpay.Response) bool {
				d := r.(*ecpay.B2BGetAllowanceResponse).RtnData.Value
				return d.Invalid_Status == "1" && d.AllowanceNo == allowanceNo
			},
			effect: ecpaytest.EffectAllowanceVoided, before: ecpay.OK,
		},
	}
}

func TestAWriteAboutAnAllowance(t *testing.T) {
	t.Parallel()
	for name, row := range allowanceRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeECPay(t, ecpaytest.Config{})
			f.refused(row.write(), ecpay.Unknown, ecpay.MaybeExecuted) // nobody knows the code for an unknown number
			f.refused(row.ask, ecpay.Unknown, ecpay.MaybeExecuted)
			row.staged.AllowanceNo = allowanceNo
			f.must(f.StageAllowance(row.staged))
			if row.before != ecpay.OK {
				f.refused(row.ask, row.before, ecpay.NotExecuted)
			} else if row.shows(f.do(row.ask)) {
				t.Error("the query shows what was not done")
			}
			f.do(row.write())
			if !row.shows(f.do(row.ask)) {
				t.Error("the query does not show what was done")
			}
			f.refused(row.write(), ecpay.Unknown, ecpay.MaybeExecuted) // nor that for a second one
		})
	}
}

func TestAWriteAboutAnAllowanceWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, row := range allowanceRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeECPay(t, ecpaytest.Config{})
			row.staged.AllowanceNo = allowanceNo
			f.must(f.StageAllowance(row.staged))
			f.Inject(ecpaytest.Match{Operation: row.write().Operation().String()}, ecpaytest.Fault{Drop: true, AfterEffect: true})
			f.refused(row.write(), ecpay.Ambiguous, ecpay.MaybeExecuted)
			if !row.nameless {
				f.Inject(ecpaytest.Match{Operation: row.ask.Operation().String()}, ecpaytest.Fault{AboutAnother: true})
				f.refused(row.ask, ecpay.Unknown, ecpay.MaybeExecuted)
			}
			if !row.shows(f.do(row.ask)) || f.effects(allowanceNo, row.effect) != 1 {
				t.Error("the query does not show the effect")
			}
		})
	}
}

func TestWritesAboutAllowancesInArchiveMode(t *testing.T) {
	t.Parallel()
	for name, row := range allowanceRows() {
		f := newFakeECPay(t, archive())
		row.staged.AllowanceNo = allowanceNo
		f.must(f.StageAllowance(row.staged))
		if row.archive {
			f.do(row.write())
			continue
		}
		f.refused(row.write(), ecpay.Unknown, ecpay.MaybeExecuted)
		if n := len(f.Effects()); n != 0 {
			t.Errorf("%s: got %d effects, want none", name, n)
		}
	}
}

func allow(amount int64) *ecpay.B2BAllowanceRequest {
	text := json.Number(strconv.FormatInt(amount, 10))
	return &ecpay.B2BAllowanceRequest{
		MerchantID: ecpaytest.StageMerchantID, TotalAmount: amount, TaxAmount: 1, Reason: "退貨",
		Details: []ecpay.B2BAllowanceDetail{{
			OriginalInvoiceNumber: invoiceNumber, OriginalInvoiceDate: invoiceDate, OriginalSequenceNumber: 1,
			ItemName: "茶", ItemCount: "1", ItemPrice: text, ItemAmount: text,
		}},
	}
}

func TestAnAllowanceIsMadeAndFoundByItsNumber(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	f.refused(allow(24), ecpay.NotFound, ecpay.NotExecuted) // the invoice is unknown
	f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, IssueConfirmed: true}))
	made := f.do(allow(24)).(*ecpay.B2BAllowanceResponse)
	key := ecpay.AllowanceKey{MerchantID: ecpaytest.StageMerchantID, AllowanceNo: string(made.AllowanceNo)}
	found := f.do(&ecpay.B2BGetAllowanceRequest{AllowanceKey: key}).(*ecpay.B2BGetAllowanceResponse).RtnData.Value
	if len(made.AllowanceNo) != 16 || found.AllowanceNo != made.AllowanceNo || found.TotalAmount != "24" || found.TaxAmount != "1" {
		t.Errorf("got %+v and %+v", made, found)
	}
	if len(found.Items) != 1 || found.Items[0].OriginalInvoiceNumber != invoiceNumber || found.Items[0].BalanceAmount != "76" {
		t.Errorf("got the items %+v", found.Items)
	}
	issue := f.do(&ecpay.B2BGetIssueRequest{InvoiceKey: keyOf(ecpay.Sales)}).(*ecpay.B2BGetIssueResponse).RtnData.Value
	if issue.BalanceAmount != "76" {
		t.Errorf("got %s dollars left, want 76", issue.BalanceAmount)
	}
	f.refused(allow(77), ecpay.Rejected, ecpay.NotExecuted) // 2000034, recorded in B2C
}

func TestAnAllowanceThatIsRepeatedIsASecondOne(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, ecpaytest.Config{})
	f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, IssueConfirmed: true}))
	f.Inject(ecpaytest.Match{Operation: "B2B Allowance"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	f.refused(allow(24), ecpay.Ambiguous, ecpay.MaybeExecuted)
	f.do(allow(24))
	if n := f.effects(invoiceNumber, ecpaytest.EffectAllowanceIssued); n != 2 {
		t.Errorf("got %d allowances, want 2", n)
	}
}

func TestAnInvoiceWithAnAllowanceIsNotVoidedBeforeThat(t *testing.T) {
	t.Parallel()
	f := newFakeECPay(t, archive())
	f.must(f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate}))
	made := f.do(allow(24)).(*ecpay.B2BAllowanceResponse)
	void := &ecpay.B2BInvalidRequest{
		MerchantID: ecpaytest.StageMerchantID, InvoiceNumber: invoiceNumber, InvoiceDate: invoiceDate, Reason: "r",
	}
	f.refused(void, ecpay.Rejected, ecpay.NotExecuted) // 5070450, recorded in B2C
	f.do(&ecpay.B2BCancelAllowanceRequest{MerchantID: ecpaytest.StageMerchantID, AllowanceNo: string(made.AllowanceNo), Reason: "r"})
	f.do(void)
	f.refused(allow(24), ecpay.Conflict, ecpay.NotExecuted) // 2000042, recorded in B2C
}
