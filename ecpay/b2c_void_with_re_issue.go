package ecpay

import "context"

var opB2CVoidWithReIssue = Operation{
	Name: "VoidWithReIssue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CVoidWithReIssueResponse) },
}

// B2CVoidWithReIssueRequest voids an invoice and issues it anew under the same number, RelateNumber
// and time (developers.ecpay.com.tw ?p=7918). ECPay does it until the 13th of the odd month that
// follows the period, and not again before the first one is uploaded (5070451). An unanswered call
// is found out by [Client.B2CGetIssue]: the random code is another, and so are the fields.
type B2CVoidWithReIssueRequest struct {
	MerchantID string
	VoidModel  B2CVoidModel
	IssueModel B2CIssueModel
}

// B2CVoidModel is the invoice that is voided.
type B2CVoidModel struct {
	// MerchantID becomes that of the request where it is empty: ECPay's own sample has it here.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// VoidReason has at most 20 characters.
	VoidReason string
}

// B2CIssueModel is the invoice that takes its place. Its RelateNumber is that of the first.
type B2CIssueModel struct {
	// B2CInvoice has a MerchantID, which becomes that of the request where it is empty.
	B2CInvoice
	// InvoiceDate is the time at which the invoice was issued first, yyyy-mm-dd hh:mm:ss in
	// Asia/Taipei: the IIS_Create_Date of GetIssue.
	InvoiceDate string
}

// Operation implements [Request].
func (*B2CVoidWithReIssueRequest) Operation() Operation { return opB2CVoidWithReIssue }

// Merchant implements [Request].
func (r *B2CVoidWithReIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CVoidWithReIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	for _, inner := range []*string{&r.VoidModel.MerchantID, &r.IssueModel.MerchantID} {
		if *inner == "" {
			*inner = r.MerchantID
		}
		if *inner != r.MerchantID {
			c.fail("MerchantID", "must be the same in VoidModel and IssueModel: leave it empty there")
			*inner = r.MerchantID
		}
	}
	c.invoiceNo(&r.VoidModel.InvoiceNo)
	c.text("VoidReason", &r.VoidModel.VoidReason, 20, true)
	if r.MerchantID != "" { // it is missed once
		r.IssueModel.check(&c)
	}
	c.dateTime("InvoiceDate", &r.IssueModel.InvoiceDate)
	return c.err(opB2CVoidWithReIssue)
}

// B2CVoidWithReIssue voids an invoice and issues it anew.
func (c *Client) B2CVoidWithReIssue(
	ctx context.Context, m *Merchant, r *B2CVoidWithReIssueRequest,
) (*B2CVoidWithReIssueResponse, error) {
	return call[B2CVoidWithReIssueResponse](ctx, c, m, r)
}

// B2CVoidWithReIssueResponse names the invoice: its number and time stay, its random code is new.
type B2CVoidWithReIssueResponse struct {
	RtnStatus
	B2CNumber
}
