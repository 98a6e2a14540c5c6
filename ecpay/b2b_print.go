package ecpay

// B2BPrint addresses a B2B invoice that is to be printed. ECPay calls its number InvoiceNo here, as in
// B2C.
type B2BPrint struct {
	MerchantID      string
	InvoiceCategory InvoiceCategory
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// PrintStyle is 1 A4 or 2 A5. 0 is left to ECPay: 1.
	PrintStyle int `json:",omitempty"`
}

// Merchant implements [Request].
func (r *B2BPrint) Merchant() string { return r.MerchantID }

func (r *B2BPrint) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceCategory(r.InvoiceCategory)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.between("PrintStyle", r.PrintStyle, 0, 2)
	return c.err(op)
}
