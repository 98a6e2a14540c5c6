package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bIssueConfirm = Type{
	newPayload: func() Payload { return new(B2BIssueConfirm) },
	Queue:      "invalid_confirm",
	Fields:     []Field{merchantIDField, invoiceNumberField, invoiceDateField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BIssueConfirm is the payload of b2b:issue_confirm, which confirms an invoice that the
// merchant received. Its fields are those of the request.
type B2BIssueConfirm ecpay.B2BIssueConfirmRequest

// Request implements [Payload].
func (p *B2BIssueConfirm) Request() ecpay.Request { return (*ecpay.B2BIssueConfirmRequest)(p) }

// Validate implements [Payload].
func (p *B2BIssueConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BIssueConfirm) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// ask asks GetIssueConfirm, on the side that received the invoice. A rejection or a void comes
// in the place of the confirm.
func (p *B2BIssueConfirm) ask(bool) *Ask {
	key := keyOf(ecpay.Purchase, p.MerchantID, p.InvoiceNumber, p.InvoiceDate)
	ask := askConfirmed(key)
	ask.Bars = []*Ask{askRejected(key), askVoided(key)}
	return ask
}
