package ecpay

import "context"

var opB2BRejectConfirm = Operation{
	Name: "RejectConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BRejectConfirmResponse) },
}

// B2BRejectConfirmRequest confirms that an invoice which the merchant issued is rejected
// (developers.ecpay.com.tw ?p=14875; English ?p=28423). It exists in exchange mode (交換)
// only. What ECPay answers to a second confirm is unknown; GetRejectConfirm, asked on the
// side of [Sales], tells whether there was a first.
type B2BRejectConfirmRequest struct {
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
func (*B2BRejectConfirmRequest) Operation() Operation { return opB2BRejectConfirm }

// Merchant implements [Request].
func (r *B2BRejectConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BRejectConfirmRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opB2BRejectConfirm)
}

// B2BRejectConfirm confirms that an invoice of the merchant's is rejected.
func (c *Client) B2BRejectConfirm(
	ctx context.Context, m *Merchant, r *B2BRejectConfirmRequest,
) (*B2BRejectConfirmResponse, error) {
	return call[B2BRejectConfirmResponse](ctx, c, m, r)
}

// B2BRejectConfirmResponse has no fields of its own.
type B2BRejectConfirmResponse struct{ RtnStatus }
