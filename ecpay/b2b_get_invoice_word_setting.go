package ecpay

import "context"

var opB2BGetInvoiceWordSetting = Operation{
	Name: "GetInvoiceWordSetting", Category: B2B,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2BGetInvoiceWordSettingRequest) },
	newResponse: func() Response { return new(B2BGetInvoiceWordSettingResponse) },
}

// B2BGetInvoiceWordSettingRequest asks for the ranges of invoice numbers (字軌) that the merchant has at
// ECPay for B2B (developers.ecpay.com.tw ?p=14845). RtnCode 7 means that there is none.
type B2BGetInvoiceWordSettingRequest struct{ InvoiceWordQuery }

// Operation implements [Request].
func (*B2BGetInvoiceWordSettingRequest) Operation() Operation { return opB2BGetInvoiceWordSetting }

// Validate implements [Request].
func (r *B2BGetInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2BGetInvoiceWordSetting)
}

// B2BGetInvoiceWordSetting asks for the ranges that the merchant has at ECPay.
func (c *Client) B2BGetInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2BGetInvoiceWordSettingRequest,
) (*B2BGetInvoiceWordSettingResponse, error) {
	return call[B2BGetInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2BGetInvoiceWordSettingResponse lists the ranges.
type B2BGetInvoiceWordSettingResponse struct {
	RtnStatus
	InvoiceInfo Nested[[]UsedInvoiceWord]
}
