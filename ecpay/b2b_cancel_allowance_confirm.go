package ecpay

import "context"

var opB2BCancelAllowanceConfirm = Operation{
	Name: "CancelAllowanceConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BCancelAllowanceConfirmResponse) },
}

// B2BCancelAllowanceConfirmRequest confirms that an allowance is voided, which the other
// party did by CancelAllowance (developers.ecpay.com.tw ?p=28449). It exists in exchange
// mode (交換) only. What ECPay answers to a second confirm is unknown;
// GetAllowanceInvalidConfirm tells whether there was a first.
type B2BCancelAllowanceConfirmRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits; those of Allowance have 16 digits.
	AllowanceNo string
	// Remark has at most 200 characters and may be empty.
	Remark string
}

// Operation implements [Request].
func (*B2BCancelAllowanceConfirmRequest) Operation() Operation { return opB2BCancelAllowanceConfirm }

// Merchant implements [Request].
func (r *B2BCancelAllowanceConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BCancelAllowanceConfirmRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.allowanceNo(&r.AllowanceNo)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BCancelAllowanceConfirm)
}

// B2BCancelAllowanceConfirm confirms that an allowance is voided.
func (c *Client) B2BCancelAllowanceConfirm(
	ctx context.Context, m *Merchant, r *B2BCancelAllowanceConfirmRequest,
) (*B2BCancelAllowanceConfirmResponse, error) {
	return call[B2BCancelAllowanceConfirmResponse](ctx, c, m, r)
}

// B2BCancelAllowanceConfirmResponse has no fields of its own.
type B2BCancelAllowanceConfirmResponse struct{ RtnStatus }
