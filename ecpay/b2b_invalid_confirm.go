package ecpay

import "context"

var opB2BInvalidConfirm = Operation{
	Name: "InvalidConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BInvalidConfirmResponse) },
}

// B2BInvalidConfirmRequest confirms a void that the merchant received
// (developers.ecpay.com.tw ?p=14865; English ?p=28413). It exists in exchange
// mode (交換) only.
type B2BInvalidConfirmRequest struct {
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
func (*B2BInvalidConfirmRequest) Operation() Operation { return opB2BInvalidConfirm }

// Merchant implements [Request].
func (r *B2BInvalidConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BInvalidConfirmRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BInvalidConfirm)
}

// B2BInvalidConfirm confirms a void that the merchant received.
func (c *Client) B2BInvalidConfirm(ctx context.Context, m *Merchant, r *B2BInvalidConfirmRequest) (*B2BInvalidConfirmResponse, error) {
	return call[B2BInvalidConfirmResponse](ctx, c, m, r)
}

// B2BInvalidConfirmResponse has no fields of its own.
type B2BInvalidConfirmResponse struct{ RtnStatus }
