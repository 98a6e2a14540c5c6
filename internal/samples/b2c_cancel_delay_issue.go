package samples

import (
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cCancelDelayIssue = Sample{
	Type: "b2c:cancel_delay_issue", Queue: "cancel_delay_issue", Path: "/B2CInvoice/CancelDelayIssue",
	Command: "b2c-cancel-delay-issue", Alias: "cancel-delay-issue",
	Flags:   []string{"merchant-id", "tsr", "relate-number", "void-reason"},
	Subject: tsr,
	Effects: []string{ecpaytest.EffectCancelled},
	Refusal: 2013001,
	// GetIssue does not tell that it is cancelled.
	Answers: map[string]Answer{"done all the same": {"retry", "Unknown"}},
	// A second cancel changes nothing, so it is sent at once. That it finds nothing
	// to cancel is the work of the first one, unless the invoice is issued: a
	// question tells. Any other refusal says nothing about the first one, nor does
	// a question.
	Cases: []Case{
		{
			Name: "cancel", Payload: cancel(true), Stage: stageDelayed(0), Effect: ecpaytest.EffectCancelled, RtnCode: 1,
			Title: "Cancel", Outcomes: map[Aftermath]string{
				Recorded: Done, Landed: DoneSentAgainAsked, Absent: DoneSentAgain, Late: DoneSentAgain,
				LandedRefused: Ambiguous, AbsentRefused: Ambiguous, AbsentUnknown: Ambiguous,
			},
		},
		{
			Name: "cancel, nothing to ask", Payload: cancel(false), Stage: stageDelayed(0), Effect: ecpaytest.EffectCancelled, RtnCode: 1,
			Title: "Cancel, no RelateNumber", Outcomes: map[Aftermath]string{
				Recorded: Done, Landed: Ambiguous, Absent: DoneSentAgain, Late: DoneSentAgain,
				LandedRefused: Ambiguous, AbsentRefused: Ambiguous, AbsentUnknown: Ambiguous,
			},
		},
	},
}

func cancel(related bool) func(At) tasks.Payload {
	return func(a At) tasks.Payload {
		p := &tasks.B2CCancelDelayIssue{MerchantID: a.MerchantID, Tsr: a.Subject}
		if related {
			p.RelateNumber = a.RelateNumber
		}
		return p
	}
}
