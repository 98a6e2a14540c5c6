package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bGetAllowanceConfirm = Sample{
	Type: "b2b:get_allowance_confirm", Queue: "query", Path: "/B2BInvoice/GetAllowanceConfirm",
	Command: "b2b-get-allowance-confirm", Alias: "get-allowance-confirm",
	Flags:   []string{"merchant-id", "allowance-no", "until-confirmed"},
	Subject: allowances(0),
	Cases: []Case{{
		Name: "allowance query", RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BGetAllowanceConfirm{MerchantID: a.MerchantID, AllowanceNo: a.Subject}
		},
		Stage: stageAllowance(ecpaytest.Allowance{}),
	}},
}
