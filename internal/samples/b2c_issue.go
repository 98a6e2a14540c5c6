package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cIssue = Sample{
	Type: "b2c:issue", Queue: "issue", Path: "/B2CInvoice/Issue",
	Command: "b2c-issue",
	Flags: []string{
		"merchant-id", "relate-number", "channel-partner", "customer-id", "product-service-id", "customer-identifier", "customer-name",
		"customer-addr", "customer-phone", "customer-email", "clearance-mark", "print", "donation", "love-code", "carrier-type", "carrier-num",
		"carrier-num2", "tax-type", "zero-tax-rate-reason", "special-tax-type", "sales-amount", "tax-amount", "invoice-remark", "inv-type", "vat",
	},
	Subject: tsr,
	Effects: []string{ecpaytest.EffectIssued},
	Refusal: ecpaytest.CodeAmountMismatch,
	Cases: []Case{{
		Name: "issue", Effect: ecpaytest.EffectIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CIssue{
				MerchantID: a.MerchantID, RelateNumber: a.Subject, CustomerEmail: "buyer@example.com",
				Print: "0", Donation: "0", TaxType: "1", InvType: "07", Vat: "1", SalesAmount: 100,
				Items: []ecpay.B2CInvoiceItem{{
					ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "件", ItemPrice: "100", ItemTaxType: "1", ItemAmount: "100",
				}},
			}
		},
		Stage: func(*ecpaytest.Server, At) error { return nil },
		Title: "Issue, B2C", Outcomes: asked(Rejected),
	}},
}
