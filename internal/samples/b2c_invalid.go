package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cInvalid = Sample{
	Type: "b2c:invalid", Queue: "invalid", Path: "/B2CInvoice/Invalid",
	Command:      "b2c-invalid",
	Flags:        []string{"merchant-id", "invoice-no", "invoice-date", "reason"},
	Subject:      numbers("JU", 11_000_000),
	Effects:      []string{ecpaytest.EffectVoided},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeReasonLong,
	Answers:      map[string]Answer{"already voided in B2C": {"done", "AlreadyDone"}},
	Cases: []Case{{
		Name: "B2C void", Effect: ecpaytest.EffectVoided, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CInvalid{MerchantID: a.MerchantID, InvoiceNo: a.Subject, InvoiceDate: a.Date, Reason: "r"}
		},
		Stage: stageB2CInvoice,
		Title: "Void, B2C", Outcomes: asked(Rejected),
	}},
}
