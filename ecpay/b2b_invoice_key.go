package ecpay

// InvoiceCategory tells B2B queries which side of the invoice the merchant is on.
type InvoiceCategory int

const (
	// Sales means that the merchant issued the invoice.
	Sales InvoiceCategory = 0
	// Purchase means that the merchant received the invoice.
	Purchase InvoiceCategory = 1
)

// InvoiceKey addresses one B2B invoice in a query. Its number and date are left out where
// a RelateNumber addresses it, see [B2BGetIssueRequest].
type InvoiceKey struct {
	MerchantID      string
	InvoiceCategory InvoiceCategory
	// InvoiceNumber is two capital letters and eight digits.
	InvoiceNumber string `json:",omitempty"`
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string `json:",omitempty"`
}

// Merchant implements [Request].
func (k *InvoiceKey) Merchant() string { return k.MerchantID }

func (k *InvoiceKey) validate(op Operation) error {
	var c check
	k.side(&c)
	k.number(&c)
	return c.err(op)
}

// side checks whose invoice it is.
func (k *InvoiceKey) side(c *check) {
	c.merchantID(&k.MerchantID)
	c.invoiceCategory(k.InvoiceCategory)
}

func (c *check) invoiceCategory(v InvoiceCategory) {
	if v != Sales && v != Purchase {
		c.fail("InvoiceCategory", "must be 0 (sales) or 1 (purchase)")
	}
}

// number checks which one it is.
func (k *InvoiceKey) number(c *check) {
	c.invoiceNumber(&k.InvoiceNumber)
	c.date("InvoiceDate", &k.InvoiceDate)
}
