package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cGetIssue = Sample{
	Type: "b2c:get_issue", Queue: "query", Path: "/B2CInvoice/GetIssue", Command: "b2c-get-issue",
	Flags:   []string{"merchant-id", "relate-number", "days", "task-id"},
	Subject: tsr,
	Answers: map[string]Answer{"nothing known 2": {"dead", "NotFound"}},
	Cases: []Case{{
		Name: "invoice query", RtnCode: 1,
		Payload: func(a At) tasks.Payload { return &tasks.B2CGetIssue{MerchantID: a.MerchantID, RelateNumber: a.Subject} },
		Stage: func(f *ecpaytest.Server, a At) error {
			return f.StageDelayed(ecpaytest.Delayed{
				MerchantID: a.MerchantID, Tsr: "T" + a.Subject, RelateNumber: a.Subject, Issued: true, InvoiceDate: a.Date,
			})
		},
	}},
}
