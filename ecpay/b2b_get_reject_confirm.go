package ecpay

import "context"

var opB2BGetRejectConfirm = Operation{
	Name: "GetRejectConfirm", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetRejectConfirmRequest) },
	newResponse: func() Response { return new(B2BGetRejectConfirmResponse) },
}

// B2BGetRejectConfirmRequest asks whether a rejection is confirmed (English page:
// developers.ecpay.com.tw ?p=28489).
type B2BGetRejectConfirmRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetRejectConfirmRequest) Operation() Operation { return opB2BGetRejectConfirm }

// Validate implements [Request].
func (r *B2BGetRejectConfirmRequest) Validate() error { return r.validate(opB2BGetRejectConfirm) }

// B2BGetRejectConfirm asks whether a rejection is confirmed.
func (c *Client) B2BGetRejectConfirm(
	ctx context.Context, m *Merchant, r *B2BGetRejectConfirmRequest,
) (*B2BGetRejectConfirmResponse, error) {
	return call[B2BGetRejectConfirmResponse](ctx, c, m, r)
}

// B2BGetRejectConfirmResponse is what ECPay holds of it.
type B2BGetRejectConfirmResponse struct {
	RtnStatus
	RtnData Nested[B2BRejectionConfirm]
}

// B2BRejectionConfirm is the RtnData of GetRejectConfirm. The fields are those of a
// sibling product's page (O'Pay); what ECPay's answers name beside them is passed over.
type B2BRejectionConfirm struct {
	MerchantID        Text
	InvoiceNumber     Text
	Buyer_Identifier  Text // ECPay's spelling
	Seller_Identifier Text
	RejectDate        Text
	RejectReason      Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty.
	Upload_Status Text
	Upload_Date   Text
	ConfirmRemark Text
}
