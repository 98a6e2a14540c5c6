package ecpay

import "context"

var opB2BInvalid = Operation{
	Name: "Invalid", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BInvalidResponse) },
}

// B2BInvalidRequest voids a B2B invoice (developers.ecpay.com.tw ?p=14860). In
// exchange mode (交換) the void counts only once the counterparty confirms it.
type B2BInvalidRequest struct {
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
func (*B2BInvalidRequest) Operation() Operation { return opB2BInvalid }

// Merchant implements [Request].
func (r *B2BInvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BInvalidRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.text("Reason", &r.Reason, 20, true)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BInvalid)
}

// B2BInvalid voids a B2B invoice.
func (c *Client) B2BInvalid(ctx context.Context, m *Merchant, r *B2BInvalidRequest) (*B2BInvalidResponse, error) {
	return call[B2BInvalidResponse](ctx, c, m, r)
}

// B2BInvalidResponse has no fields of its own.
type B2BInvalidResponse struct{ RtnStatus }
