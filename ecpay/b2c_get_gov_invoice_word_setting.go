package ecpay

import "context"

var opB2CGetGovInvoiceWordSetting = Operation{
	Name: "GetGovInvoiceWordSetting", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetGovInvoiceWordSettingRequest) },
	newResponse: func() Response { return new(B2CGetGovInvoiceWordSettingResponse) },
}

// B2CGetGovInvoiceWordSettingRequest asks for the ranges of invoice numbers (字軌) that the Ministry of
// Finance gave the merchant in a year (developers.ecpay.com.tw ?p=7859). RtnCode 7 may mean that ECPay
// is not authorised there.
type B2CGetGovInvoiceWordSettingRequest struct{ GovInvoiceWordQuery }

// Operation implements [Request].
func (*B2CGetGovInvoiceWordSettingRequest) Operation() Operation {
	return opB2CGetGovInvoiceWordSetting
}

// Validate implements [Request].
func (r *B2CGetGovInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2CGetGovInvoiceWordSetting)
}

// B2CGetGovInvoiceWordSetting asks for the ranges that the Ministry of Finance gave.
func (c *Client) B2CGetGovInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2CGetGovInvoiceWordSettingRequest,
) (*B2CGetGovInvoiceWordSettingResponse, error) {
	return call[B2CGetGovInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2CGetGovInvoiceWordSettingResponse lists the ranges.
type B2CGetGovInvoiceWordSettingResponse struct {
	RtnStatus
	InvoiceInfo Nested[[]GovInvoiceWord]
}

// GovInvoiceWord is a range of invoice numbers as the Ministry of Finance gave it.
type GovInvoiceWord struct {
	InvoiceWord
	// Number is how many books of 50 numbers the range has.
	Number Code `json:",omitempty"`
}

// InvoiceWord is a range of invoice numbers (字軌).
type InvoiceWord struct {
	// InvoiceTerm is 1 for January and February to 6 for November and December.
	InvoiceTerm Code `json:",omitempty"`
	// InvType is "07" general or "08" special.
	InvType Text `json:",omitempty"`
	// InvoiceHeader is the two letters, InvoiceStart and InvoiceEnd are the eight digits.
	InvoiceHeader Text `json:",omitempty"`
	InvoiceStart  Text `json:",omitempty"`
	InvoiceEnd    Text `json:",omitempty"`
}
