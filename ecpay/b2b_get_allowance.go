package ecpay

import "context"

var opB2BGetAllowance = Operation{
	Name: "GetAllowance", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetAllowanceRequest) },
	newResponse: func() Response { return new(B2BGetAllowanceResponse) },
}

// B2BGetAllowanceRequest asks for a B2B allowance (English pages:
// developers.ecpay.com.tw ?p=28494, archive mode ?p=29340).
type B2BGetAllowanceRequest struct{ AllowanceKey }

// Operation implements [Request].
func (*B2BGetAllowanceRequest) Operation() Operation { return opB2BGetAllowance }

// Validate implements [Request].
func (r *B2BGetAllowanceRequest) Validate() error { return r.validate(opB2BGetAllowance) }

// B2BGetAllowance asks for an allowance.
func (c *Client) B2BGetAllowance(
	ctx context.Context, m *Merchant, r *B2BGetAllowanceRequest,
) (*B2BGetAllowanceResponse, error) {
	return call[B2BGetAllowanceResponse](ctx, c, m, r)
}

// B2BGetAllowanceResponse is what ECPay holds of it.
type B2BGetAllowanceResponse struct {
	RtnStatus
	RtnData Nested[B2BAllowance]
}

// B2BAllowance is the RtnData of B2B GetAllowance, without the buyer's names and addresses.
// The fields are those of a sibling product's page (O'Pay); what ECPay's answers name
// beside them is passed over.
type B2BAllowance struct {
	MerchantID      Text
	AllowanceNo     Text
	AllowanceNumber Text
	// AllowanceType is a number whose meaning is not published.
	AllowanceType     Text
	Buyer_Identifier  Text // ECPay's spelling
	Seller_Identifier Text
	AllowanceDate     Text
	// TotalAmount is without tax, in New Taiwan dollars.
	TotalAmount Text
	TaxAmount   Text
	// Invalid_Status is "1" once the allowance is voided, else "0".
	Invalid_Status Text
	// ConfirmDate is empty as long as nobody has confirmed, and ExchangeStatus "0".
	ConfirmDate    Text
	ExchangeStatus Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty.
	Upload_Status Text
	Upload_Date   Text
	Remark        Text
	Items         []B2BAllowanceItem
}

// B2BAllowanceItem is a line of an allowance.
type B2BAllowanceItem struct {
	OriginalInvoiceNumber   Text
	OriginalInvoiceDate     Text
	OriginalSequenceNumber  Text
	OriginalDescription     Text
	AllowanceSequenceNumber Text
	Quantity                Text
	Unit                    Text
	UnitPrice               Text
	Amount                  Text
	Tax                     Text
	TaxType                 Text
	// BalanceAmount is what allowances may still take of the invoice.
	BalanceAmount Text
}
