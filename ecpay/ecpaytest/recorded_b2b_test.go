package ecpaytest

import (
	"maps"

	"github.com/google/go-cmp/cmp"
)

// The B2B invoices that stand from the beginning in TestWhatIsKnownOfECPay, each named after its state.
const (
	validInvoice     = "AB00000001"
	confirmedInvoice = "AB00000002"
	rejectedInvoice  = "AB00000003"

	madeAllowance      = "2603010000000001"
	cancelledAllowance = "2603010000000002"
)

// stageB2B stages them.
func (b *bench) stageB2B() {
	b.t.Helper()
	b.stageInvoice(Invoice{InvoiceNumber: validInvoice})
	b.stageAllowance(Allowance{AllowanceNo: madeAllowance})
	b.stageAllowance(Allowance{AllowanceNo: cancelledAllowance, Cancelled: true})
	b.stageInvoice(Invoice{InvoiceNumber: confirmedInvoice, IssueConfirmed: true})
	b.stageInvoice(Invoice{InvoiceNumber: rejectedInvoice, Rejected: true})
}

// b2bAllowanceOf is a B2B Allowance with changes.
func b2bAllowanceOf(change m) m {
	data := changed(m{
		"AllowanceDate": startDate + " 00:00:00", "CustomerEmail": "b@example.com", "TaxAmount": 1, "TotalAmount": 24, "Reason": "r",
		"Details": []m{detailOf(nil)},
	}, change)
	maps.DeleteFunc(data, func(_ string, v any) bool { return v == nil })
	return data
}

func detailOf(change m) m {
	return changed(m{
		"OriginalInvoiceNumber": confirmedInvoice, "OriginalInvoiceDate": startDate, "OriginalSequenceNumber": 1, "ItemName": "茶",
		"ItemCount": 2, "ItemPrice": 12, "ItemAmount": 24,
	}, change)
}

// customerOf is a counterparty of ECPay's own sample.
func customerOf(change m) m {
	return changed(m{
		"Action": "Add", "Identifier": "53538851", "type": "2", "CompanyName": "綠界科技", "TradingSlang": "Testing Slang",
		"ExchangeMode": "0", "EmailAddress": "test-company@ecpay.com.tw",
	}, change)
}

// mailAbout asks for a mail about an invoice.
func mailAbout(change m) m {
	return about(validInvoice, changed(m{"NotifyMail": "a@example.com; b@example.com", "InvoiceTag": "1", "Notified": "C"}, change))
}

// about names one of these invoices.
func about(number string, change m) m {
	return changed(m{"InvoiceNumber": number, "InvoiceDate": startDate}, change)
}

