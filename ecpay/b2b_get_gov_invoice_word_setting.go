package ecpay

import "context"

var opB2BGetGovInvoiceWordSetting = Operation{
	Name: "GetGovInvoiceWordSetting", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetGovInvoiceWordSettingRequest) },
	newResponse: func() Response { return new(B2BGetGovInvoiceWordSettingResponse) },
}

// B2BGetGovInvoiceWordSettingRequest asks for the ranges of invoice numbers (字軌) that the Ministry of
// Finance gave the merchant in a year (developers.ecpay.com.tw ?p=25206). RtnCode 7 may mean that ECPay
// is not authorised there.
type B2BGetGovInvoiceWordSettingRequest struct{ GovInvoiceWordQuery }

// Operation implements [Request].
func (*B2BGetGovInvoiceWordSettingRequest) Operation() Operation {
	return opB2BGetGovInvoiceWordSetting
}

// Validate implements [Request].
func (r *B2BGetGovInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2BGetGovInvoiceWordSetting)
}

// B2BGetGovInvoiceWordSetting asks for the ranges that the Ministry of Finance gave.
func (c *Client) B2BGetGovInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2BGetGovInvoiceWordSettingRequest,
) (*B2BGetGovInvoiceWordSettingResponse, error) {
	return call[B2BGetGovInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2BGetGovInvoiceWordSettingResponse lists the ranges.
type B2BGetGovInvoiceWordSettingResponse struct {
	RtnStatus
	InvoiceInfo Nested[[]GovInvoiceWord]
}
