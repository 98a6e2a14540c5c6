package ecpay

var opInvalidConfirm = Operation{
	Name: "InvalidConfirm", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(InvalidConfirmResponse) },
}

// InvalidConfirmRequest confirms a void that the merchant received
// (developers.ecpay.com.tw ?p=14865; English ?p=28413). It exists in exchange
// mode (交換) only.
type InvalidConfirmRequest struct {
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
func (*InvalidConfirmRequest) Operation() Operation { return opInvalidConfirm }

// Merchant implements [Request].
func (r *InvalidConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *InvalidConfirmRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNumber(&r.InvoiceNumber)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.text("Remark", &r.Remark, 200, false)
	return c.err(opInvalidConfirm)
}

// InvalidConfirmResponse has no fields of its own.
type InvalidConfirmResponse struct{ Outcome }
