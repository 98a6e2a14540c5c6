package ecpay

import "context"

var opB2CEditDelayIssue = Operation{
	Name: "EditDelayIssue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CEditDelayIssueResponse) },
}

// B2CEditDelayIssueRequest replaces the fields of a delayed invoice that is not issued yet
// (developers.ecpay.com.tw ?p=47979); the delay stays as it is. No query shows a pending one. That an
// unanswered call may be sent again, as it writes the same once more, is inferred.
type B2CEditDelayIssueRequest struct {
	B2CInvoice
	// Tsr is the transaction number of DelayIssue, at most 30 characters.
	Tsr       string
	NotifyURL string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CEditDelayIssueRequest) Operation() Operation { return opB2CEditDelayIssue }

// Validate implements [Request].
func (r *B2CEditDelayIssueRequest) Validate() error {
	var c check
	r.check(&c)
	c.code("Tsr", &r.Tsr, 30)
	c.text("NotifyURL", &r.NotifyURL, 200, false)
	return c.err(opB2CEditDelayIssue)
}

// B2CEditDelayIssue replaces the fields of a delayed invoice.
func (c *Client) B2CEditDelayIssue(ctx context.Context, m *Merchant, r *B2CEditDelayIssueRequest) (*B2CEditDelayIssueResponse, error) {
	return call[B2CEditDelayIssueResponse](ctx, c, m, r)
}

// B2CEditDelayIssueResponse tells no more than that it is done. What names the invoice is read if it
// is there.
type B2CEditDelayIssueResponse struct {
	RtnStatus
	OrderNumber Text `json:",omitempty"`
}
