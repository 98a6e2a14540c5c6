package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bRejectConfirm = Type{
	newPayload: func() Payload { return new(B2BRejectConfirm) },
	Queue:      "invalid_confirm",
	Fields:     []Field{merchantIDField, invoiceNumberField, invoiceDateField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BRejectConfirm is the payload of b2b:reject_confirm, which confirms that an invoice of
// the merchant's is rejected. Its fields are those of the request.
type B2BRejectConfirm ecpay.B2BRejectConfirmRequest

// Request implements [Payload].
func (p *B2BRejectConfirm) Request() ecpay.Request { return (*ecpay.B2BRejectConfirmRequest)(p) }

// Validate implements [Payload].
func (p *B2BRejectConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BRejectConfirm) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// ask asks GetRejectConfirm, on the seller's side.
func (p *B2BRejectConfirm) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetRejectConfirmRequest{
			InvoiceKey: keyOf(ecpay.Sales, p.MerchantID, p.InvoiceNumber, p.InvoiceDate),
		},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.B2BGetRejectConfirmResponse).RtnData.Value.ConfirmDate != ""
		},
	}
}
