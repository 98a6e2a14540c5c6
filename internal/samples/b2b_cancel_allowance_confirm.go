package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bCancelAllowanceConfirm = Sample{
	Type: "b2b:cancel_allowance_confirm", Queue: "invalid_confirm", Path: "/B2BInvoice/CancelAllowanceConfirm",
	Command:  "b2b-cancel-allowance-confirm",
	Flags:    []string{"merchant-id", "allowance-no", "remark"},
	Subject:  allowances(3),
	Effects:  []string{ecpaytest.EffectCancelConfirmed},
	Refusal:  ecpaytest.CodeAllowanceUnknown,
	Nameless: true,
	Cases: []Case{{
		Name: "allowance cancel confirm", Effect: ecpaytest.EffectCancelConfirmed, RtnCode: 1,
		Stage: stageAllowance(ecpaytest.Allowance{Side: ecpaytest.SidePurchase, Cancelled: true, CancelledBy: ecpaytest.SideSales}),
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BCancelAllowanceConfirm{MerchantID: a.MerchantID, AllowanceNo: a.Subject}
		},
		Title: "Confirm of the void of an allowance", Outcomes: asked(NotFound),
	}},
}
