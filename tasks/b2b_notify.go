package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bNotify = Type{
	newPayload: func() Payload { return new(B2BNotify) },
	Queue:      "allowance",
	Fields: []Field{
		merchantIDField, invoiceNumberField, invoiceDateField, referenceField,
		{
			Name: "AllowanceNo", Max: 16, Shown: true,
			En:   "allowance number, at most 16 characters, for InvoiceTag 4, 5, 9 and 10",
			ZhTW: "折讓單號，至多 16 個字元，InvoiceTag 為 4、5、9、10 時必填",
		},
		{
			Name: "NotifyMail", Max: 80, En: "e-mail addresses, separated by semicolons, at most 80 characters together",
			ZhTW: "電子郵件，可用半形分號分隔多個，合計至多 80 個字元",
		},
		{
			Name: "InvoiceTag", Shown: true,
			En:   "what to tell of: 1 issue, 2 void, 3 rejection, 4 allowance, 5 its void, 6 to 10 their confirms in this order",
			ZhTW: "通知內容：1 開立、2 作廢、3 退回、4 折讓、5 作廢折讓，6 至 10 依序為其確認",
		},
		{Name: "Notified", Shown: true, En: "whom to tell: C the customer, M the merchant, A both", ZhTW: "通知對象：C 客戶、M 特店、A 皆通知"},
	},
	NotUnique:  true,
	LockedBy:   2,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
	BuyerData: true,
}

// B2BNotify is the payload of b2b:notify, which has ECPay mail about an invoice or an allowance.
// Its fields are those of [ecpay.B2BNotifyRequest] and a Reference.
type B2BNotify struct {
	MerchantID    string
	InvoiceNumber string
	InvoiceDate   string
	// Reference is the shop's own number of this mail, at most 50 characters: a second mail of the
	// same has another one. It is not sent.
	Reference   string
	AllowanceNo string `json:",omitempty"`
	NotifyMail  string
	InvoiceTag  string
	Notified    string
}

// Request implements [Payload].
func (p *B2BNotify) Request() ecpay.Request { return p.request() }

func (p *B2BNotify) request() *ecpay.B2BNotifyRequest {
	return &ecpay.B2BNotifyRequest{
		MerchantID: p.MerchantID, InvoiceDate: p.InvoiceDate, InvoiceNumber: p.InvoiceNumber, AllowanceNo: p.AllowanceNo,
		NotifyMail: p.NotifyMail, InvoiceTag: p.InvoiceTag, Notified: p.Notified,
	}
}

// Validate implements [Payload].
func (p *B2BNotify) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.InvoiceDate, p.InvoiceNumber, p.AllowanceNo = r.MerchantID, r.InvoiceDate, r.InvoiceNumber, r.AllowanceNo
	p.NotifyMail, p.InvoiceTag, p.Notified = r.NotifyMail, r.InvoiceTag, r.Notified
	return join(r, err, referenceProblems(&p.Reference))
}

func (p *B2BNotify) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate, p.Reference} }
