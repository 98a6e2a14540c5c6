package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bCancelAllowance = Type{
	newPayload: func() Payload { return new(B2BCancelAllowance) },
	Queue:      "invalid",
	Fields:     []Field{merchantIDField, allowanceNoField, voidReasonField, remarkField},
	Shown:      ShownIsDone,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BCancelAllowance is the payload of b2b:cancel_allowance, which voids a B2B allowance.
// Its fields are those of the request.
type B2BCancelAllowance ecpay.B2BCancelAllowanceRequest

// Request implements [Payload].
func (p *B2BCancelAllowance) Request() ecpay.Request { return (*ecpay.B2BCancelAllowanceRequest)(p) }

// Validate implements [Payload].
func (p *B2BCancelAllowance) Validate() error { return p.Request().Validate() }

func (p *B2BCancelAllowance) subject() []string { return []string{p.AllowanceNo} }

// ask asks GetAllowanceInvalid. If it was the other side that has cancelled, the allowance is void
// all the same, and it is for the merchant to confirm that.
func (p *B2BCancelAllowance) ask(bool) *Ask { return askAllowanceVoided(p.MerchantID, p.AllowanceNo) }
