package ecpay

import "context"

var opB2BGetIssue = Operation{
	Name: "GetIssue", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetIssueRequest) },
	newResponse: func() Response { return new(B2BGetIssueResponse) },
}

// B2BGetIssueRequest asks for a B2B invoice (developers.ecpay.com.tw ?p=14935).
type B2BGetIssueRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*B2BGetIssueRequest) Operation() Operation { return opB2BGetIssue }

// Validate implements [Request].
func (r *B2BGetIssueRequest) Validate() error { return r.validate(opB2BGetIssue) }

// B2BGetIssue asks for a B2B invoice.
func (c *Client) B2BGetIssue(ctx context.Context, m *Merchant, r *B2BGetIssueRequest) (*B2BGetIssueResponse, error) {
	return call[B2BGetIssueResponse](ctx, c, m, r)
}

// B2BGetIssueResponse is what ECPay holds of the invoice.
type B2BGetIssueResponse struct {
	RtnStatus
	RtnData Nested[B2BIssue]
}

// B2BIssue is the RtnData of B2B GetIssue, whose keys come in mixed case.
type B2BIssue struct {
	InvoiceNumber Text
	InvoiceDate   Text
	// Invalid_Status is "1" once the invoice is voided.
	Invalid_Status Text // ECPay's spelling
	Upload_Status  Text
}
