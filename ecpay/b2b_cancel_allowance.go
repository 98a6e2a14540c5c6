package ecpay

import "context"

var opB2BCancelAllowance = Operation{
	Name: "CancelAllowance", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BCancelAllowanceResponse) },
}

// B2BCancelAllowanceRequest voids an allowance (developers.ecpay.com.tw ?p=28444; archive
// mode ?p=29311, ?p=58168). In exchange mode (交換) the other party confirms it by
// CancelAllowanceConfirm. Who may cancel is told differently: a page of 2024 says that the
// tax office takes it from the buyer only (?p=29341), a later one that allowances are the
// seller's (?p=28434). What ECPay answers to a second one is unknown; Invalid_Status "1"
// of GetAllowance tells that there was a first, and GetAllowanceInvalid.
type B2BCancelAllowanceRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits; those of Allowance have 16 digits.
	AllowanceNo string
	// Reason has at most 20 characters.
	Reason string
	// Remark has at most 200 characters and may be empty.
	Remark string
}

// Operation implements [Request].
func (*B2BCancelAllowanceRequest) Operation() Operation { return opB2BCancelAllowance }

// Merchant implements [Request].
func (r *B2BCancelAllowanceRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BCancelAllowanceRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.allowanceNo(&r.AllowanceNo)
	c.text("Reason", &r.Reason, 20, true)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BCancelAllowance)
}

// B2BCancelAllowance voids an allowance.
func (c *Client) B2BCancelAllowance(
	ctx context.Context, m *Merchant, r *B2BCancelAllowanceRequest,
) (*B2BCancelAllowanceResponse, error) {
	return call[B2BCancelAllowanceResponse](ctx, c, m, r)
}

// B2BCancelAllowanceResponse has no fields of its own.
type B2BCancelAllowanceResponse struct{ RtnStatus }
