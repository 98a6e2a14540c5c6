package ecpay

import "context"

var opB2CInvalid = Operation{
	Name: "Invalid", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CInvalidResponse) },
}

// B2CInvalidRequest voids an issued B2C invoice (developers.ecpay.com.tw ?p=7906). ECPay
// voids those of two months until the 13th of the odd month that follows (?p=22081).
type B2CInvalidRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// Reason has at most 20 characters.
	Reason string
}

// Operation implements [Request].
func (*B2CInvalidRequest) Operation() Operation { return opB2CInvalid }

// Merchant implements [Request].
func (r *B2CInvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CInvalidRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.text("Reason", &r.Reason, 20, true)
	return c.err(opB2CInvalid)
}

// B2CInvalid voids a B2C invoice.
func (c *Client) B2CInvalid(ctx context.Context, m *Merchant, r *B2CInvalidRequest) (*B2CInvalidResponse, error) {
	return call[B2CInvalidResponse](ctx, c, m, r)
}

// B2CInvalidResponse names the invoice that is voided.
type B2CInvalidResponse struct {
	RtnStatus
	InvoiceNo Text `json:",omitempty"`
}
