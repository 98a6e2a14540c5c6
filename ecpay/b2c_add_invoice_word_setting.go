package ecpay

import "context"

var opB2CAddInvoiceWordSetting = Operation{
	Name: "AddInvoiceWordSetting", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CAddInvoiceWordSettingResponse) },
}

// B2CAddInvoiceWordSettingRequest adds a range of invoice numbers (字軌) for ECPay to issue from
// (developers.ecpay.com.tw ?p=7870). An unanswered call is found out by [Client.B2CGetInvoiceWordSetting]: what
// ECPay answers to a range that it has already is unknown.
type B2CAddInvoiceWordSettingRequest struct{ NewInvoiceWord }

// Operation implements [Request].
func (*B2CAddInvoiceWordSettingRequest) Operation() Operation { return opB2CAddInvoiceWordSetting }

// Validate implements [Request].
func (r *B2CAddInvoiceWordSettingRequest) Validate() error {
	return r.validate(opB2CAddInvoiceWordSetting)
}

// B2CAddInvoiceWordSetting adds a range.
func (c *Client) B2CAddInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2CAddInvoiceWordSettingRequest,
) (*B2CAddInvoiceWordSettingResponse, error) {
	return call[B2CAddInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2CAddInvoiceWordSettingResponse has the number of the range.
type B2CAddInvoiceWordSettingResponse struct {
	RtnStatus
	// TrackID is what UpdateInvoiceWordStatus wants.
	TrackID Text `json:",omitempty"`
}
