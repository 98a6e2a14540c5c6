package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cInvoiceNotify = Type{
	newPayload: func() Payload { return new(B2CInvoiceNotify) },
	Queue:      "allowance",
	Fields: []Field{
		merchantIDField, invoiceNoField, referenceField,
		{
			Name: "AllowanceNo", Max: 16, Shown: true,
			En: "allowance number of 16 digits, for InvoiceTag A, AI and OA", ZhTW: "折讓單號，共 16 位數字，InvoiceTag 為 A、AI、OA 時必填",
		},
		{Name: "Phone", Max: 20, En: "mobile phone number, at most 20 characters, for Notify S and A", ZhTW: "手機號碼，至多 20 個字元，Notify 為 S、A 時必填"},
		{
			Name: "NotifyMail", Max: 200,
			En:   "e-mail addresses, separated by semicolons, at most 200 characters together, for Notify E and A",
			ZhTW: "電子郵件，可用半形分號分隔多個，合計至多 200 個字元，Notify 為 E、A 時必填",
		},
		{Name: "Notify", Shown: true, En: "S (SMS), E (e-mail) or A (both)", ZhTW: "通知方式：S（簡訊）、E（電子郵件）或 A（兩者）"},
		{
			Name: "InvoiceTag", Shown: true,
			En:   "what to tell of: I issue, II void, A allowance, AI void of an allowance, AW prize, OA online allowance",
			ZhTW: "通知內容：I 發票開立、II 發票作廢、A 折讓開立、AI 折讓作廢、AW 發票中獎、OA 線上折讓",
		},
		{Name: "Notified", Shown: true, En: "whom to tell: C the customer, M the merchant, A both", ZhTW: "通知對象：C 客戶、M 特店、A 皆通知"},
	},
	NotUnique:  true,
	LockedBy:   1,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
	BuyerData: true,
}

// B2CInvoiceNotify is the payload of b2c:invoice_notify, which has ECPay tell of an invoice. Its
// fields are those of [ecpay.B2CInvoiceNotifyRequest] and a Reference.
type B2CInvoiceNotify struct {
	MerchantID string
	InvoiceNo  string
	// Reference is the shop's own number of this message, at most 50 characters: a second message
	// of the same has another one. It is not sent.
	Reference   string
	AllowanceNo string `json:",omitempty"`
	Phone       string `json:",omitempty"`
	NotifyMail  string `json:",omitempty"`
	Notify      string
	InvoiceTag  string
	Notified    string
}

// Request implements [Payload].
func (p *B2CInvoiceNotify) Request() ecpay.Request { return p.request() }

func (p *B2CInvoiceNotify) request() *ecpay.B2CInvoiceNotifyRequest {
	return &ecpay.B2CInvoiceNotifyRequest{
		MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, AllowanceNo: p.AllowanceNo, Phone: p.Phone, NotifyMail: p.NotifyMail,
		Notify: p.Notify, InvoiceTag: p.InvoiceTag, Notified: p.Notified,
	}
}

// Validate implements [Payload].
func (p *B2CInvoiceNotify) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.InvoiceNo, p.AllowanceNo, p.Phone, p.NotifyMail = r.MerchantID, r.InvoiceNo, r.AllowanceNo, r.Phone, r.NotifyMail
	p.Notify, p.InvoiceTag, p.Notified = r.Notify, r.InvoiceTag, r.Notified
	return join(r, err, referenceProblems(&p.Reference))
}

func (p *B2CInvoiceNotify) subject() []string { return []string{p.InvoiceNo, p.Reference} }
