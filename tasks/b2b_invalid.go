package tasks

import "github.com/ecpayq/ecpayq/ecpay"

// B2BInvalid is the payload of b2b:invalid, which voids a B2B invoice. Its fields are
// those of the request.
type B2BInvalid ecpay.B2BInvalidRequest

// Request implements [Payload].
func (p *B2BInvalid) Request() ecpay.Request { return (*ecpay.B2BInvalidRequest)(p) }

// Validate implements [Payload].
func (p *B2BInvalid) Validate() error { return p.Request().Validate() }

func (p *B2BInvalid) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// Ask asks GetInvalid, on the seller's side.
func (p *B2BInvalid) Ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetInvalidRequest{InvoiceKey: ecpay.InvoiceKey{
			MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
		}},
		Shows: func(r ecpay.Response) bool { return r.(*ecpay.B2BGetInvalidResponse).RtnData.Value.CancelDate != "" },
	}
}

// Delay is none: the effect can be seen at once.
func (*B2BInvalid) Delay() Delay { return Delay{} }

// Progress is Settled: nothing follows on success.
func (*B2BInvalid) Progress(ecpay.Response) Progress { return Settled }
