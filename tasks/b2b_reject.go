package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bReject = Type{
	newPayload: func() Payload { return new(B2BReject) },
	Queue:      "invalid_confirm",
	Fields:     []Field{merchantIDField, invoiceNumberField, invoiceDateField, rejectReasonField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BReject is the payload of b2b:reject, which rejects an invoice that the merchant
// received. Its fields are those of the request.
type B2BReject ecpay.B2BRejectRequest

// Request implements [Payload].
func (p *B2BReject) Request() ecpay.Request { return (*ecpay.B2BRejectRequest)(p) }

// Validate implements [Payload].
func (p *B2BReject) Validate() error { return p.Request().Validate() }

func (p *B2BReject) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// ask asks GetReject, on the side that received the invoice. A confirm (?p=14870) or a void comes
// in the place of the rejection.
func (p *B2BReject) ask(bool) *Ask {
	key := keyOf(ecpay.Purchase, p.MerchantID, p.InvoiceNumber, p.InvoiceDate)
	ask := askRejected(key)
	ask.Bars = []*Ask{askConfirmed(key), askVoided(key)}
	return ask
}
