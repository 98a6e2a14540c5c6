package tasks

import (
	"encoding/json"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cAllowanceByCollegiate = Type{
	newPayload: func() Payload { return new(B2CAllowanceByCollegiate) },
	Queue:      "allowance",
	Fields: []Field{
		merchantIDField, invoiceNoField, invoiceDateField, referenceField,
		{Name: "AllowanceNotify", Shown: true, En: "always E (e-mail)", ZhTW: "固定為 E（電子郵件）"},
		customerNameField, notifyMailField, allowanceAmountField, allowanceReasonField, allowanceItemsField,
		{
			Name: "ReturnURL", Max: 200, En: "where ECPay tells that the buyer has agreed, at most 200 characters",
			ZhTW: "買受人同意後綠界通知的網址，至多 200 個字元",
		},
	},
	NotUnique:  true,
	LockedBy:   1,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
	BuyerData: true,
}

// B2CAllowanceByCollegiate is the payload of b2c:allowance_by_collegiate, which offers the buyer an
// allowance. Its fields are those of [ecpay.B2CAllowanceByCollegiateRequest] and a Reference. An
// offer is in no list before the buyer agrees, and what it takes from the invoice others may have
// taken: what became of an unanswered one is for a person to find out.
type B2CAllowanceByCollegiate struct {
	MerchantID  string
	InvoiceNo   string
	InvoiceDate string
	// Reference is that of [B2CAllowance].
	Reference       string
	AllowanceNotify string
	CustomerName    string `json:",omitempty"`
	NotifyMail      string
	AllowanceAmount json.Number
	Reason          string `json:",omitempty"`
	Items           []ecpay.B2CAllowanceItem
	ReturnURL       string `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2CAllowanceByCollegiate) Request() ecpay.Request { return p.request() }

func (p *B2CAllowanceByCollegiate) request() *ecpay.B2CAllowanceByCollegiateRequest {
	return &ecpay.B2CAllowanceByCollegiateRequest{
		MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, InvoiceDate: p.InvoiceDate, AllowanceNotify: p.AllowanceNotify,
		CustomerName: p.CustomerName, NotifyMail: p.NotifyMail, AllowanceAmount: p.AllowanceAmount, Reason: p.Reason, Items: p.Items,
		ReturnURL: p.ReturnURL,
	}
}

// Validate implements [Payload].
func (p *B2CAllowanceByCollegiate) Validate() error {
	r := p.request()
	err := r.Validate() // which fills in what is left out of Items
	p.MerchantID, p.InvoiceNo, p.InvoiceDate, p.AllowanceNotify = r.MerchantID, r.InvoiceNo, r.InvoiceDate, r.AllowanceNotify
	p.CustomerName, p.NotifyMail, p.ReturnURL = r.CustomerName, r.NotifyMail, r.ReturnURL
	p.AllowanceAmount, p.Reason = r.AllowanceAmount, r.Reason
	return join(r, err, append(referenceProblems(&p.Reference), itemProblems(p, len(p.Items))...))
}

func (p *B2CAllowanceByCollegiate) subject() []string { return []string{p.InvoiceNo, p.Reference} }
