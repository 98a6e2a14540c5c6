package ecpay

import "context"

var opB2BAllowanceConfirm = Operation{
	Name: "AllowanceConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BAllowanceConfirmResponse) },
}

// B2BAllowanceConfirmRequest confirms an allowance that the merchant received
// (developers.ecpay.com.tw ?p=14880; English ?p=28439). It exists in exchange mode (交換)
// only. What ECPay answers to a second confirm is unknown; GetAllowanceConfirm tells
// whether there was a first.
type B2BAllowanceConfirmRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits; those of Allowance have 16 digits.
	AllowanceNo string
	// Remark has at most 200 characters and may be empty.
	Remark string
}

// Operation implements [Request].
func (*B2BAllowanceConfirmRequest) Operation() Operation { return opB2BAllowanceConfirm }

// Merchant implements [Request].
func (r *B2BAllowanceConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BAllowanceConfirmRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.allowanceNo(&r.AllowanceNo)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BAllowanceConfirm)
}

// B2BAllowanceConfirm confirms an allowance that the merchant received.
func (c *Client) B2BAllowanceConfirm(
	ctx context.Context, m *Merchant, r *B2BAllowanceConfirmRequest,
) (*B2BAllowanceConfirmResponse, error) {
	return call[B2BAllowanceConfirmResponse](ctx, c, m, r)
}

// B2BAllowanceConfirmResponse has no fields of its own.
type B2BAllowanceConfirmResponse struct{ RtnStatus }
