package ecpay

import "context"

var opB2BIssueConfirm = Operation{
	Name: "IssueConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BIssueConfirmResponse) },
}

// B2BIssueConfirmRequest confirms an invoice that the merchant received
// (developers.ecpay.com.tw ?p=14855; English ?p=28403). It exists in exchange mode
// (交換) only. What ECPay answers to a second confirm is unknown; GetIssueConfirm, asked
// on the side of [Purchase], tells whether there was a first.
type B2BIssueConfirmRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNumber is two capital letters and eight digits.
	InvoiceNumber string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// Remark has at most 200 characters and may be empty.
	Remark string
}

// Operation implements [Request].
func (*B2BIssueConfirmRequest) Operation() Operation { return opB2BIssueConfirm }

// Merchant implements [Request].
func (r *B2BIssueConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BIssueConfirmRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BIssueConfirm)
}

// B2BIssueConfirm confirms an invoice that the merchant received.
func (c *Client) B2BIssueConfirm(ctx context.Context, m *Merchant, r *B2BIssueConfirmRequest) (*B2BIssueConfirmResponse, error) {
	return call[B2BIssueConfirmResponse](ctx, c, m, r)
}

// B2BIssueConfirmResponse has no fields of its own.
type B2BIssueConfirmResponse struct{ RtnStatus }
