package ecpay

import "context"

var opB2CGetAllowanceList = Operation{
	Name: "GetAllowanceList", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetAllowanceListRequest) },
	newResponse: func() Response { return new(B2CGetAllowanceListResponse) },
}

// SearchType values of [B2CGetAllowanceListRequest].
const (
	// ByAllowanceNo looks for one allowance.
	ByAllowanceNo = "0"
	// ByInvoiceDate looks for those of InvoiceNo, which was issued on Date.
	ByInvoiceDate = "1"
	// ByAllowanceDate looks for those of InvoiceNo that were made on Date.
	ByAllowanceDate = "2"
)

// B2CGetAllowanceListRequest asks for the allowances of an invoice, or for one by its
// number (developers.ecpay.com.tw ?p=7928). Offers that the buyer has not agreed to are
// not in it, so that it proves the absence of [B2CAllowanceRequest] alone, not of
// [B2CAllowanceByCollegiateRequest]. That none is RtnCode 2, as in GetIssue, is
// undocumented: where a second allowance would follow from it, IIS_Remain_Allowance_Amt
// of [B2CGetIssueResponse] has to say the same.
type B2CGetAllowanceListRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// SearchType is [ByAllowanceNo], [ByInvoiceDate] or [ByAllowanceDate].
	SearchType string
	// AllowanceNo has at most 16 letters and digits; for ByAllowanceNo alone.
	AllowanceNo string `json:",omitempty"`
	// InvoiceNo is two capital letters and eight digits; for the other two.
	InvoiceNo string `json:",omitempty"`
	// Date is yyyy-mm-dd in Asia/Taipei, with InvoiceNo.
	Date string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CGetAllowanceListRequest) Operation() Operation { return opB2CGetAllowanceList }

// Merchant implements [Request].
func (r *B2CGetAllowanceListRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetAllowanceListRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.oneOf("SearchType", &r.SearchType, ByAllowanceNo, ByInvoiceDate, ByAllowanceDate)
	switch r.SearchType {
	case ByAllowanceNo:
		c.allowanceNo(&r.AllowanceNo)
		if r.InvoiceNo+r.Date != "" {
			c.fail("SearchType", "0 goes with AllowanceNo alone: leave InvoiceNo and Date empty")
		}
	case ByInvoiceDate, ByAllowanceDate:
		c.invoiceNo(&r.InvoiceNo)
		c.date("Date", &r.Date)
		if r.AllowanceNo != "" {
			c.fail("SearchType", "1 and 2 go with InvoiceNo and Date: leave AllowanceNo empty")
		}
	}
	return c.err(opB2CGetAllowanceList)
}

// B2CGetAllowanceList asks for the allowances of an invoice.
func (c *Client) B2CGetAllowanceList(
	ctx context.Context, m *Merchant, r *B2CGetAllowanceListRequest,
) (*B2CGetAllowanceListResponse, error) {
	return call[B2CGetAllowanceListResponse](ctx, c, m, r)
}

// B2CGetAllowanceListResponse is the list. An answer without one, which is not Present,
// tells nothing.
type B2CGetAllowanceListResponse struct {
	RtnStatus
	AllowanceInfo Nested[[]B2CAllowanceInfo]
}
