package ecpay

import "context"

var opB2BGetInvalid = Operation{
	Name: "GetInvalid", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetInvalidRequest) },
	newResponse: func() Response { return new(B2BGetInvalidResponse) },
}

// B2BGetInvalidRequest asks for the void of a B2B invoice (developers.ecpay.com.tw ?p=14948).
type B2BGetInvalidRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetInvalidRequest) Operation() Operation { return opB2BGetInvalid }

// Validate implements [Request].
func (r *B2BGetInvalidRequest) Validate() error { return r.validate(opB2BGetInvalid) }

// B2BGetInvalid asks for the void of a B2B invoice.
func (c *Client) B2BGetInvalid(ctx context.Context, m *Merchant, r *B2BGetInvalidRequest) (*B2BGetInvalidResponse, error) {
	return call[B2BGetInvalidResponse](ctx, c, m, r)
}

// B2BGetInvalidResponse is what ECPay holds of the void.
type B2BGetInvalidResponse struct {
	RtnStatus
	RtnData Nested[B2BVoid]
}

// Void is the RtnData of GetInvalid.
type B2BVoid struct {
	InvoiceNumber Text
	// CancelDate and CancelTime tell when the invoice was voided, empty if it is not.
	CancelDate    Text
	CancelTime    Text
	CancelReason  Text
	Upload_Status Text // ECPay's spelling
	// ConfirmDate is empty until the counterparty confirms.
	ConfirmDate    Text
	ExchangeStatus Text
}
