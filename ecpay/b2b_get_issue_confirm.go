package ecpay

import "context"

var opB2BGetIssueConfirm = Operation{
	Name: "GetIssueConfirm", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetIssueConfirmRequest) },
	newResponse: func() Response { return new(B2BGetIssueConfirmResponse) },
}

// B2BGetIssueConfirmRequest asks whether the issue of an invoice is confirmed (English
// page: developers.ecpay.com.tw ?p=28469).
type B2BGetIssueConfirmRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetIssueConfirmRequest) Operation() Operation { return opB2BGetIssueConfirm }

// Validate implements [Request].
func (r *B2BGetIssueConfirmRequest) Validate() error { return r.validate(opB2BGetIssueConfirm) }

// B2BGetIssueConfirm asks whether the issue of an invoice is confirmed.
func (c *Client) B2BGetIssueConfirm(
	ctx context.Context, m *Merchant, r *B2BGetIssueConfirmRequest,
) (*B2BGetIssueConfirmResponse, error) {
	return call[B2BGetIssueConfirmResponse](ctx, c, m, r)
}

// B2BGetIssueConfirmResponse is what ECPay holds of the confirmation.
type B2BGetIssueConfirmResponse struct {
	RtnStatus
	RtnData Nested[B2BIssueConfirmation]
}

// B2BIssueConfirmation is the RtnData of GetIssueConfirm. The fields are those of a
// sibling product's page (O'Pay); what ECPay's answers name beside them is passed over.
type B2BIssueConfirmation struct {
	MerchantID        Text
	InvoiceNumber     Text
	InvoiceDate       Text
	Buyer_Identifier  Text // ECPay's spelling
	Seller_Identifier Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty on the
	// seller's side.
	Upload_Status Text
	Upload_Date   Text
	ConfirmRemark Text
}
