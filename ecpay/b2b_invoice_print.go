package ecpay

import "context"

var opB2BInvoicePrint = Operation{
	Name: "InvoicePrint", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BInvoicePrintRequest) },
	newResponse: func() Response { return new(B2BInvoicePrintResponse) },
}

// B2BInvoicePrintRequest asks for a page by which an invoice is printed (developers.ecpay.com.tw
// ?p=14993; archive mode ?p=24311). It changes nothing and may be repeated. Its fields are those of
// ECPay's own .NET sample, and that its answer is that of B2C is inferred.
type B2BInvoicePrintRequest struct{ B2BPrint }

// Operation implements [Request].
func (*B2BInvoicePrintRequest) Operation() Operation { return opB2BInvoicePrint }

// Validate implements [Request].
func (r *B2BInvoicePrintRequest) Validate() error { return r.validate(opB2BInvoicePrint) }

// B2BInvoicePrint asks for a page by which an invoice is printed.
func (c *Client) B2BInvoicePrint(ctx context.Context, m *Merchant, r *B2BInvoicePrintRequest) (*B2BInvoicePrintResponse, error) {
	return call[B2BInvoicePrintResponse](ctx, c, m, r)
}

// B2BInvoicePrintResponse has the address of the page.
type B2BInvoicePrintResponse struct {
	RtnStatus
	// InvoiceHtml is the address, in B2C good for an hour from the answer. Who has it sees the invoice.
	InvoiceHtml Text `json:",omitempty"`
}
