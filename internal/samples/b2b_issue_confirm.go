package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bIssueConfirm = Sample{
	Type: "b2b:issue_confirm", Queue: "invalid_confirm", Path: "/B2BInvoice/IssueConfirm",
	Command: "b2b-issue-confirm",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "remark"},
	Subject: numbers("VG", 13_000_000),
	Effects: []string{ecpaytest.EffectIssueConfirmed},
	Refusal: ecpaytest.CodeNoSuchInvoice,
	Cases: []Case{{
		Name: "issue confirm", Effect: ecpaytest.EffectIssueConfirmed, RtnCode: 1,
		Stage: stageInvoice(ecpaytest.Invoice{Side: ecpaytest.SidePurchase}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BIssueConfirm{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date}
		},
		Title: "Confirm of an invoice", Outcomes: asked(NotFound),
	}},
}
