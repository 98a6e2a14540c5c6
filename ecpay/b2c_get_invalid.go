package ecpay

import "context"

var opB2CGetInvalid = Operation{
	Name: "GetInvalid", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetInvalidRequest) },
	newResponse: func() Response { return new(B2CGetInvalidResponse) },
}

// B2CGetInvalidRequest asks for the void of a B2C invoice (developers.ecpay.com.tw ?p=7933). All three
// keys are required: ECPay answers 2013001 without one, and RtnCode 2 for what is not voided.
type B2CGetInvalidRequest struct {
	MerchantID string
	// RelateNumber has at most 50 characters; ECPay ignores its case.
	RelateNumber string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
}

// Operation implements [Request].
func (*B2CGetInvalidRequest) Operation() Operation { return opB2CGetInvalid }

// Merchant implements [Request].
func (r *B2CGetInvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetInvalidRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.code("RelateNumber", &r.RelateNumber, 50)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	return c.err(opB2CGetInvalid)
}

// B2CGetInvalid asks for the void of a B2C invoice.
func (c *Client) B2CGetInvalid(ctx context.Context, m *Merchant, r *B2CGetInvalidRequest) (*B2CGetInvalidResponse, error) {
	return call[B2CGetInvalidResponse](ctx, c, m, r)
}

// B2CGetInvalidResponse is what ECPay holds of the void.
type B2CGetInvalidResponse struct {
	RtnStatus
	II_Invoice_No Text `json:",omitempty"` // ECPay's spelling
	// II_Date is when the invoice was voided, yyyy-MM-dd HH:mm:ss in Asia/Taipei.
	II_Date Text `json:",omitempty"`
	// II_Upload_Status is "1" once the void is uploaded.
	II_Upload_Status     Text `json:",omitempty"`
	II_Upload_Date       Text `json:",omitempty"`
	Reason               Text `json:",omitempty"`
	II_Seller_Identifier Text `json:",omitempty"`
	// II_Buyer_Identifier is 0000000000 for a buyer without a 統一編號.
	II_Buyer_Identifier Text `json:",omitempty"`
}
