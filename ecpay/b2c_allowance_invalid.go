package ecpay

import "context"

var opB2CAllowanceInvalid = Operation{
	Name: "AllowanceInvalid", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CAllowanceInvalidResponse) },
}

// B2CAllowanceInvalidRequest voids an allowance (developers.ecpay.com.tw ?p=7911), which
// gives its amount back to the invoice. ECPay voids those of two months until the 13th
// of the odd month that follows (?p=22086). A second void is told by 2000063; an
// unanswered one is asked about by [B2CGetAllowanceInvalidRequest].
type B2CAllowanceInvalidRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
	// Reason has at most 20 characters.
	Reason string
}

// Operation implements [Request].
func (*B2CAllowanceInvalidRequest) Operation() Operation { return opB2CAllowanceInvalid }

// Merchant implements [Request].
func (r *B2CAllowanceInvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CAllowanceInvalidRequest) Validate() error { return r.validate(opB2CAllowanceInvalid) }

func (r *B2CAllowanceInvalidRequest) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.allowanceNo(&r.AllowanceNo)
	c.text("Reason", &r.Reason, 20, true)
	return c.err(op)
}

// B2CAllowanceInvalid voids an allowance.
func (c *Client) B2CAllowanceInvalid(
	ctx context.Context, m *Merchant, r *B2CAllowanceInvalidRequest,
) (*B2CAllowanceInvalidResponse, error) {
	return call[B2CAllowanceInvalidResponse](ctx, c, m, r)
}

// B2CAllowanceInvalidResponse names the invoice whose allowance is voided.
type B2CAllowanceInvalidResponse struct {
	RtnStatus
	IA_Invoice_No Text `json:",omitempty"` // ECPay's spelling
}
