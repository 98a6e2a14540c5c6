package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bNotify = Sample{
	Type: "b2b:notify", Queue: "allowance", Path: "/B2BInvoice/Notify",
	Command: "b2b-notify",
	Flags:   []string{"merchant-id", "invoice-number", "invoice-date", "reference", "allowance-no", "notify-mail", "invoice-tag", "notified"},
	Subject: numbers("VG", 19_000_000),
	Effects: []string{ecpaytest.EffectNotified},
	Refusal: ecpaytest.CodeNoSuchInvoice,
	Cases: []Case{{
		Name: "B2B message", Stage: stageInvoice(ecpaytest.Invoice{}), Effect: ecpaytest.EffectNotified, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BNotify{
				MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date, Reference: "MAIL-1", NotifyMail: "buyer@shop.example",
				InvoiceTag: "1", Notified: "C",
			}
		},
		Title: "Message, B2B", Outcomes: always(Ambiguous),
	}},
}
