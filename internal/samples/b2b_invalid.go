package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bInvalid = Sample{
	Type: "b2b:invalid", Queue: "invalid", Path: "/B2BInvoice/Invalid",
	Command: "b2b-invalid", Alias: "invalid",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "reason", "remark"},
	Subject: numbers("VG", 11_000_000),
	Effects: []string{ecpaytest.EffectVoided},
	Refusal: ecpaytest.CodeBadReason,
	Cases: []Case{{
		Name: "void", Stage: stageInvoice(ecpaytest.Invoice{}), Effect: ecpaytest.EffectVoided, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BInvalid{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date, Reason: "r"}
		},
		Title: "Void", Outcomes: asked(Rejected),
	}},
}
