package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bAllowanceConfirm = Type{
	newPayload: func() Payload { return new(B2BAllowanceConfirm) },
	Queue:      "invalid_confirm",
	Fields:     []Field{merchantIDField, allowanceNoField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BAllowanceConfirm is the payload of b2b:allowance_confirm, which confirms an allowance
// that the merchant received. Its fields are those of the request.
type B2BAllowanceConfirm ecpay.B2BAllowanceConfirmRequest

// Request implements [Payload].
func (p *B2BAllowanceConfirm) Request() ecpay.Request { return (*ecpay.B2BAllowanceConfirmRequest)(p) }

// Validate implements [Payload].
func (p *B2BAllowanceConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BAllowanceConfirm) subject() []string { return []string{p.AllowanceNo} }

// ask asks GetAllowanceConfirm, which both sides ask alike. What is void is not confirmed any more.
func (p *B2BAllowanceConfirm) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetAllowanceConfirmRequest{MerchantID: p.MerchantID, AllowanceNo: p.AllowanceNo},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2BGetAllowanceConfirmResponse).Confirmed() },
		Bars:    []*Ask{askAllowanceVoided(p.MerchantID, p.AllowanceNo)},
	}
}
