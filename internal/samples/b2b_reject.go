package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bReject = Sample{
	Type: "b2b:reject", Queue: "invalid_confirm", Path: "/B2BInvoice/Reject",
	Command: "b2b-reject",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "reason", "remark"},
	Subject: numbers("VG", 14_000_000),
	Effects: []string{ecpaytest.EffectRejected},
	Refusal: ecpaytest.CodeNoSuchInvoice,
	Cases: []Case{{
		Name: "reject", Effect: ecpaytest.EffectRejected, RtnCode: 1,
		Stage: stageInvoice(ecpaytest.Invoice{Side: ecpaytest.SidePurchase}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BReject{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date, Reason: "r"}
		},
		Title: "Rejection", Outcomes: asked(NotFound),
	}},
}
