package ecpay

import "context"

var opB2BGetIssue = Operation{
	Name: "GetIssue", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetIssueRequest) },
	newResponse: func() Response { return new(B2BGetIssueResponse) },
}

// B2BGetIssueRequest asks for a B2B invoice (developers.ecpay.com.tw ?p=14935), by its
// number and date, by its RelateNumber, or by all of them.
type B2BGetIssueRequest struct {
	InvoiceKey
	// RelateNumber has at most 50 characters. That it may go alone is told of such queries
	// by a sibling product's page (O'Pay); ECPay's has it beside the number.
	RelateNumber string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2BGetIssueRequest) Operation() Operation { return opB2BGetIssue }

// Validate implements [Request].
func (r *B2BGetIssueRequest) Validate() error {
	var c check
	r.side(&c)
	if r.RelateNumber == "" || r.InvoiceNumber != "" || r.InvoiceDate != "" {
		r.number(&c)
	}
	if r.RelateNumber != "" {
		c.code("RelateNumber", &r.RelateNumber, 50)
	}
	return c.err(opB2BGetIssue)
}

// B2BGetIssue asks for a B2B invoice.
func (c *Client) B2BGetIssue(ctx context.Context, m *Merchant, r *B2BGetIssueRequest) (*B2BGetIssueResponse, error) {
	return call[B2BGetIssueResponse](ctx, c, m, r)
}

// B2BGetIssueResponse is what ECPay holds of the invoice.
type B2BGetIssueResponse struct {
	RtnStatus
	RtnData Nested[B2BIssue]
}

// B2BIssue is the RtnData of B2B GetIssue, whose keys come in mixed case, without the
// buyer's names and addresses. The fields beside Invalid_Status and RelateNumber are
// those of a sibling product's page (O'Pay).
type B2BIssue struct {
	InvoiceNumber     Text
	InvoiceDate       Text
	RelateNumber      Text
	Buyer_Identifier  Text // ECPay's spelling
	Seller_Identifier Text
	// SalesAmount is without tax, TotalAmount with TaxAmount, in New Taiwan dollars;
	// BalanceAmount is what allowances may still take of SalesAmount.
	SalesAmount   Text
	TaxAmount     Text
	TotalAmount   Text
	BalanceAmount Text
	RandomNumber  Text
	CreateDate    Text
	// Issue_Status is "0" once the invoice is rejected, else "1".
	Issue_Status Text
	// Invalid_Status is "1" once the invoice is voided.
	Invalid_Status Text
	// ExchangeMode is "0" in archive mode (存證) and "1" in exchange mode (交換), in which
	// ExchangeStatus is "1" and ConfirmDate a day once the buyer has confirmed.
	ExchangeMode   Text
	ExchangeStatus Text
	ConfirmDate    Text
	Upload_Status  Text
	Upload_Date    Text
}
