package ecpay

import "context"

var opB2BGetAllowanceConfirm = Operation{
	Name: "GetAllowanceConfirm", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetAllowanceConfirmRequest) },
	newResponse: func() Response { return new(B2BGetAllowanceConfirmResponse) },
}

// B2BGetAllowanceConfirmRequest asks whether a B2B allowance is confirmed
// (developers.ecpay.com.tw ?p=14973).
type B2BGetAllowanceConfirmRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
}

// Operation implements [Request].
func (*B2BGetAllowanceConfirmRequest) Operation() Operation { return opB2BGetAllowanceConfirm }

// Merchant implements [Request].
func (r *B2BGetAllowanceConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BGetAllowanceConfirmRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.allowanceNo(&r.AllowanceNo)
	return c.err(opB2BGetAllowanceConfirm)
}

// B2BGetAllowanceConfirm asks whether an allowance is confirmed.
func (c *Client) B2BGetAllowanceConfirm(
	ctx context.Context, m *Merchant, r *B2BGetAllowanceConfirmRequest,
) (*B2BGetAllowanceConfirmResponse, error) {
	return call[B2BGetAllowanceConfirmResponse](ctx, c, m, r)
}

// B2BGetAllowanceConfirmResponse tells the state of the confirmation.
type B2BGetAllowanceConfirmResponse struct {
	RtnStatus
	RtnData Nested[B2BAllowanceConfirm]
}

// AllowanceConfirm is the RtnData of GetAllowanceConfirm.
type B2BAllowanceConfirm struct {
	MerchantID        Text
	Seller_Identifier Text // ECPay's spelling
	Buyer_Identifier  Text
	AllowanceDate     Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty.
	Upload_Status Text
	Upload_Date   Text
	ConfirmRemark Text
}

// Confirmed reports whether the counterparty has confirmed the allowance.
func (r *B2BGetAllowanceConfirmResponse) Confirmed() bool {
	return r.RtnData.Present && r.RtnData.Value.ConfirmDate != ""
}

// UploadFailed reports Upload_Status 2, which is final and not "pending".
func (r *B2BGetAllowanceConfirmResponse) UploadFailed() bool {
	return r.RtnData.Present && r.RtnData.Value.Upload_Status == "2"
}
