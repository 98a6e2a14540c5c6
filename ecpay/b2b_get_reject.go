package ecpay

import "context"

var opB2BGetReject = Operation{
	Name: "GetReject", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetRejectRequest) },
	newResponse: func() Response { return new(B2BGetRejectResponse) },
}

// B2BGetRejectRequest asks for the rejection of a B2B invoice (English page of its
// confirm: developers.ecpay.com.tw ?p=28489). ECPay's own sample sends a Reason and no
// InvoiceCategory; its pages name the keys that all these queries have.
type B2BGetRejectRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetRejectRequest) Operation() Operation { return opB2BGetReject }

// Validate implements [Request].
func (r *B2BGetRejectRequest) Validate() error { return r.validate(opB2BGetReject) }

// B2BGetReject asks for the rejection of a B2B invoice.
func (c *Client) B2BGetReject(
	ctx context.Context, m *Merchant, r *B2BGetRejectRequest,
) (*B2BGetRejectResponse, error) {
	return call[B2BGetRejectResponse](ctx, c, m, r)
}

// B2BGetRejectResponse is what ECPay holds of it.
type B2BGetRejectResponse struct {
	RtnStatus
	RtnData Nested[B2BRejection]
}

// B2BRejection is the RtnData of GetReject. The fields are those of a sibling product's
// page (O'Pay); what ECPay's answers name beside them is passed over.
type B2BRejection struct {
	MerchantID        Text
	InvoiceNumber     Text
	Buyer_Identifier  Text // ECPay's spelling
	Seller_Identifier Text
	// RejectDate is the day of the rejection, empty if there is none.
	RejectDate   Text
	RejectReason Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty.
	Upload_Status Text
	Upload_Date   Text
	// ConfirmDate is empty until the seller confirms, and ExchangeStatus "0".
	ConfirmDate    Text
	ExchangeStatus Text
	Remark         Text
}
