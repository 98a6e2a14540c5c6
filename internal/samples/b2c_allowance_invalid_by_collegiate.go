package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cAllowanceInvalidByCollegiate = Sample{
	Type: "b2c:allowance_invalid_by_collegiate", Queue: "invalid", Path: "/B2CInvoice/AllowanceInvalidByCollegiate",
	Command:      "b2c-allowance-invalid-by-collegiate",
	Flags:        []string{"merchant-id", "invoice-no", "allowance-no", "reason"},
	Subject:      allowances(5),
	Effects:      []string{ecpaytest.EffectAllowanceCancelled},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeAllowanceUnknown,
	Cases: []Case{{
		Name: "withdrawal of an offer", Effect: ecpaytest.EffectAllowanceCancelled, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CAllowanceInvalidByCollegiate{
				MerchantID: a.MerchantID, InvoiceNo: InvoiceOf(a.Subject), AllowanceNo: a.Subject, Reason: "r",
			}
		},
		Stage: stageB2CAllowance(true),
		Title: "Withdrawal of an allowance that is offered online, B2C", Outcomes: always(Ambiguous),
	}},
}
