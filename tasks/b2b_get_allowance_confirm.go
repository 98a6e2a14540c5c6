package tasks

import "github.com/ecpayq/ecpayq/ecpay"

// B2BGetAllowanceConfirm is the payload of b2b:get_allowance_confirm, which asks whether
// an allowance is confirmed.
type B2BGetAllowanceConfirm struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
	// UntilConfirmed asks again until the allowance is confirmed or its upload
	// failed. It is an intent of its own, with an id of its own. It is not sent.
	UntilConfirmed bool `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2BGetAllowanceConfirm) Request() ecpay.Request { return p.request() }

func (p *B2BGetAllowanceConfirm) request() *ecpay.B2BGetAllowanceConfirmRequest {
	return &ecpay.B2BGetAllowanceConfirmRequest{MerchantID: p.MerchantID, AllowanceNo: p.AllowanceNo}
}

// Validate implements [Payload].
func (p *B2BGetAllowanceConfirm) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.AllowanceNo = r.MerchantID, r.AllowanceNo
	return err
}

func (p *B2BGetAllowanceConfirm) subject() []string {
	if p.UntilConfirmed {
		return []string{p.AllowanceNo, "until_confirmed"}
	}
	return []string{p.AllowanceNo}
}

// Ask returns nil: a query has no effect to ask about.
func (*B2BGetAllowanceConfirm) Ask(bool) *Ask { return nil }

// Delay is none: there is no effect.
func (*B2BGetAllowanceConfirm) Delay() Delay { return Delay{} }

// Progress of a question that was asked to wait until the allowance is confirmed.
func (p *B2BGetAllowanceConfirm) Progress(r ecpay.Response) Progress {
	resp, ok := r.(*ecpay.B2BGetAllowanceConfirmResponse)
	switch {
	case !p.UntilConfirmed || !ok || resp.Confirmed():
		return Settled
	case resp.UploadFailed():
		return Failed
	default:
		return Waiting
	}
}
