package ecpay

import "context"

// opB2BGetCompanyNameByTaxID: that 7 and 9000001 are no objection is inferred from B2C.
var opB2BGetCompanyNameByTaxID = Operation{
	Name: "GetCompanyNameByTaxID", Category: B2B,
	Success:     []int64{1, RtnNoCompany, RtnNoMinistry},
	newRequest:  func() Request { return new(B2BGetCompanyNameByTaxIDRequest) },
	newResponse: func() Response { return new(B2BGetCompanyNameByTaxIDResponse) },
}

// B2BGetCompanyNameByTaxIDRequest asks for the name of a company, as [B2CGetCompanyNameByTaxIDRequest]
// does, for a merchant that has B2B alone.
type B2BGetCompanyNameByTaxIDRequest struct {
	MerchantID string
	// UnifiedBusinessNo is a 統一編號: eight digits, with a check digit.
	UnifiedBusinessNo string
}

// Operation implements [Request].
func (*B2BGetCompanyNameByTaxIDRequest) Operation() Operation { return opB2BGetCompanyNameByTaxID }

// Merchant implements [Request].
func (r *B2BGetCompanyNameByTaxIDRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BGetCompanyNameByTaxIDRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.taxID("UnifiedBusinessNo", &r.UnifiedBusinessNo)
	return c.err(opB2BGetCompanyNameByTaxID)
}

// B2BGetCompanyNameByTaxID asks for the name of a company.
func (c *Client) B2BGetCompanyNameByTaxID(
	ctx context.Context, m *Merchant, r *B2BGetCompanyNameByTaxIDRequest,
) (*B2BGetCompanyNameByTaxIDResponse, error) {
	return call[B2BGetCompanyNameByTaxIDResponse](ctx, c, m, r)
}

// B2BGetCompanyNameByTaxIDResponse has the name, if RtnCode is 1.
type B2BGetCompanyNameByTaxIDResponse struct {
	RtnStatus
	// CompanyName is empty with [RtnNoCompany] and [RtnNoMinistry].
	CompanyName Text `json:",omitempty"`
}
