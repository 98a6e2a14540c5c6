package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2bAllowance = Sample{
	Type: "b2b:allowance", Queue: "allowance", Path: "/B2BInvoice/Allowance",
	Command: "b2b-allowance",
	Flags: []string{
		"merchant-id", "reference", "allowance-date", "customer-email", "customer-address", "tax-amount", "total-amount", "reason",
	},
	Subject: numbers("VG", 20_000_000),
	Effects: []string{ecpaytest.EffectAllowanceIssued},
	Refusal: ecpaytest.CodeAllowanceTooMuch,
	Cases: []Case{{
		Name: "B2B allowance", Stage: stageInvoice(ecpaytest.Invoice{IssueConfirmed: true}), Effect: ecpaytest.EffectAllowanceIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2BAllowance{
				MerchantID: a.MerchantID, Reference: "REFUND-1", CustomerEmail: "buyer@shop.example", TaxAmount: 1, TotalAmount: 20,
				Details: []ecpay.B2BAllowanceDetail{{
					OriginalInvoiceNumber: a.Subject, OriginalInvoiceDate: a.Date, OriginalSequenceNumber: 1, ItemName: "商品",
					ItemCount: "1", ItemPrice: "20", ItemAmount: "20", Tax: "1",
				}},
			}
		},
		Title: "Allowance, B2B", Outcomes: always(Ambiguous),
	}},
}
