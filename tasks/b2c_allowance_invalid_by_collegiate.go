package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cAllowanceInvalidByCollegiate = Type{
	newPayload: func() Payload { return new(B2CAllowanceInvalidByCollegiate) },
	Queue:      "invalid",
	Fields:     []Field{merchantIDField, invoiceNoField, allowanceNoField, voidReasonField},
	LockedBy:   1, // the invoice, whose own void comes before or after
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2CAllowanceInvalidByCollegiate is the payload of b2c:allowance_invalid_by_collegiate, which
// withdraws an offer of an allowance to which the buyer has not agreed yet. Its fields are those of the
// request. No query shows offers: a call that was not answered is for a person to find out.
type B2CAllowanceInvalidByCollegiate ecpay.B2CAllowanceInvalidByCollegiateRequest

// Request implements [Payload].
func (p *B2CAllowanceInvalidByCollegiate) Request() ecpay.Request {
	return (*ecpay.B2CAllowanceInvalidByCollegiateRequest)(p)
}

// Validate implements [Payload].
func (p *B2CAllowanceInvalidByCollegiate) Validate() error { return p.Request().Validate() }

func (p *B2CAllowanceInvalidByCollegiate) subject() []string {
	return []string{p.InvoiceNo, p.AllowanceNo}
}
