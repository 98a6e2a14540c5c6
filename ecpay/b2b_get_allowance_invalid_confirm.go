package ecpay

import "context"

var opB2BGetAllowanceInvalidConfirm = Operation{
	Name: "GetAllowanceInvalidConfirm", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetAllowanceInvalidConfirmRequest) },
	newResponse: func() Response { return new(B2BGetAllowanceInvalidConfirmResponse) },
}

// B2BGetAllowanceInvalidConfirmRequest asks whether the void of an allowance is confirmed
// (English page: developers.ecpay.com.tw ?p=28509).
type B2BGetAllowanceInvalidConfirmRequest struct{ AllowanceKey }

// Operation implements [Request].
func (*B2BGetAllowanceInvalidConfirmRequest) Operation() Operation {
	return opB2BGetAllowanceInvalidConfirm
}

// Validate implements [Request].
func (r *B2BGetAllowanceInvalidConfirmRequest) Validate() error {
	return r.validate(opB2BGetAllowanceInvalidConfirm)
}

// B2BGetAllowanceInvalidConfirm asks whether the void of an allowance is confirmed.
func (c *Client) B2BGetAllowanceInvalidConfirm(
	ctx context.Context, m *Merchant, r *B2BGetAllowanceInvalidConfirmRequest,
) (*B2BGetAllowanceInvalidConfirmResponse, error) {
	return call[B2BGetAllowanceInvalidConfirmResponse](ctx, c, m, r)
}

// B2BGetAllowanceInvalidConfirmResponse is what ECPay holds of it.
type B2BGetAllowanceInvalidConfirmResponse struct {
	RtnStatus
	RtnData Nested[B2BAllowanceVoidConfirm]
}

// B2BAllowanceVoidConfirm is the RtnData of GetAllowanceInvalidConfirm, which by the page of
// a sibling product (O'Pay) holds neither the number of the allowance nor the day of the
// confirm; what ECPay's answers name beside it is passed over.
type B2BAllowanceVoidConfirm struct {
	MerchantID        Text
	Seller_Identifier Text // ECPay's spelling
	Buyer_Identifier  Text
	CancelDate        Text
	// ExchangeStatus is "0" as long as nobody has confirmed, then "1"; see Confirmed.
	ExchangeStatus Text
	Upload_Status  Text
	Upload_Date    Text
	ConfirmRemark  Text
}

// Confirmed reports whether the other party has confirmed the void. An ExchangeStatus
// that is not there is none.
func (r *B2BGetAllowanceInvalidConfirmResponse) Confirmed() bool {
	return r.RtnData.Present && r.RtnData.Value.ExchangeStatus == "1"
}
