package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cInvalid = Type{
	newPayload: func() Payload { return new(B2CInvalid) },
	Queue:      "invalid",
	Fields:     []Field{merchantIDField, invoiceNoField, invoiceDateField, voidReasonField},
	Shown:      ShownIsDone,
	LockedBy:   1, // the invoice, so that a void of one of its allowances comes before or after
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2CInvalid is the payload of b2c:invalid, which voids an issued B2C invoice. Its fields
// are those of the request.
type B2CInvalid ecpay.B2CInvalidRequest

// Request implements [Payload].
func (p *B2CInvalid) Request() ecpay.Request { return (*ecpay.B2CInvalidRequest)(p) }

// Validate implements [Payload].
func (p *B2CInvalid) Validate() error { return p.Request().Validate() }

func (p *B2CInvalid) subject() []string { return []string{p.InvoiceNo, p.InvoiceDate} }

// ask asks GetIssue for the invoice, which says whether it is voided.
func (p *B2CInvalid) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2CGetIssueRequest{MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, InvoiceDate: p.InvoiceDate},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2CGetIssueResponse).IIS_Invalid_Status == "1" },
	}
}
