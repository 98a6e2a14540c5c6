package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cVoidWithReIssue = Sample{
	Type: "b2c:void_with_re_issue", Queue: "invalid", Path: "/B2CInvoice/VoidWithReIssue",
	Command:      "b2c-void-with-re-issue",
	Flags:        []string{"merchant-id", "reference"},
	Subject:      numbers("JU", 21_000_000),
	Effects:      []string{ecpaytest.EffectReIssued},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeAmountMismatch,
	Cases: []Case{{
		Name: "B2C reissue", Stage: stageB2CInvoice, Effect: ecpaytest.EffectReIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CVoidWithReIssue{
				MerchantID: a.MerchantID, Reference: "FIX-1", VoidModel: ecpay.B2CVoidModel{InvoiceNo: a.Subject, VoidReason: "r"},
				IssueModel: ecpay.B2CIssueModel{InvoiceDate: a.Date + " 00:00:00", B2CInvoice: b2cInvoice("", a.RelateNumber, 90)},
			}
		},
		Title: "Void and issue anew, B2C", Outcomes: asked(Rejected),
	}},
}
