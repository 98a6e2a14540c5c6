package ecpay

var opInvalid = Operation{
	Name: "Invalid", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(InvalidResponse) },
}

// InvalidRequest voids a B2B invoice (developers.ecpay.com.tw ?p=14860). In
// exchange mode (交換) the void counts only once the counterparty confirms it.
type InvalidRequest struct {
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
func (*InvalidRequest) Operation() Operation { return opInvalid }

// Merchant implements [Request].
func (r *InvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *InvalidRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNumber(&r.InvoiceNumber)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.text("Reason", &r.Reason, 20, true)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opInvalid)
}

// InvalidResponse has no fields of its own.
type InvalidResponse struct{ Outcome }
