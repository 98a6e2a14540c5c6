package ecpay

import "context"

var opB2CGetAllowance = Operation{
	Name: "GetAllowance", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetAllowanceRequest) },
	newResponse: func() Response { return new(B2CGetAllowanceResponse) },
}

// B2CGetAllowanceRequest asks for one allowance by both its numbers
// (developers.ecpay.com.tw ?p=22118). The page has a SearchType; ECPay's PHP library sends
// none, and the stage host wants both numbers whatever it says: 2014001 without
// InvoiceNo, 2014003 without AllowanceNo. What is not there, as an offer that the buyer
// has not agreed to, is taken to be RtnCode 2, as in GetIssue; that is undocumented.
type B2CGetAllowanceRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
}

// Operation implements [Request].
func (*B2CGetAllowanceRequest) Operation() Operation { return opB2CGetAllowance }

// Merchant implements [Request].
func (r *B2CGetAllowanceRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetAllowanceRequest) Validate() error { return r.validate(opB2CGetAllowance) }

func (r *B2CGetAllowanceRequest) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.allowanceNo(&r.AllowanceNo)
	return c.err(op)
}

// B2CGetAllowance asks for one allowance.
func (c *Client) B2CGetAllowance(ctx context.Context, m *Merchant, r *B2CGetAllowanceRequest) (*B2CGetAllowanceResponse, error) {
	return call[B2CGetAllowanceResponse](ctx, c, m, r)
}

// B2CGetAllowanceResponse is the allowance, without a list around it.
type B2CGetAllowanceResponse struct {
	RtnStatus
	B2CAllowanceInfo
}

// B2CAllowanceInfo is what ECPay holds of an allowance, without the buyer's data. Amounts
// are dollars.
type B2CAllowanceInfo struct {
	// IA_Allow_No is the AllowanceNo of requests.
	IA_Allow_No   Text `json:",omitempty"` // ECPay's spelling
	IA_Invoice_No Text `json:",omitempty"`
	// IA_Date and IA_Invoice_Issue_Date are yyyy-MM-dd HH:mm:ss in Asia/Taipei: of the
	// allowance, and of its invoice.
	IA_Date               Text `json:",omitempty"`
	IA_Invoice_Issue_Date Text `json:",omitempty"`
	// IA_Invalid_Status is "1" once the allowance is voided.
	IA_Invalid_Status Text `json:",omitempty"`
	// IA_Upload_Status is "1" once it is at the Ministry of Finance.
	IA_Upload_Status Text `json:",omitempty"`
	IA_Upload_Date   Text `json:",omitempty"`
	IA_Tax_Type      Text `json:",omitempty"`
	// IA_Total_Tax_Amount is the AllowanceAmount: IA_Total_Amount without the tax, and
	// IA_Tax_Amount.
	IA_Total_Tax_Amount Text                           `json:",omitempty"`
	IA_Total_Amount     Text                           `json:",omitempty"`
	IA_Tax_Amount       Text                           `json:",omitempty"`
	Items               Nested[[]B2CAllowanceInfoItem] `json:",omitzero"`
}

// B2CAllowanceInfoItem is one line of an allowance that ECPay holds.
type B2CAllowanceInfoItem struct {
	ItemSeq     Text `json:",omitempty"`
	ItemName    Text `json:",omitempty"`
	ItemCount   Text `json:",omitempty"`
	ItemWord    Text `json:",omitempty"`
	ItemPrice   Text `json:",omitempty"`
	ItemTaxType Text `json:",omitempty"`
	// ItemRateAmt is the tax in ItemAmount.
	ItemRateAmt Text `json:",omitempty"`
	ItemAmount  Text `json:",omitempty"`
}
