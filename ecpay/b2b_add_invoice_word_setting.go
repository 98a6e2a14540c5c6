package ecpay

import "context"

var opB2BAddInvoiceWordSetting = Operation{
	Name: "AddInvoiceWordSetting", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BAddInvoiceWordSettingResponse) },
}

// B2BAddInvoiceWordSettingRequest adds a range of invoice numbers (字軌) for ECPay to issue from
// (developers.ecpay.com.tw ?p=14835). An unanswered call is found out by [Client.B2BGetInvoiceWordSetting]: what
// ECPay answers to a range that it has already is unknown.
type B2BAddInvoiceWordSettingRequest struct{ NewInvoiceWord }

// Operation implements [Request].
func (*B2BAddInvoiceWordSettingRequest) Operation() Operation { return opB2BAddInvoiceWordSetting }

// Validate implements [Request].
func (r *B2BAddInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2BAddInvoiceWordSetting)
}

// B2BAddInvoiceWordSetting adds a range.
func (c *Client) B2BAddInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2BAddInvoiceWordSettingRequest,
) (*B2BAddInvoiceWordSettingResponse, error) {
	return call[B2BAddInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2BAddInvoiceWordSettingResponse has the number of the range.
type B2BAddInvoiceWordSettingResponse struct {
	RtnStatus
	// TrackID is what UpdateInvoiceWordStatus wants.
	TrackID Text `json:",omitempty"`
}
