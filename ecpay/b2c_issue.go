package ecpay

import "context"

var opB2CIssue = Operation{
	Name: "Issue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CIssueResponse) },
}

// B2CIssueRequest issues an invoice at once (developers.ecpay.com.tw ?p=7896). An unanswered call is
// found out by [Client.B2CGetIssue] with its RelateNumber; sent again it is refused with 5070357 if
// it was issued.
type B2CIssueRequest struct{ B2CInvoice }

// Operation implements [Request].
func (*B2CIssueRequest) Operation() Operation { return opB2CIssue }

// Validate implements [Request].
func (r *B2CIssueRequest) Validate() error {
	var c check
	r.check(&c)
	return c.err(opB2CIssue)
}

// B2CIssue issues an invoice.
func (c *Client) B2CIssue(ctx context.Context, m *Merchant, r *B2CIssueRequest) (*B2CIssueResponse, error) {
	return call[B2CIssueResponse](ctx, c, m, r)
}

// B2CIssueResponse names the invoice.
type B2CIssueResponse struct {
	RtnStatus
	B2CNumber
}

// B2CNumber is what an invoice is printed and drawn by. All of it is empty where nothing was issued.
type B2CNumber struct {
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo Text `json:",omitempty"`
	// InvoiceDate is yyyy-MM-dd HH:mm:ss in Asia/Taipei.
	InvoiceDate Text `json:",omitempty"`
	// RandomNumber is four digits.
	RandomNumber Text `json:",omitempty"`
}
