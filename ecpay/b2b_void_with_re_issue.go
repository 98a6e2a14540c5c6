package ecpay

import "context"

var opB2BVoidWithReIssue = Operation{
	Name: "VoidWithReIssue", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BVoidWithReIssueResponse) },
}

// B2BVoidWithReIssueRequest voids an invoice and issues it anew under the same number, RelateNumber
// and time (developers.ecpay.com.tw ?p=49927; archive mode ?p=50467). That 1 is its only success,
// and that [Client.B2BGetIssue] finds out an unanswered call, by its other random code and fields, is
// inferred; what ECPay answers to a second one is unknown.
type B2BVoidWithReIssueRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	VoidModel  B2BVoidModel
	// IssueModel is the invoice that takes its place. Its RelateNumber is that of the first, and its
	// InvoiceTime, which is required, the time at which that was issued: CreateDate of GetIssue.
	IssueModel B2BIssueModel
}

// B2BVoidModel is the invoice that is voided.
type B2BVoidModel struct {
	// InvoiceNumber is two capital letters and eight digits.
	InvoiceNumber string
	// VoidReason has at most 20 characters.
	VoidReason string
}

// Operation implements [Request].
func (*B2BVoidWithReIssueRequest) Operation() Operation { return opB2BVoidWithReIssue }

// Merchant implements [Request].
func (r *B2BVoidWithReIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request]. It checks what that of [B2BIssueRequest] does.
func (r *B2BVoidWithReIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNumber(&r.VoidModel.InvoiceNumber)
	c.text("VoidReason", &r.VoidModel.VoidReason, 20, true)
	c.present("InvoiceTime", r.IssueModel.InvoiceTime)
	c.b2bIssue(&r.IssueModel)
	return c.err(opB2BVoidWithReIssue)
}

// B2BVoidWithReIssue voids an invoice and issues it anew.
func (c *Client) B2BVoidWithReIssue(
	ctx context.Context, m *Merchant, r *B2BVoidWithReIssueRequest,
) (*B2BVoidWithReIssueResponse, error) {
	return call[B2BVoidWithReIssueResponse](ctx, c, m, r)
}

// B2BVoidWithReIssueResponse names the invoice: its number stays, its random code is new.
type B2BVoidWithReIssueResponse struct {
	RtnStatus
	InvoiceNumber Text `json:",omitempty"`
	RandomNumber  Text `json:",omitempty"`
}
