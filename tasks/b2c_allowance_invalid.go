package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cAllowanceInvalid = Type{
	newPayload: func() Payload { return new(B2CAllowanceInvalid) },
	Queue:      "invalid",
	Fields:     []Field{merchantIDField, invoiceNoField, allowanceNoField, voidReasonField},
	Shown:      ShownIsDone,
	LockedBy:   1, // the invoice, whose own void comes before or after
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2CAllowanceInvalid is the payload of b2c:allowance_invalid, which voids an allowance of
// a B2C invoice. Its fields are those of the request.
type B2CAllowanceInvalid ecpay.B2CAllowanceInvalidRequest

// Request implements [Payload].
func (p *B2CAllowanceInvalid) Request() ecpay.Request {
	return (*ecpay.B2CAllowanceInvalidRequest)(p)
}

// Validate implements [Payload].
func (p *B2CAllowanceInvalid) Validate() error { return p.Request().Validate() }

func (p *B2CAllowanceInvalid) subject() []string { return []string{p.InvoiceNo, p.AllowanceNo} }

// ask asks GetAllowanceInvalid, which knows voids only.
func (p *B2CAllowanceInvalid) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2CGetAllowanceInvalidRequest{MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, AllowanceNo: p.AllowanceNo},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2CGetAllowanceInvalidResponse).Voided() },
	}
}
