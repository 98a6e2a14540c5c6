package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bInvalidConfirm = Type{
	newPayload: func() Payload { return new(B2BInvalidConfirm) },
	Queue:      "invalid_confirm",
	Alias:      "invalid-confirm",
	Fields:     []Field{merchantIDField, invoiceNumberField, invoiceDateField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BInvalidConfirm is the payload of b2b:invalid_confirm, which confirms a void that
// the merchant received. Its fields are those of the request.
type B2BInvalidConfirm ecpay.B2BInvalidConfirmRequest

// Request implements [Payload].
func (p *B2BInvalidConfirm) Request() ecpay.Request { return (*ecpay.B2BInvalidConfirmRequest)(p) }

// Validate implements [Payload].
func (p *B2BInvalidConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BInvalidConfirm) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// ask asks GetInvalidConfirm, on the side that received the invoice.
func (p *B2BInvalidConfirm) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetInvalidConfirmRequest{
			InvoiceKey: keyOf(ecpay.Purchase, p.MerchantID, p.InvoiceNumber, p.InvoiceDate),
		},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.B2BGetInvalidConfirmResponse).RtnData.Value.ConfirmDate != ""
		},
	}
}
