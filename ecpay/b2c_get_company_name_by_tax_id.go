package ecpay

import "context"

// RtnCodes of GetCompanyNameByTaxID by which it has no name to tell, and no objection either.
const (
	// RtnNoCompany means that no public record has the 統一編號; it may be good all the same.
	RtnNoCompany = 7
	// RtnNoMinistry means that the Ministry of Finance did not answer.
	RtnNoMinistry = 9000001
)

// opB2CGetCompanyNameByTaxID: an invoice may be issued after 7 and 9000001 (?p=39192), so they are
// answers as good as a name.
var opB2CGetCompanyNameByTaxID = Operation{
	Name: "GetCompanyNameByTaxID", Category: B2C,
	Success:     []int64{1, RtnNoCompany, RtnNoMinistry},
	newRequest:  func() Request { return new(B2CGetCompanyNameByTaxIDRequest) },
	newResponse: func() Response { return new(B2CGetCompanyNameByTaxIDResponse) },
}

// B2CGetCompanyNameByTaxIDRequest asks for the name of a company (developers.ecpay.com.tw ?p=32089,
// ?p=39192). It is advice: only a malformed 統一編號 (2027000) and a wrong check digit (1200125) are
// refusals.
type B2CGetCompanyNameByTaxIDRequest struct {
	MerchantID string
	// UnifiedBusinessNo is a 統一編號: eight digits, with a check digit.
	UnifiedBusinessNo string
}

// Operation implements [Request].
func (*B2CGetCompanyNameByTaxIDRequest) Operation() Operation { return opB2CGetCompanyNameByTaxID }

// Merchant implements [Request].
func (r *B2CGetCompanyNameByTaxIDRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetCompanyNameByTaxIDRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.taxID("UnifiedBusinessNo", &r.UnifiedBusinessNo)
	return c.err(opB2CGetCompanyNameByTaxID)
}

// B2CGetCompanyNameByTaxID asks for the name of a company.
func (c *Client) B2CGetCompanyNameByTaxID(
	ctx context.Context, m *Merchant, r *B2CGetCompanyNameByTaxIDRequest,
) (*B2CGetCompanyNameByTaxIDResponse, error) {
	return call[B2CGetCompanyNameByTaxIDResponse](ctx, c, m, r)
}

// B2CGetCompanyNameByTaxIDResponse has the name, if RtnCode is 1.
type B2CGetCompanyNameByTaxIDResponse struct {
	RtnStatus
	// CompanyName is empty with [RtnNoCompany] and [RtnNoMinistry].
	CompanyName Text `json:",omitempty"`
}
