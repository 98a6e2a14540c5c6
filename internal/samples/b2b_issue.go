package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bIssue = Sample{
	Type: "b2b:issue", Queue: "issue", Path: "/B2BInvoice/Issue",
	Command: "b2b-issue",
	Flags: []string{
		"merchant-id", "relate-number", "invoice-time", "customer-identifier", "customer-email", "customer-address",
		"customer-telephone-number", "clearance-mark", "inv-type", "tax-type", "zero-tax-rate-reason", "special-tax-type", "sales-amount",
		"tax-amount", "total-amount", "invoice-remark",
	},
	Subject: tsr,
	Effects: []string{ecpaytest.EffectIssued},
	Refusal: ecpaytest.CodeAmountMismatch,
	Cases: []Case{{
		Name: "B2B issue", Effect: ecpaytest.EffectIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			invoice := b2bInvoice(a.Subject, 100)
			invoice.CustomerEmail = "buyer@example.com"
			return &tasks.B2BIssue{MerchantID: a.MerchantID, B2BIssueModel: invoice}
		},
		Stage: func(*ecpaytest.Server, At) error { return nil },
		Title: "Issue, B2B", Outcomes: asked(Rejected),
	}},
}
