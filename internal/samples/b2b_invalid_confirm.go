package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bInvalidConfirm = Sample{
	Type: "b2b:invalid_confirm", Queue: "invalid_confirm", Path: "/B2BInvoice/InvalidConfirm",
	Command: "b2b-invalid-confirm", Alias: "invalid-confirm",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "remark"},
	Subject: numbers("VG", 12_000_000),
	Effects: []string{ecpaytest.EffectVoidConfirmed},
	Refusal: ecpaytest.CodeNoSuchInvoice,
	Cases: []Case{{
		Name: "void confirm", Stage: stageInvoice(ecpaytest.Invoice{Voided: true}), Effect: ecpaytest.EffectVoidConfirmed, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BInvalidConfirm{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date}
		},
		Title: "Confirm of a void", Outcomes: asked(NotFound),
	}},
}
