package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cInvalid = Type{
	newPayload: func() Payload { return new(B2CInvalid) },
	Queue:      "invalid",
	Fields: []Field{
		merchantIDField,
		{
			Name: "InvoiceNo", Max: 10, Shown: true,
			En: "invoice number, two letters and eight digits, 10 characters", ZhTW: "發票號碼，兩個大寫英文字母加八位數字，共 10 碼",
		},
		invoiceDateField,
		{Name: "Reason", Max: 20, En: "reason of the void, at most 20 characters", ZhTW: "作廢原因，至多 20 個字元"},
	},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2CInvalid is the payload of b2c:invalid, which voids an issued B2C invoice. Its fields
// are those of the request.
type B2CInvalid ecpay.B2CInvalidRequest

// Request implements [Payload].
func (p *B2CInvalid) Request() ecpay.Request { return (*ecpay.B2CInvalidRequest)(p) }

// Validate implements [Payload].
func (p *B2CInvalid) Validate() error { return p.Request().Validate() }

func (p *B2CInvalid) subject() []string { return []string{p.InvoiceNo, p.InvoiceDate} }

// ask asks GetIssue for the invoice, which says whether it is voided.
func (p *B2CInvalid) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2CGetIssueRequest{MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, InvoiceDate: p.InvoiceDate},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2CGetIssueResponse).IIS_Invalid_Status == "1" },
	}
}
