package ecpay

import "context"

var opB2CGetInvoiceWordSetting = Operation{
	Name: "GetInvoiceWordSetting", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetInvoiceWordSettingRequest) },
	newResponse: func() Response { return new(B2CGetInvoiceWordSettingResponse) },
}

// B2CGetInvoiceWordSettingRequest asks for the ranges of invoice numbers (字軌) that the merchant has at
// ECPay (developers.ecpay.com.tw ?p=7881). RtnCode 7 means that there is none.
type B2CGetInvoiceWordSettingRequest struct{ InvoiceWordQuery }

// Operation implements [Request].
func (*B2CGetInvoiceWordSettingRequest) Operation() Operation { return opB2CGetInvoiceWordSetting }

// Validate implements [Request].
func (r *B2CGetInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2CGetInvoiceWordSetting)
}

// B2CGetInvoiceWordSetting asks for the ranges that the merchant has at ECPay.
func (c *Client) B2CGetInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2CGetInvoiceWordSettingRequest,
) (*B2CGetInvoiceWordSettingResponse, error) {
	return call[B2CGetInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2CGetInvoiceWordSettingResponse lists the ranges.
type B2CGetInvoiceWordSettingResponse struct {
	RtnStatus
	InvoiceInfo Nested[[]UsedInvoiceWord]
}

// UsedInvoiceWord is a range of invoice numbers as ECPay issues from it.
type UsedInvoiceWord struct {
	// TrackID is what UpdateInvoiceWordStatus knows the range by.
	TrackID     Text `json:",omitempty"`
	InvoiceYear Text `json:",omitempty"`
	InvoiceWord
	// InvoiceNo is the number that was used last (目前已使用號碼), empty before the first.
	InvoiceNo Text `json:",omitempty"`
	// UseStatus is one of [WordNew] to [WordRefused].
	UseStatus Code `json:",omitempty"`
}
