package samples

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

var b2cDelayIssue = Sample{
	Type: "b2c:delay_issue", Queue: "issue", Path: "/B2CInvoice/DelayIssue",
	Command: "b2c-delay-issue",
	Flags: []string{
		"merchant-id", "relate-number", "channel-partner", "customer-id", "product-service-id", "customer-identifier", "customer-name",
		"customer-addr", "customer-phone", "customer-email", "clearance-mark", "print", "donation", "love-code", "carrier-type", "carrier-num",
		"carrier-num2", "tax-type", "zero-tax-rate-reason", "special-tax-type", "sales-amount", "tax-amount", "invoice-remark", "inv-type", "vat",
		"delay-flag", "delay-day", "tsr", "pay-type", "pay-act", "notify-url",
	},
	Subject: tsr,
	Effects: []string{ecpaytest.EffectDelayed},
	Refusal: ecpaytest.CodeDelayDay,
	Answers: map[string]Answer{"done all the same": {"retry", "Unknown"}}, // no query shows it, the repeat does
	Cases: []Case{{
		Name: "delay", Effect: ecpaytest.EffectDelayed, RtnCode: 1,
		Payload: func(a At) tasks.Payload {
			return &tasks.B2CDelayIssue{
				B2CInvoice: b2cInvoice(a.MerchantID, a.RelateNumber, 100),
				DelayFlag:  ecpay.DelayTriggered, Tsr: a.Subject, PayType: "2", PayAct: "ECPAY",
			}
		},
		Stage: func(*ecpaytest.Server, At) error { return nil },
		Title: "DelayIssue, B2C", Outcomes: map[Aftermath]string{
			Recorded: Done, Landed: DoneSentAgainAsked, Absent: DoneSentAgain, Late: DoneSentAgain,
			LandedRefused: Ambiguous, AbsentRefused: Ambiguous, AbsentUnknown: Ambiguous,
		},
	}},
}
