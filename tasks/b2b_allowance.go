package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bAllowance = Type{
	newPayload: func() Payload { return new(B2BAllowance) },
	Queue:      "allowance",
	Fields: []Field{
		merchantIDField, referenceField,
		{
			Name: "AllowanceDate", En: "left out for now, else yyyy-mm-dd hh:mm:ss in Taipei, at most 6 days ago",
			ZhTW: "不填即為現在，否則為台北時間 yyyy-mm-dd hh:mm:ss，至多 6 天前",
		},
		{
			Name: "CustomerEmail", Max: 80, En: "e-mail addresses, separated by semicolons, at most 80 characters together",
			ZhTW: "電子郵件，可用半形分號分隔多個，合計至多 80 個字元",
		},
		{Name: "CustomerAddress", Max: 100, En: "the buyer's address, at most 100 characters", ZhTW: "買方地址，至多 100 個字元"},
		{Name: "TaxAmount", En: "the tax in whole dollars", ZhTW: "營業稅額，以元為單位"},
		{
			Name: "TotalAmount", Shown: true, En: "whole dollars without tax: the rounded sum of all ItemAmount",
			ZhTW: "折讓金額（未稅），為各項 ItemAmount 加總後四捨五入",
		},
		{
			Name: "Details", En: "1 to 999 lines, each with the invoice that it is of; only by --data",
			ZhTW: "折讓明細，1 至 999 項，各自註明原發票；只能以 --data 給定",
		},
		{Name: "Reason", Max: 20, En: "reason of the allowance, at most 20 characters", ZhTW: "折讓原因，至多 20 個字元"},
	},
	NotUnique:  true,
	LockedBy:   2, // the first invoice and its date, as a void of it
	BuyerData:  true,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
}

// B2BAllowance is the payload of b2b:allowance, which allows the buyer a part or all of issued B2B
// invoices. Its fields are those of [ecpay.B2BAllowanceRequest] and a Reference. ECPay lists no
// allowances of B2B: a call that was not answered is for a person to find out.
type B2BAllowance struct {
	MerchantID string
	// Reference is the shop's own number of this allowance, such as that of the refund, at most 50
	// characters: the same Reference twice is one task, and another one is another allowance. It is
	// not sent.
	Reference       string
	AllowanceDate   string `json:",omitempty"`
	CustomerEmail   string `json:",omitempty"`
	CustomerAddress string `json:",omitempty"`
	TaxAmount       int64
	TotalAmount     int64
	Details         []ecpay.B2BAllowanceDetail
	Reason          string `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2BAllowance) Request() ecpay.Request { return p.request() }

func (p *B2BAllowance) request() *ecpay.B2BAllowanceRequest {
	return &ecpay.B2BAllowanceRequest{
		MerchantID: p.MerchantID, AllowanceDate: p.AllowanceDate, CustomerEmail: p.CustomerEmail, CustomerAddress: p.CustomerAddress,
		TaxAmount: p.TaxAmount, TotalAmount: p.TotalAmount, Details: p.Details, Reason: p.Reason,
	}
}

// Validate implements [Payload].
func (p *B2BAllowance) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.AllowanceDate, p.Reason = r.MerchantID, r.AllowanceDate, r.Reason
	p.CustomerEmail, p.CustomerAddress = r.CustomerEmail, r.CustomerAddress
	return join(r, err, append(referenceProblems(&p.Reference), itemProblems(p, len(p.Details))...))
}

// subject begins with the first invoice: what is done to that one at once is kept apart, what is done to
// the others is not.
func (p *B2BAllowance) subject() []string {
	if len(p.Details) == 0 {
		return []string{"", "", p.Reference}
	}
	return []string{p.Details[0].OriginalInvoiceNumber, p.Details[0].OriginalInvoiceDate, p.Reference}
}
