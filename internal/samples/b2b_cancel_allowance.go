package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bCancelAllowance = Sample{
	Type: "b2b:cancel_allowance", Queue: "invalid", Path: "/B2BInvoice/CancelAllowance",
	Command: "b2b-cancel-allowance",
	Flags:   []string{"merchant-id", "allowance-no", "reason", "remark"},
	Subject: allowances(2),
	Effects: []string{ecpaytest.EffectAllowanceVoided},
	Refusal: ecpaytest.CodeAllowanceUnknown,
	Cases: []Case{{
		Name: "allowance cancel", Effect: ecpaytest.EffectAllowanceVoided, RtnCode: 1,
		Stage: stageAllowance(ecpaytest.Allowance{}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BCancelAllowance{MerchantID: a.MerchantID, AllowanceNo: a.Subject, Reason: "r"}
		},
		Title: "Void of an allowance", Outcomes: asked(NotFound),
	}},
}
