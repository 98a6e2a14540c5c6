package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bVoidWithReIssue = Sample{
	Type: "b2b:void_with_re_issue", Queue: "invalid", Path: "/B2BInvoice/VoidWithReIssue",
	Command: "b2b-void-with-re-issue",
	Flags:   []string{"merchant-id", "reference"},
	Subject: numbers("VG", 22_000_000),
	Effects: []string{ecpaytest.EffectReIssued},
	Refusal: ecpaytest.CodeAmountMismatch,
	Cases: []Case{{
		Name: "B2B reissue", Effect: ecpaytest.EffectReIssued, RtnCode: 1,
		Stage: func(f *ecpaytest.Server, a At) error {
			return stageInvoice(ecpaytest.Invoice{RelateNumber: a.RelateNumber})(f, a)
		},
		Payload: func(a At) tasks.Payload {
			invoice := b2bInvoice(a.RelateNumber, 90)
			invoice.InvoiceTime = a.Date + " 00:00:00"
			return &tasks.B2BVoidWithReIssue{
				MerchantID: a.MerchantID, Reference: "FIX-1", VoidModel: ecpay.B2BVoidModel{InvoiceNumber: a.Subject, VoidReason: "r"},
				IssueModel: invoice,
			}
		},
		Title: "Void and issue anew, B2B", Outcomes: asked(Rejected),
	}},
}
