package samples

import (
	"encoding/json"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cAllowance = Sample{
	Type: "b2c:allowance", Queue: "allowance", Path: "/B2CInvoice/Allowance",
	Command: "b2c-allowance",
	Flags: []string{
		"merchant-id", "invoice-no", "invoice-date", "reference", "allowance-notify", "customer-name", "notify-mail", "notify-phone",
		"allowance-amount", "reason",
	},
	Subject:      numbers("JU", 13_000_000),
	Effects:      []string{ecpaytest.EffectAllowanceIssued},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeAllowanceTooMuch,
	Others: func(f *ecpaytest.Server, a At) error {
		return f.StageB2CAllowance(ecpaytest.B2CAllowance{MerchantID: a.MerchantID, InvoiceNo: a.Subject, Amount: 30})
	},
	Cases: []Case{{
		Name: "B2C allowance", Effect: ecpaytest.EffectAllowanceIssued, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CAllowance{
				MerchantID: a.MerchantID, InvoiceNo: a.Subject, InvoiceDate: a.Date, Reference: "REFUND-1", AllowanceNotify: ecpay.NotifyNone,
				AllowanceAmount: "30", Items: []ecpay.B2CAllowanceItem{allowanceItem("20"), allowanceItem("10")},
			}
		},
		Stage: stageB2CInvoice,
		Title: "Allowance, B2C", Outcomes: asked(Rejected),
	}},
}

func allowanceItem(amount json.Number) ecpay.B2CAllowanceItem {
	return ecpay.B2CAllowanceItem{ItemName: "貨款", ItemCount: "1", ItemWord: "件", ItemPrice: amount, ItemAmount: amount}
}
