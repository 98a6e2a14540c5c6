package ecpay

import "context"

var opB2CUpdateInvoiceWordStatus = Operation{
	Name: "UpdateInvoiceWordStatus", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CUpdateInvoiceWordStatusResponse) },
}

// B2CUpdateInvoiceWordStatusRequest turns a range of invoice numbers (字軌) on and off
// (developers.ecpay.com.tw ?p=7875). RtnCode 7 means that there is none of that TrackID. It may be
// repeated, and [Client.B2CGetInvoiceWordSetting] tells how the range stands.
type B2CUpdateInvoiceWordStatusRequest struct{ InvoiceWordStatus }

// Operation implements [Request].
func (*B2CUpdateInvoiceWordStatusRequest) Operation() Operation {
	return opB2CUpdateInvoiceWordStatus
}

// Validate implements [Request].
func (r *B2CUpdateInvoiceWordStatusRequest) Validate() error {
	return r.validate(opB2CUpdateInvoiceWordStatus)
}

// B2CUpdateInvoiceWordStatus turns a range on or off.
func (c *Client) B2CUpdateInvoiceWordStatus(
	ctx context.Context, m *Merchant, r *B2CUpdateInvoiceWordStatusRequest,
) (*B2CUpdateInvoiceWordStatusResponse, error) {
	return call[B2CUpdateInvoiceWordStatusResponse](ctx, c, m, r)
}

// B2CUpdateInvoiceWordStatusResponse has no fields of its own.
type B2CUpdateInvoiceWordStatusResponse struct{ RtnStatus }
