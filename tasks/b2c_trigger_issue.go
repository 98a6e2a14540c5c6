package tasks

import (
	"fmt"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cTriggerIssue = Type{
	newPayload: func() Payload { return new(B2CTriggerIssue) },
	Queue:      "trigger_issue",
	Alias:      "trigger-issue",
	Fields: []Field{
		merchantIDField, tsrField,
		{Name: "PayType", Shown: true, En: `always "2"`, ZhTW: "固定為 2"},
		relateNumberField,
		{
			Name: "DelayDay", Max: ecpay.MaxDelayDay, Shown: true,
			En: "delay in days given to DelayIssue, 0 to 15", ZhTW: "呼叫 DelayIssue 時的延遲天數，0 至 15",
		},
	},
	Shown:      ShownIsDone,
	WaitsFor:   Staging,
	UndoneBy:   "b2c:cancel_delay_issue",
	Issues:     true,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2CTriggerIssue is the payload of b2c:trigger_issue, which starts the issue of a
// staged invoice.
type B2CTriggerIssue struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
	// PayType is always "2"; empty becomes "2".
	PayType string
	// RelateNumber is the shop's own number given to DelayIssue, at most 50 characters,
	// by which a worker can ask ECPay; empty when unknown. It is not sent.
	RelateNumber string `json:",omitempty"`
	// DelayDay is the delay given to DelayIssue, 0 to 15 days, nil when unknown.
	// It is not sent.
	DelayDay *int `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2CTriggerIssue) Request() ecpay.Request { return p.request() }

func (p *B2CTriggerIssue) request() *ecpay.B2CTriggerIssueRequest {
	return &ecpay.B2CTriggerIssueRequest{MerchantID: p.MerchantID, Tsr: p.Tsr, PayType: p.PayType}
}

// Validate implements [Payload].
func (p *B2CTriggerIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.Tsr, p.PayType = r.MerchantID, r.Tsr, r.PayType
	beside := relateNumberProblems(&p.RelateNumber)
	if d := p.DelayDay; d != nil && (*d < 0 || *d > ecpay.MaxDelayDay) {
		beside = append(beside, ecpay.FieldError{
			Field: "DelayDay", Problem: fmt.Sprintf("must be 0 to %d days", ecpay.MaxDelayDay),
		})
	}
	return join(r, err, beside)
}

func (p *B2CTriggerIssue) subject() []string { return []string{p.Tsr} }

// ask asks GetIssue for the invoice.
func (p *B2CTriggerIssue) ask(tsrIsRelateNumber bool) *Ask {
	return askIssued(p.MerchantID, p.RelateNumber, p.Tsr, tsrIsRelateNumber)
}

// delay is that of the staged invoice.
func (p *B2CTriggerIssue) delay() Delay {
	if p.DelayDay == nil {
		return Delay{Applies: true}
	}
	return Delay{Applies: true, Known: true, Days: *p.DelayDay}
}

func (p *B2CTriggerIssue) issues(code int64) (Delay, bool) {
	if code == ecpay.RtnIssued {
		return Delay{Applies: true, Known: true}, true
	}
	return p.delay(), true
}
