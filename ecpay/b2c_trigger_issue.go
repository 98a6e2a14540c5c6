package ecpay

import "context"

// RtnCodes of TriggerIssue.
const (
	// RtnScheduled means that the invoice will be issued after its DelayDay.
	RtnScheduled = 4000003
	// RtnIssued means that the invoice is issued now.
	RtnIssued = 4000004
)

// opB2CTriggerIssue: ECPay's table lists 4000003 and 4000004 only, its example
// shows 1, so 1 counts as accepted (?p=15371).
var opB2CTriggerIssue = Operation{
	Name: "TriggerIssue", Category: B2C, Write: true,
	Success: []int64{RtnScheduled, RtnIssued}, Accepted: []int64{1},
	newResponse: func() Response { return new(B2CTriggerIssueResponse) },
}

// B2CTriggerIssueRequest starts the issue of a delayed invoice that was staged with
// DelayFlag 2 (developers.ecpay.com.tw ?p=15371).
type B2CTriggerIssueRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
	// PayType is always "2"; empty becomes "2".
	PayType string
}

// Operation implements [Request].
func (*B2CTriggerIssueRequest) Operation() Operation { return opB2CTriggerIssue }

// Merchant implements [Request].
func (r *B2CTriggerIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CTriggerIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.code("Tsr", &r.Tsr, 30)
	if r.PayType == "" {
		r.PayType = "2"
	}
	c.oneOf("PayType", &r.PayType, "2")
	return c.err(opB2CTriggerIssue)
}

// B2CTriggerIssue starts the issue of a staged invoice.
func (c *Client) B2CTriggerIssue(ctx context.Context, m *Merchant, r *B2CTriggerIssueRequest) (*B2CTriggerIssueResponse, error) {
	return call[B2CTriggerIssueResponse](ctx, c, m, r)
}

// B2CTriggerIssueResponse does not carry the invoice number; [B2CGetIssueRequest]
// by RelateNumber does. ECPay's field table calls the Tsr OrderNumber, its
// example Tsr; either may be empty.
type B2CTriggerIssueResponse struct {
	RtnStatus
	Tsr         Text `json:",omitempty"`
	OrderNumber Text `json:",omitempty"`
}
