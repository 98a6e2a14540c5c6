package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bAllowanceConfirm = Sample{
	Type: "b2b:allowance_confirm", Queue: "invalid_confirm", Path: "/B2BInvoice/AllowanceConfirm",
	Command:  "b2b-allowance-confirm",
	Flags:    []string{"merchant-id", "allowance-no", "remark"},
	Subject:  allowances(1),
	Effects:  []string{ecpaytest.EffectAllowanceConfirmed},
	Refusal:  ecpaytest.CodeAllowanceUnknown,
	Nameless: true,
	Cases: []Case{{
		Name: "allowance confirm", Effect: ecpaytest.EffectAllowanceConfirmed, RtnCode: 1,
		Stage: stageAllowance(ecpaytest.Allowance{Side: ecpaytest.SidePurchase}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BAllowanceConfirm{MerchantID: a.MerchantID, AllowanceNo: a.Subject}
		},
		Title: "Confirm of an allowance", Outcomes: asked(NotFound),
	}},
}
