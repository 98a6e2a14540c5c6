package ecpay

import "context"

var opB2BReject = Operation{
	Name: "Reject", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BRejectResponse) },
}

// B2BRejectRequest rejects an invoice that the merchant received, before it confirms it
// (developers.ecpay.com.tw ?p=14870; English ?p=28418). It exists in exchange mode (交換)
// only, and the seller confirms it by RejectConfirm. What ECPay answers to a second
// rejection, or to one of a confirmed invoice, is unknown. GetReject tells whether it is
// rejected; Issue_Status "0" of GetIssue does, too.
type B2BRejectRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNumber is two capital letters and eight digits.
	InvoiceNumber string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// Reason has at most 20 characters.
	Reason string
	// Remark has at most 200 characters and may be empty.
	Remark string
}

// Operation implements [Request].
func (*B2BRejectRequest) Operation() Operation { return opB2BReject }

// Merchant implements [Request].
func (r *B2BRejectRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BRejectRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.text("Reason", &r.Reason, 20, true)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BReject)
}

// B2BReject rejects an invoice that the merchant received.
func (c *Client) B2BReject(ctx context.Context, m *Merchant, r *B2BRejectRequest) (*B2BRejectResponse, error) {
	return call[B2BRejectResponse](ctx, c, m, r)
}

// B2BRejectResponse has no fields of its own.
type B2BRejectResponse struct{ RtnStatus }
