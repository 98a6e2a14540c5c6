package ecpay

import "context"

var opB2BGetAllowanceInvalid = Operation{
	Name: "GetAllowanceInvalid", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetAllowanceInvalidRequest) },
	newResponse: func() Response { return new(B2BGetAllowanceInvalidResponse) },
}

// B2BGetAllowanceInvalidRequest asks for the void of an allowance, which CancelAllowance
// made (developers.ecpay.com.tw ?p=29341).
type B2BGetAllowanceInvalidRequest struct{ AllowanceKey }

// Operation implements [Request].
func (*B2BGetAllowanceInvalidRequest) Operation() Operation { return opB2BGetAllowanceInvalid }

// Validate implements [Request].
func (r *B2BGetAllowanceInvalidRequest) Validate() error { return r.validate(opB2BGetAllowanceInvalid) }

// B2BGetAllowanceInvalid asks for the void of an allowance.
func (c *Client) B2BGetAllowanceInvalid(
	ctx context.Context, m *Merchant, r *B2BGetAllowanceInvalidRequest,
) (*B2BGetAllowanceInvalidResponse, error) {
	return call[B2BGetAllowanceInvalidResponse](ctx, c, m, r)
}

// B2BGetAllowanceInvalidResponse is what ECPay holds of it.
type B2BGetAllowanceInvalidResponse struct {
	RtnStatus
	RtnData Nested[B2BAllowanceVoid]
}

// B2BAllowanceVoid is the RtnData of B2B GetAllowanceInvalid. The fields are those of a
// sibling product's page (O'Pay); what ECPay's answers name beside them is passed over.
type B2BAllowanceVoid struct {
	MerchantID      Text
	AllowanceNo     Text
	AllowanceNumber Text
	SellerId        Text
	BuyerId         Text
	// CancelDate is the day of the void, empty if there is none.
	CancelDate   Text
	CancelReason Text
	// ExchangeStatus is "0" until the other party confirms, then "1".
	ExchangeStatus Text
	Upload_Status  Text // ECPay's spelling
	Upload_Date    Text
	Remark         Text
}
