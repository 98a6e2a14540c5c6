package tasks

import "github.com/ecpayq/ecpayq/ecpay"

// B2BInvalidConfirm is the payload of b2b:invalid_confirm, which confirms a void that
// the merchant received. Its fields are those of the request.
type B2BInvalidConfirm ecpay.B2BInvalidConfirmRequest

// Request implements [Payload].
func (p *B2BInvalidConfirm) Request() ecpay.Request { return (*ecpay.B2BInvalidConfirmRequest)(p) }

// Validate implements [Payload].
func (p *B2BInvalidConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BInvalidConfirm) subject() []string { return []string{p.InvoiceNumber, p.InvoiceDate} }

// Ask asks GetInvalidConfirm, on the side that received the invoice.
func (p *B2BInvalidConfirm) Ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetInvalidConfirmRequest{InvoiceKey: ecpay.InvoiceKey{
			MerchantID: p.MerchantID, InvoiceCategory: ecpay.Purchase, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
		}},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.B2BGetInvalidConfirmResponse).RtnData.Value.ConfirmDate != ""
		},
	}
}

// Delay is none: the effect can be seen at once.
func (*B2BInvalidConfirm) Delay() Delay { return Delay{} }

// Progress is Settled: nothing follows on success.
func (*B2BInvalidConfirm) Progress(ecpay.Response) Progress { return Settled }
