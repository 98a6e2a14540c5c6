package ecpay

import "context"

var opB2CGetIssue = Operation{
	Name: "GetIssue", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetIssueRequest) },
	newResponse: func() Response { return new(B2CGetIssueResponse) },
}

// B2CGetIssueRequest asks for an issued invoice, by RelateNumber or by
// InvoiceNo and InvoiceDate (developers.ecpay.com.tw ?p=7923). ECPay chooses by
// which keys are present, so keys that are not used are left out. A delayed
// invoice that is not issued yet is not found: RtnCode 2.
type B2CGetIssueRequest struct {
	MerchantID string
	// RelateNumber has at most 50 characters; ECPay ignores its case.
	RelateNumber string `json:",omitempty"`
	// InvoiceNo is two letters and eight digits.
	InvoiceNo string `json:",omitempty"`
	// InvoiceDate is yyyy-mm-dd.
	InvoiceDate string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CGetIssueRequest) Operation() Operation { return opB2CGetIssue }

// Merchant implements [Request].
func (r *B2CGetIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	switch byNumber := r.InvoiceNo != "" || r.InvoiceDate != ""; {
	case r.RelateNumber != "" && byNumber:
		c.fail("RelateNumber", "goes alone: leave InvoiceNo and InvoiceDate empty, or it")
	case byNumber:
		c.invoiceNo(&r.InvoiceNo)
		c.date("InvoiceDate", &r.InvoiceDate)
	default:
		c.code("RelateNumber", &r.RelateNumber, 50)
	}
	return c.err(opB2CGetIssue)
}

// B2CGetIssue asks for an issued B2C invoice.
func (c *Client) B2CGetIssue(ctx context.Context, m *Merchant, r *B2CGetIssueRequest) (*B2CGetIssueResponse, error) {
	return call[B2CGetIssueResponse](ctx, c, m, r)
}

// B2CGetIssueResponse is what ECPay holds of an issued invoice, without the
// buyer's data.
type B2CGetIssueResponse struct {
	RtnStatus
	B2CIssued
}

// B2CIssued is an issued invoice.
type B2CIssued struct {
	// IIS_Number is the invoice number.
	IIS_Number        Text `json:",omitempty"` // ECPay's spelling
	IIS_Relate_Number Text `json:",omitempty"`
	// IIS_Create_Date is yyyy-MM-dd HH:mm:ss in Asia/Taipei.
	IIS_Create_Date   Text `json:",omitempty"`
	IIS_Random_Number Text `json:",omitempty"`
	IIS_Sales_Amount  Text `json:",omitempty"`
	// IIS_Invalid_Status is "1" once the invoice is voided.
	IIS_Invalid_Status Text `json:",omitempty"`
	IIS_Issue_Status   Text `json:",omitempty"`
	IIS_Upload_Status  Text `json:",omitempty"`
	IIS_Upload_Date    Text `json:",omitempty"`
	// IIS_Turnkey_Status is what the Ministry of Finance did with the upload.
	IIS_Turnkey_Status Text `json:",omitempty"`
	// IIS_Remain_Allowance_Amt is what allowances have left of the invoice, in dollars
	// with tax. An allowance has no unique key: this, before and after, tells whether one
	// was made.
	IIS_Remain_Allowance_Amt Text `json:",omitempty"`
}
