package ecpay

import "context"

var opB2CDelayIssue = Operation{
	Name: "DelayIssue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CDelayIssueResponse) },
}

// DelayFlag values of [B2CDelayIssueRequest].
const (
	// DelayAuto issues by itself DelayDay days from now (1 to 15).
	DelayAuto = "1"
	// DelayTriggered waits for TriggerIssue, then DelayDay days (0 to 15).
	DelayTriggered = "2"
)

// B2CDelayIssueRequest stages a delayed invoice (developers.ecpay.com.tw ?p=15369).
type B2CDelayIssueRequest struct {
	B2CInvoice
	// DelayFlag is [DelayAuto] or [DelayTriggered].
	DelayFlag string
	DelayDay  int
	// Tsr is the transaction number, never reusable, at most 30 characters. Make
	// it equal to RelateNumber, so that one number addresses both.
	Tsr string
	// PayType is always "2" and PayAct "ECPAY"; empty becomes these.
	PayType   string
	PayAct    string
	NotifyURL string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CDelayIssueRequest) Operation() Operation { return opB2CDelayIssue }

// Validate implements [Request].
func (r *B2CDelayIssueRequest) Validate() error {
	var c check
	r.check(&c)
	c.oneOf("DelayFlag", &r.DelayFlag, DelayAuto, DelayTriggered)
	if least := 1; r.DelayDay < least && r.DelayFlag == DelayAuto || r.DelayDay < 0 || r.DelayDay > MaxDelayDay {
		c.fail("DelayDay", "must be 1 to %d days with DelayFlag 1, 0 to %d with DelayFlag 2", MaxDelayDay, MaxDelayDay)
	}
	c.code("Tsr", &r.Tsr, 30)
	if r.PayType == "" {
		r.PayType = "2"
	}
	c.oneOf("PayType", &r.PayType, "2")
	if r.PayAct == "" {
		r.PayAct = "ECPAY"
	}
	c.oneOf("PayAct", &r.PayAct, "ECPAY")
	c.text("NotifyURL", &r.NotifyURL, 200, false)
	return c.err(opB2CDelayIssue)
}

// MaxDelayDay is the longest delay ECPay accepts, in days.
const MaxDelayDay = 15

// B2CDelayIssue stages a delayed invoice.
func (c *Client) B2CDelayIssue(ctx context.Context, m *Merchant, r *B2CDelayIssueRequest) (*B2CDelayIssueResponse, error) {
	return call[B2CDelayIssueResponse](ctx, c, m, r)
}

// B2CDelayIssueResponse carries the Tsr as OrderNumber.
type B2CDelayIssueResponse struct {
	RtnStatus
	OrderNumber Text `json:",omitempty"`
}
