package ecpay

import "context"

var opB2CInvoicePrint = Operation{
	Name: "InvoicePrint", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CInvoicePrintRequest) },
	newResponse: func() Response { return new(B2CInvoicePrintResponse) },
}

// B2CInvoicePrintRequest asks for a page by which an invoice is printed (developers.ecpay.com.tw
// ?p=7949). It changes nothing and may be repeated. RtnCode 7 means that there is no such invoice, or
// none to print, as with a carrier.
type B2CInvoicePrintRequest struct {
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// PrintStyle is 1 one-sided, 2 two-sided, 3 thermal paper, and for a buyer with a 統一編號 4 A4 and 5
	// A5. 0 is left to ECPay: 1.
	PrintStyle int `json:",omitempty"`
	// IsShowingDetail is 1 to show the items, 2 to hide them. 0 is left to ECPay.
	IsShowingDetail int `json:",omitempty"`
	// IsReprintInvoice is "Y" to mark it as a reprint (補印), or empty.
	IsReprintInvoice string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CInvoicePrintRequest) Operation() Operation { return opB2CInvoicePrint }

// Merchant implements [Request].
func (r *B2CInvoicePrintRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CInvoicePrintRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.between("PrintStyle", r.PrintStyle, 0, 5)
	c.between("IsShowingDetail", r.IsShowingDetail, 0, 2)
	if r.IsReprintInvoice != "" {
		c.oneOf("IsReprintInvoice", &r.IsReprintInvoice, "Y")
	}
	return c.err(opB2CInvoicePrint)
}

// B2CInvoicePrint asks for a page by which an invoice is printed.
func (c *Client) B2CInvoicePrint(ctx context.Context, m *Merchant, r *B2CInvoicePrintRequest) (*B2CInvoicePrintResponse, error) {
	return call[B2CInvoicePrintResponse](ctx, c, m, r)
}

// B2CInvoicePrintResponse has the address of the page.
type B2CInvoicePrintResponse struct {
	RtnStatus
	// InvoiceHtml is the address, good for an hour from the answer. Who has it sees the invoice.
	InvoiceHtml Text `json:",omitempty"`
}
