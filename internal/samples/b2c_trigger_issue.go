package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cTriggerIssue = Sample{
	Type: "b2c:trigger_issue", Queue: "trigger_issue", Path: "/B2CInvoice/TriggerIssue",
	Command: "b2c-trigger-issue", Alias: "trigger-issue",
	Flags:        []string{"merchant-id", "tsr", "pay-type", "relate-number", "delay-day"},
	Subject:      tsr,
	Effects:      []string{ecpaytest.EffectIssued, ecpaytest.EffectScheduled, ecpaytest.EffectDelayReset},
	NamesSubject: true,
	Refusal:      ecpaytest.CodeNoSuchTsr,
	Answers:      map[string]Answer{"NotFound": {"retry", "NotFound"}}, // its staging may be under way
	Cases: []Case{
		{
			Name: "trigger at once", Payload: trigger(true, new(0)), Stage: stageDelayed(0), Effect: ecpaytest.EffectIssued,
			RtnCode: 4000004, Title: "Trigger, DelayDay 0", Outcomes: asked(NotFound),
		},
		// An invoice that is scheduled cannot be seen before the day of its issue.
		{
			Name: "trigger with delay", Payload: trigger(true, new(3)), Stage: stageDelayed(3), Effect: ecpaytest.EffectScheduled,
			RtnCode: 4000003, Title: "Trigger, DelayDay 3", Outcomes: always(Held),
		},
		// Not knowing the day, nobody can wait for it.
		{
			Name: "trigger, delay unknown", Payload: trigger(true, nil), Stage: stageDelayed(3), Effect: ecpaytest.EffectScheduled,
			RtnCode: 4000003, Title: "Trigger, DelayDay not given", Outcomes: always(Ambiguous),
		},
		{
			Name: "trigger, nothing to ask", Payload: trigger(false, new(0)), Stage: stageDelayed(0), Effect: ecpaytest.EffectIssued,
			RtnCode: 4000004, Title: "Trigger, no RelateNumber", Outcomes: always(Ambiguous),
		},
	},
}

func trigger(related bool, days *int) func(At) tasks.Payload {
	return func(a At) tasks.Payload {
		p := &tasks.B2CTriggerIssue{MerchantID: a.MerchantID, Tsr: a.Subject, DelayDay: days}
		if related {
			p.RelateNumber = a.RelateNumber
		}
		return p
	}
}
