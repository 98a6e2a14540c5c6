package ecpay

// A second cancel changes nothing (5070305), so cancel is resendable (?p=15382).
var opCancelDelayIssue = Operation{
	Name: "CancelDelayIssue", Category: B2C, Write: true, Resendable: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(CancelDelayIssueResponse) },
}

// CancelDelayIssueRequest cancels a delayed invoice that has not been issued
// (developers.ecpay.com.tw ?p=15382).
type CancelDelayIssueRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
}

// Operation implements [Request].
func (*CancelDelayIssueRequest) Operation() Operation { return opCancelDelayIssue }

// Merchant implements [Request].
func (r *CancelDelayIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *CancelDelayIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.code("Tsr", &r.Tsr, 30)
	return c.err(opCancelDelayIssue)
}

// CancelDelayIssueResponse has no fields of its own.
type CancelDelayIssueResponse struct{ Outcome }
