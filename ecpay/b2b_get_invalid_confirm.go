package ecpay

import "context"

var opB2BGetInvalidConfirm = Operation{
	Name: "GetInvalidConfirm", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetInvalidConfirmRequest) },
	newResponse: func() Response { return new(B2BGetInvalidConfirmResponse) },
}

// B2BGetInvalidConfirmRequest asks whether a void is confirmed (developers.ecpay.com.tw ?p=14953).
type B2BGetInvalidConfirmRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetInvalidConfirmRequest) Operation() Operation { return opB2BGetInvalidConfirm }

// Validate implements [Request].
func (r *B2BGetInvalidConfirmRequest) Validate() error { return r.validate(opB2BGetInvalidConfirm) }

// B2BGetInvalidConfirm asks whether a void is confirmed.
func (c *Client) B2BGetInvalidConfirm(
	ctx context.Context, m *Merchant, r *B2BGetInvalidConfirmRequest,
) (*B2BGetInvalidConfirmResponse, error) {
	return call[B2BGetInvalidConfirmResponse](ctx, c, m, r)
}

// B2BGetInvalidConfirmResponse is what ECPay holds of the confirmation.
type B2BGetInvalidConfirmResponse struct {
	RtnStatus
	RtnData Nested[B2BVoidConfirm]
}

// VoidConfirm is the RtnData of GetInvalidConfirm.
type B2BVoidConfirm struct {
	InvoiceNumber Text
	CancelDate    Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate   Text
	Upload_Status Text // ECPay's spelling
}
