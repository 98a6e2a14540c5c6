package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bInvalid = Type{
	newPayload: func() Payload { return new(B2BInvalid) },
	Queue:      "invalid",
	Alias:      "invalid",
	Fields:     []Field{merchantIDField, invoiceNumberField, invoiceDateField, voidReasonField, remarkField},
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

// ask asks GetInvalid, on the seller's side. What the buyer has rejected is not voided.
func (p *B2BInvalid) ask(bool) *Ask {
	key := keyOf(ecpay.Sales, p.MerchantID, p.InvoiceNumber, p.InvoiceDate)
	ask := askVoided(key)
	ask.Bars = []*Ask{askRejected(key)}
	return ask
}