// knownOfB2B: the turns of the exchange, and what is known of the rest of B2B.
func knownOfB2B() []known {
	return []known{
		{
			documented, "IssueConfirm", "/B2BInvoice/IssueConfirm", about(validInvoice, m{"Remark": "r"}),
			rtn(1), effects(validInvoice, EffectIssueConfirmed),
		},
		{
			documented, "GetIssueConfirm", "/B2BInvoice/GetIssueConfirm", about(confirmedInvoice, m{"InvoiceCategory": 1}),
			rtn(1), has("RtnMsg", "查詢成功"),
		},
		{
			documented, "Reject", "/B2BInvoice/Reject", about(validInvoice, m{"Reason": longText(20), "Remark": longText(200)}),
			rtn(1), effects(validInvoice, EffectRejected),
		},
		{
			documented, "Reject for a reason of 21", "/B2BInvoice/Reject", about(validInvoice, m{"Reason": longText(21)}),
			rtn(CodeFieldFormat), nil,
		},
		{documented, "GetReject", "/B2BInvoice/GetReject", about(rejectedInvoice, m{"InvoiceCategory": 1}), rtn(1), nil},
		{
			documented, "RejectConfirm", "/B2BInvoice/RejectConfirm", about(rejectedInvoice, nil),
			rtn(1), effects(rejectedInvoice, EffectRejectConfirmed),
		},
		{
			documented, "GetRejectConfirm", "/B2BInvoice/GetRejectConfirm", about(rejectedInvoice, m{"InvoiceCategory": 0}),
			rtn(1), has("RtnMsg", "查詢成功"),
		},
		{
			documented, "CancelAllowance", "/B2BInvoice/CancelAllowance", m{"AllowanceNo": madeAllowance, "Reason": longText(20), "Remark": "r"},
			rtn(1), effects(madeAllowance, EffectAllowanceVoided),
		},
		{
			documented, "AllowanceConfirm", "/B2BInvoice/AllowanceConfirm", m{"AllowanceNo": madeAllowance, "Remark": longText(200)},
			rtn(1), effects(madeAllowance, EffectAllowanceConfirmed),
		},
		{
			documented, "CancelAllowanceConfirm", "/B2BInvoice/CancelAllowanceConfirm", m{"AllowanceNo": cancelledAllowance},
			rtn(1), effects(cancelledAllowance, EffectCancelConfirmed),
		},
		{
			documented, "GetAllowanceInvalidConfirm", "/B2BInvoice/GetAllowanceInvalidConfirm", m{"AllowanceNo": cancelledAllowance},
			rtn(1), nil,
		},
		{documented, "B2B Allowance", "/B2BInvoice/Allowance", b2bAllowanceOf(nil), rtn(1), effects(confirmedInvoice, EffectAllowanceIssued)},
		{shipped, "B2B Allowance of ECPay's own sample, without a date, a tax of the item and a reason", "/B2BInvoice/Allowance",
			b2bAllowanceOf(m{"Reason": nil, "AllowanceDate": nil, "CustomerEmail": nil}), rtn(1), nil},
		{
			documented, "MaintainMerchantCustomerData, Add", "/B2BInvoice/MaintainMerchantCustomerData", customerOf(nil),
			rtn(1), effects("53538851", EffectCustomer),
		},
		{
			shipped, "MaintainMerchantCustomerData, Add of one that exists", "/B2BInvoice/MaintainMerchantCustomerData",
			customerOf(nil), rtn(1), func(b *bench, _ result) string {
				again := b.call("/B2BInvoice/MaintainMerchantCustomerData", customerOf(nil))
				return cmp.Diff(rtn(6160052), again.code()) + effects("53538851", EffectCustomer)(b, again)
			},
		},
		{documented, "B2B Notify", "/B2BInvoice/Notify", mailAbout(nil), rtn(1), effects(validInvoice, EffectNotified)},
		{
			documented, "B2B Notify about a cancelled allowance", "/B2BInvoice/Notify",
			mailAbout(m{"AllowanceNo": cancelledAllowance, "InvoiceTag": 5}), rtn(1), nil,
		},
		{documented, "B2B Notify with a tag of nobody", "/B2BInvoice/Notify", mailAbout(m{"InvoiceTag": "11"}), rtn(CodeFieldFormat), nil},
		{documented, "GetAllowance", "/B2BInvoice/GetAllowance", m{"AllowanceNo": madeAllowance}, rtn(1), has("RtnMsg", "查詢成功")},
		{documented, "GetAllowanceInvalid", "/B2BInvoice/GetAllowanceInvalid", m{"AllowanceNo": cancelledAllowance}, rtn(1), nil},
		{documented, "B2B GetCompanyNameByTaxID", "/B2BInvoice/GetCompanyNameByTaxID", m{"UnifiedBusinessNo": "23165448"}, rtn(1), nil},
		{
			shipped, "B2B InvoicePrint", pathB2bPrint, m{"InvoiceNo": validInvoice, "InvoiceDate": "2026/03/10", "PrintStyle": 2},
			rtn(1), nil,
		},
		{shipped, "GetReject of ECPay's own sample", "/B2BInvoice/GetReject", about(rejectedInvoice, m{"Reason": "r"}), rtn(1), nil},
	}
}

// knownOfB2BIssue: what is known of issuing, and issuing anew.
func knownOfB2BIssue() []known {
	return []known{
		{
			live, "B2B Issue of ECPay's own sample, without ItemWord and with ItemTaxType", pathB2bIssue, b2bIssueOf(m{"Items": []m{
				{"ItemSeq": 1, "ItemName": "茶", "ItemCount": 1, "ItemPrice": 100, "ItemTaxType": "1", "ItemAmount": 100},
			}}), rtn(1), effects("B-1", EffectIssued),
		},
		{
			documented, "B2B Issue whose items do not add up", pathB2bIssue,
			b2bIssueOf(m{"SalesAmount": 101, "TotalAmount": 106}), rtn(CodeAmountMismatch), nil,
		},
		{
			documented, "VoidWithReIssue", pathB2bReIssue, b2bReIssueOf(
				m{"InvoiceNumber": validInvoice, "VoidReason": longText(20)}, m{"RelateNumber": "R" + validInvoice},
			), rtn(1), effects(validInvoice, EffectReIssued),
		},
	}
}
