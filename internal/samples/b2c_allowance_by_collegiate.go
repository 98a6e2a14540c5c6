package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cAllowanceByCollegiate = Sample{
	Type: "b2c:allowance_by_collegiate", Queue: "allowance", Path: "/B2CInvoice/AllowanceByCollegiate",
	Command: "b2c-allowance-by-collegiate",
	Flags: []string{
		"merchant-id", "invoice-no", "invoice-date", "reference", "allowance-notify", "customer-name", "notify-mail",
		"allowance-amount", "reason", "return-url",
	},
	Subject:      numbers("JU", 15_000_000),
	Effects:      []string{ecpaytest.EffectAllowanceOffered},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeAllowanceTooMuch,
	Cases: []Case{{
		Name: "offer of an allowance", Effect: ecpaytest.EffectAllowanceOffered, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CAllowanceByCollegiate{
				MerchantID: a.MerchantID, InvoiceNo: a.Subject, InvoiceDate: a.Date, Reference: "REFUND-1", NotifyMail: "buyer@shop.example",
				AllowanceAmount: "30", Items: []ecpay.B2CAllowanceItem{allowanceItem("20"), allowanceItem("10")},
			}
		},
		Stage: stageB2CInvoice,
		Title: "Allowance offered online, B2C", Outcomes: always(Ambiguous),
	}},
}
