package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bRejectConfirm = Sample{
	Type: "b2b:reject_confirm", Queue: "invalid_confirm", Path: "/B2BInvoice/RejectConfirm",
	Command: "b2b-reject-confirm",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "remark"},
	Subject: numbers("VG", 15_000_000),
	Effects: []string{ecpaytest.EffectRejectConfirmed},
	Refusal: ecpaytest.CodeNoSuchInvoice,
	Cases: []Case{{
		Name: "reject confirm", Effect: ecpaytest.EffectRejectConfirmed, RtnCode: 1,
		Stage: stageInvoice(ecpaytest.Invoice{Side: ecpaytest.SideSales, Rejected: true}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BRejectConfirm{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date}
		},
		Title: "Confirm of a rejection", Outcomes: asked(NotFound),
	}},
}
