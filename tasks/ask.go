package tasks

import (
	"github.com/ecpayq/ecpayq/ecpay"
)

// Ask is how to find out whether a write took effect.
type Ask struct {
	// Request is a query of ECPay's.
	Request ecpay.Request
	// Shows reports whether a positive answer proves that the subject is in the
	// state that the write leads to or, for a cancel, forbids.
	Shows func(ecpay.Response) bool
}

// Delay is what is known of when the effect of a write can be seen.
type Delay struct {
	// Applies is false for writes whose effect can be seen at once.
	Applies bool
	// Known is false when Days is not.
	Known bool
	Days  int
}

// Progress is how far a query that waits for something has come.
type Progress uint8

// The values of Progress.
const (
	// Settled: there is nothing to wait for.
	Settled Progress = iota
	// Waiting: ask again later.
	Waiting
	// Failed: what is waited for will not come.
	Failed
)

// Ask asks GetIssue for the invoice.
func (p *TriggerIssue) Ask(tsrIsRelateNumber bool) *Ask {
	return p.issued(p.MerchantID, p.Tsr, tsrIsRelateNumber)
}

// Ask asks GetIssue for the invoice that was to be cancelled.
func (p *CancelDelayIssue) Ask(tsrIsRelateNumber bool) *Ask {
	return p.issued(p.MerchantID, p.Tsr, tsrIsRelateNumber)
}

// issued asks for an issued invoice by the RelateNumber that is known, or by the
// Tsr where the merchant uses one number for both. A number is never guessed:
// another order could own it.
func (a *Asking) issued(merchantID, tsr string, tsrIsRelateNumber bool) *Ask {
	number := a.RelateNumber
	if number == "" && tsrIsRelateNumber {
		number = tsr
	}
	if number == "" {
		return nil
	}
	return &Ask{
		Request: &ecpay.B2CGetIssueRequest{MerchantID: merchantID, RelateNumber: number},
		Shows:   func(ecpay.Response) bool { return true }, // only issued invoices are found
	}
}

// Ask asks GetInvalid, on the seller's side.
func (p *Invalid) Ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.GetInvalidRequest{InvoiceKey: ecpay.InvoiceKey{
			MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
		}},
		Shows: func(r ecpay.Response) bool { return r.(*ecpay.GetInvalidResponse).RtnData.Value.CancelDate != "" },
	}
}

// Ask asks GetInvalidConfirm, on the side that received the invoice.
func (p *InvalidConfirm) Ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.GetInvalidConfirmRequest{InvoiceKey: ecpay.InvoiceKey{
			MerchantID: p.MerchantID, InvoiceCategory: ecpay.Purchase, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
		}},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.GetInvalidConfirmResponse).RtnData.Value.ConfirmDate != ""
		},
	}
}

// Ask returns nil: a query has no effect to ask about.
func (p *GetAllowanceConfirm) Ask(bool) *Ask { return nil }

// Delay is that of the staged invoice.
func (p *TriggerIssue) Delay() Delay {
	if p.DelayDay == nil {
		return Delay{Applies: true}
	}
	return Delay{Applies: true, Known: true, Days: *p.DelayDay}
}

// Delay is none: the effect can be seen at once.
func (*CancelDelayIssue) Delay() Delay { return Delay{} }

// Delay is none: the effect can be seen at once.
func (*Invalid) Delay() Delay { return Delay{} }

// Delay is none: the effect can be seen at once.
func (*InvalidConfirm) Delay() Delay { return Delay{} }

// Delay is none: there is no effect.
func (*GetAllowanceConfirm) Delay() Delay { return Delay{} }

// Progress is Settled: nothing follows on success.
func (*TriggerIssue) Progress(ecpay.Response) Progress { return Settled }

// Progress is Settled: nothing follows on success.
func (*CancelDelayIssue) Progress(ecpay.Response) Progress { return Settled }

// Progress is Settled: nothing follows on success.
func (*Invalid) Progress(ecpay.Response) Progress { return Settled }

// Progress is Settled: nothing follows on success.
func (*InvalidConfirm) Progress(ecpay.Response) Progress { return Settled }

// Progress of a question that was asked to wait until the allowance is confirmed.
func (p *GetAllowanceConfirm) Progress(r ecpay.Response) Progress {
	resp, ok := r.(*ecpay.GetAllowanceConfirmResponse)
	switch {
	case !p.UntilConfirmed || !ok || resp.Confirmed():
		return Settled
	case resp.UploadFailed():
		return Failed
	default:
		return Waiting
	}
}
