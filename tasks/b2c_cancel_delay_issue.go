package tasks

import "github.com/ecpayq/ecpayq/ecpay"

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

// Ask asks GetIssue for the invoice that was to be cancelled.
func (p *B2CCancelDelayIssue) Ask(tsrIsRelateNumber bool) *Ask {
	return askIssued(p.MerchantID, p.RelateNumber, p.Tsr, tsrIsRelateNumber)
}

// Delay is none: the effect can be seen at once.
func (*B2CCancelDelayIssue) Delay() Delay { return Delay{} }

// Progress is Settled: nothing follows on success.
func (*B2CCancelDelayIssue) Progress(ecpay.Response) Progress { return Settled }
