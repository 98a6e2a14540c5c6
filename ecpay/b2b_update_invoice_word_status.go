package ecpay

import "context"

var opB2BUpdateInvoiceWordStatus = Operation{
	Name: "UpdateInvoiceWordStatus", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BUpdateInvoiceWordStatusResponse) },
}

// B2BUpdateInvoiceWordStatusRequest turns a range of invoice numbers (字軌) on and off
// (developers.ecpay.com.tw ?p=14840). RtnCode 7 means that there is none of that TrackID. It may be
// repeated, and [Client.B2BGetInvoiceWordSetting] tells how the range stands.
type B2BUpdateInvoiceWordStatusRequest struct{ InvoiceWordStatus }

// Operation implements [Request].
func (*B2BUpdateInvoiceWordStatusRequest) Operation() Operation {
	return opB2BUpdateInvoiceWordStatus
}

// Validate implements [Request].
func (r *B2BUpdateInvoiceWordStatusRequest) Validate() error {
	return r.validate(opB2BUpdateInvoiceWordStatus)
}

// B2BUpdateInvoiceWordStatus turns a range on or off.
func (c *Client) B2BUpdateInvoiceWordStatus(
	ctx context.Context, m *Merchant, r *B2BUpdateInvoiceWordStatusRequest,
) (*B2BUpdateInvoiceWordStatusResponse, error) {
	return call[B2BUpdateInvoiceWordStatusResponse](ctx, c, m, r)
}

// B2BUpdateInvoiceWordStatusResponse has no fields of its own.
type B2BUpdateInvoiceWordStatusResponse struct{ RtnStatus }
