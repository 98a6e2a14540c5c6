package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cAllowanceInvalid = Sample{
	Type: "b2c:allowance_invalid", Queue: "invalid", Path: "/B2CInvoice/AllowanceInvalid",
	Command:      "b2c-allowance-invalid",
	Flags:        []string{"merchant-id", "invoice-no", "allowance-no", "reason"},
	Subject:      allowances(4),
	Effects:      []string{ecpaytest.EffectAllowanceVoided},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeAllowanceUnknown,
	Answers:      map[string]Answer{"allowance voided already in B2C": {"done", "AlreadyDone"}},
	Cases: []Case{{
		Name: "B2C allowance void", Effect: ecpaytest.EffectAllowanceVoided, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CAllowanceInvalid{MerchantID: a.MerchantID, InvoiceNo: InvoiceOf(a.Subject), AllowanceNo: a.Subject, Reason: "r"}
		},
		Stage: stageB2CAllowance(false),
		Title: "Void of an allowance, B2C", Outcomes: asked(NotFound),
	}},
}

// InvoiceOf is the B2C invoice of an allowance that is the subject of a case: its number ends
// as that of the allowance does.
func InvoiceOf(allowanceNo string) string { return "AL" + allowanceNo[max(0, len(allowanceNo)-8):] }
