package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bInvalid = Type{
	newPayload: func() Payload { return new(B2BInvalid) },
	Queue:      "invalid",
	Alias:      "invalid",
	Fields: []Field{
		merchantIDField, invoiceNumberField, invoiceDateField,
		{Name: "Reason", Max: 20, En: "reason of the void, at most 20 characters", ZhTW: "作廢原因，至多 20 個字元"},
		remarkField,
	},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BInvalid is the payload of b2b:invalid, which voids a B2B invoice. Its fields are
// those of the request.
type B2BInvalid ecpay.B2BInvalidRequest

// Request implements [Payload].
func (p *B2BInvalid) Request() ecpay.Request { return (*ecpay.B2BInvalidRequest)(p) }

// Validate implements [Payload].
func (p *B2BInvalid) Validate() error { return p.Request().Validate() }

func (p *B2BInvalid) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// ask asks GetInvalid, on the seller's side.
func (p *B2BInvalid) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetInvalidRequest{InvoiceKey: ecpay.InvoiceKey{
			MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
		}},
		Shows: func(r ecpay.Response) bool { return r.(*ecpay.B2BGetInvalidResponse).RtnData.Value.CancelDate != "" },
	}
}
