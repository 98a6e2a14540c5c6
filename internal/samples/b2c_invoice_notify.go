package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cInvoiceNotify = Sample{
	Type: "b2c:invoice_notify", Queue: "allowance", Path: "/B2CInvoice/InvoiceNotify",
	Command: "b2c-invoice-notify",
	Flags: []string{
		"merchant-id", "invoice-no", "reference", "allowance-no", "phone", "notify-mail", "notify", "invoice-tag", "notified",
	},
	Subject: numbers("JU", 14_000_000),
	Effects: []string{ecpaytest.EffectNotified},
	Refusal: ecpaytest.CodeNoSuchNumber,
	Cases: []Case{{
		Name: "message", Effect: ecpaytest.EffectNotified, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CInvoiceNotify{
				MerchantID: a.MerchantID, InvoiceNo: a.Subject, Reference: "MAIL-1", NotifyMail: "buyer@shop.example",
				Notify: "E", InvoiceTag: "I", Notified: "C",
			}
		},
		Stage: stageB2CInvoice,
		Title: "Message, B2C", Outcomes: always(Ambiguous),
	}},
}
