package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bCancelAllowanceConfirm = Type{
	newPayload: func() Payload { return new(B2BCancelAllowanceConfirm) },
	Queue:      "invalid_confirm",
	Fields:     []Field{merchantIDField, allowanceNoField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BCancelAllowanceConfirm is the payload of b2b:cancel_allowance_confirm, which confirms
// that an allowance is void. Its fields are those of the request.
type B2BCancelAllowanceConfirm ecpay.B2BCancelAllowanceConfirmRequest

// Request implements [Payload].
func (p *B2BCancelAllowanceConfirm) Request() ecpay.Request {
	return (*ecpay.B2BCancelAllowanceConfirmRequest)(p)
}

// Validate implements [Payload].
func (p *B2BCancelAllowanceConfirm) Validate() error { return p.Request().Validate() }

func (p *B2BCancelAllowanceConfirm) subject() []string { return []string{p.AllowanceNo} }

// ask asks GetAllowanceInvalidConfirm, which both sides ask alike.
func (p *B2BCancelAllowanceConfirm) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetAllowanceInvalidConfirmRequest{AllowanceKey: ecpay.AllowanceKey{
			MerchantID: p.MerchantID, AllowanceNo: p.AllowanceNo,
		}},
		Shows: func(r ecpay.Response) bool { return r.(*ecpay.B2BGetAllowanceInvalidConfirmResponse).Confirmed() },
	}
}
