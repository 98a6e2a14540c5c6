package ecpay

import "context"

var opB2CAllowanceInvalidByCollegiate = Operation{
	Name: "AllowanceInvalidByCollegiate", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CAllowanceInvalidByCollegiateResponse) },
}

// B2CAllowanceInvalidByCollegiateRequest withdraws an offer to which the buyer has not
// agreed yet (developers.ecpay.com.tw ?p=7913), which gives its amount back to the
// invoice. After that it is an allowance: 5070250, and [B2CAllowanceInvalidRequest] voids
// it. What a second withdrawal answers is undocumented, and no query shows offers; the
// IIS_Remain_Allowance_Amt of [B2CGetIssueResponse] tells what an unanswered one did.
type B2CAllowanceInvalidByCollegiateRequest B2CAllowanceInvalidRequest

// Operation implements [Request].
func (*B2CAllowanceInvalidByCollegiateRequest) Operation() Operation {
	return opB2CAllowanceInvalidByCollegiate
}

// Merchant implements [Request].
func (r *B2CAllowanceInvalidByCollegiateRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CAllowanceInvalidByCollegiateRequest) Validate() error {
	return (*B2CAllowanceInvalidRequest)(r).validate(opB2CAllowanceInvalidByCollegiate)
}

// B2CAllowanceInvalidByCollegiate withdraws the offer of an allowance.
func (c *Client) B2CAllowanceInvalidByCollegiate(
	ctx context.Context, m *Merchant, r *B2CAllowanceInvalidByCollegiateRequest,
) (*B2CAllowanceInvalidByCollegiateResponse, error) {
	return call[B2CAllowanceInvalidByCollegiateResponse](ctx, c, m, r)
}

// B2CAllowanceInvalidByCollegiateResponse names the invoice whose offer is withdrawn.
type B2CAllowanceInvalidByCollegiateResponse struct {
	RtnStatus
	IA_Invoice_No Text `json:",omitempty"` // ECPay's spelling
}
