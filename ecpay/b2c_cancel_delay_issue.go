package ecpay

import "context"

var opB2CCancelDelayIssue = Operation{
	Name: "CancelDelayIssue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CCancelDelayIssueResponse) },
}

// B2CCancelDelayIssueRequest cancels a delayed invoice that has not been issued
// (developers.ecpay.com.tw ?p=15382).
type B2CCancelDelayIssueRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
}

// Operation implements [Request].
func (*B2CCancelDelayIssueRequest) Operation() Operation { return opB2CCancelDelayIssue }

// Merchant implements [Request].
func (r *B2CCancelDelayIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CCancelDelayIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.code("Tsr", &r.Tsr, 30)
	return c.err(opB2CCancelDelayIssue)
}

// B2CCancelDelayIssue cancels a delayed invoice that is not issued yet.
func (c *Client) B2CCancelDelayIssue(
	ctx context.Context, m *Merchant, r *B2CCancelDelayIssueRequest,
) (*B2CCancelDelayIssueResponse, error) {
	return call[B2CCancelDelayIssueResponse](ctx, c, m, r)
}

// B2CCancelDelayIssueResponse has no fields of its own.
type B2CCancelDelayIssueResponse struct{ RtnStatus }
