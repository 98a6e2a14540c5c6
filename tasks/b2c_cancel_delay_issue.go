package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cCancelDelayIssue = Type{
	newPayload: func() Payload { return new(B2CCancelDelayIssue) },
	Queue:      "cancel_delay_issue",
	Alias:      "cancel-delay-issue",
	Fields:     []Field{merchantIDField, tsrField, relateNumberField},

	Ahead:       true, // it races the hour of issue
	SendUnasked: true, // ECPay answers 5070305 to a second cancel (?p=15382)
	Shown:       ShownIsConflict,
	MaxPayload:  16 << 10, MaxResult: 8 << 10,
}

// B2CCancelDelayIssue is the payload of b2c:cancel_delay_issue, which cancels a delayed
// invoice that is not issued yet.
type B2CCancelDelayIssue struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
	// RelateNumber is the shop's own number given to DelayIssue, at most 50 characters,
	// by which a worker can ask ECPay; empty when unknown. It is not sent.
	RelateNumber string `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2CCancelDelayIssue) Request() ecpay.Request { return p.request() }

func (p *B2CCancelDelayIssue) request() *ecpay.B2CCancelDelayIssueRequest {
	return &ecpay.B2CCancelDelayIssueRequest{MerchantID: p.MerchantID, Tsr: p.Tsr}
}

// Validate implements [Payload].
func (p *B2CCancelDelayIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.Tsr = r.MerchantID, r.Tsr
	return join(r, err, relateNumberProblems(&p.RelateNumber))
}

func (p *B2CCancelDelayIssue) subject() []string { return []string{p.Tsr} }

// ask asks GetIssue for the invoice: what is issued was not cancelled.
func (p *B2CCancelDelayIssue) ask(tsrIsRelateNumber bool) *Ask {
	return askIssued(p.MerchantID, p.RelateNumber, p.Tsr, tsrIsRelateNumber)
}
