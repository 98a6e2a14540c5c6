package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cIssue = Sample{
	Type: "b2c:issue", Queue: "issue", Path: "/B2CInvoice/Issue",
	Command: "b2c-issue",
	Flags: []string{
		"merchant-id", "relate-number", "channel-partner", "customer-id", "product-service-id", "customer-identifier", "customer-name",
		"customer-addr", "customer-phone", "customer-email", "clearance-mark", "print", "donation", "love-code", "carrier-type", "carrier-num",
		"carrier-num2", "tax-type", "zero-tax-rate-reason", "special-tax-type", "sales-amount", "tax-amount", "invoice-remark", "inv-type", "vat",
	},
	Subject: tsr,
	Effects: []string{ecpaytest.EffectIssued},
	Refusal: ecpaytest.CodeAmountMismatch,
	Cases: []Case{{
		Name: "issue", Effect: ecpaytest.EffectIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			invoice := tasks.B2CIssue(b2cInvoice(a.MerchantID, a.Subject, 100))
			return &invoice
		},
		Stage: func(*ecpaytest.Server, At) error { return nil },
		Title: "Issue, B2C", Outcomes: asked(Rejected),
	}},
}
