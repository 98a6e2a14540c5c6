package ecpay

import "context"

// opB2CGetIssueList is answered with Data that is plain JSON, not encrypted.
var opB2CGetIssueList = Operation{
	Name: "GetIssueList", Category: B2C,
	Success:     []int64{1},
	plainData:   true,
	newRequest:  func() Request { return new(B2CGetIssueListRequest) },
	newResponse: func() Response { return new(B2CGetIssueListResponse) },
}

// MaxNumPerPage is the most invoices that a page of GetIssueList has.
const MaxNumPerPage = 200

// B2CGetIssueListRequest asks for the invoices that were issued from BeginDate to EndDate, the newest
// first (developers.ecpay.com.tw ?p=17229). Invoices that are issued meanwhile move the others to
// later pages: who reads them all meets some twice. ECPay's filters, whose names begin with Query_,
// are not sent: a list is for comparing all of it.
type B2CGetIssueListRequest struct {
	MerchantID string
	// BeginDate and EndDate are days of issue in Asia/Taipei, yyyy-mm-dd.
	BeginDate string
	EndDate   string
	// NumPerPage is 1 to 200, ShowingPage 1 or more. An answer of more than [MaxResponseBytes] is not
	// read: shops whose invoices have hundreds of items ask for fewer.
	NumPerPage  int
	ShowingPage int
	// DataType is "1", JSON; empty becomes this. There is no reader for "2", CSV.
	DataType string
}

// Operation implements [Request].
func (*B2CGetIssueListRequest) Operation() Operation { return opB2CGetIssueList }

// Merchant implements [Request].
func (r *B2CGetIssueListRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetIssueListRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.date("BeginDate", &r.BeginDate)
	c.date("EndDate", &r.EndDate)
	if len(c.fields) == 0 && r.EndDate < r.BeginDate {
		c.fail("EndDate", "is before BeginDate")
	}
	c.between("NumPerPage", r.NumPerPage, 1, MaxNumPerPage)
	if r.ShowingPage < 1 {
		c.fail("ShowingPage", "must be 1 or more")
	}
	if r.DataType == "" {
		r.DataType = "1"
	}
	c.oneOf("DataType", &r.DataType, "1")
	return c.err(opB2CGetIssueList)
}

// B2CGetIssueList asks for a page of the invoices that were issued on some days.
func (c *Client) B2CGetIssueList(ctx context.Context, m *Merchant, r *B2CGetIssueListRequest) (*B2CGetIssueListResponse, error) {
	return call[B2CGetIssueListResponse](ctx, c, m, r)
}

// B2CGetIssueListResponse is a page.
type B2CGetIssueListResponse struct {
	RtnStatus
	// TotalCount is the number of invoices on all pages.
	TotalCount  Code
	ShowingPage Code
	// InvoiceData are the invoices, the newest first.
	InvoiceData Nested[[]B2CIssued]
}
