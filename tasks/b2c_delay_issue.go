package tasks

import (
	"slices"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cDelayIssue = Type{
	newPayload: func() Payload { return new(B2CDelayIssue) },
	Queue:      "issue",
	Fields: slices.Concat(b2cInvoiceFields, []Field{
		{
			Name: "DelayFlag", Shown: true,
			En:   "1 issues by itself after DelayDay days, 2 waits for TriggerIssue, then DelayDay days",
			ZhTW: "1 於 DelayDay 天後自動開立，2 等待 TriggerIssue 後再過 DelayDay 天",
		},
		{
			Name: "DelayDay", Max: ecpay.MaxDelayDay, Shown: true, En: "days, 1 to 15 with DelayFlag 1, 0 to 15 with 2",
			ZhTW: "天數：DelayFlag 為 1 時 1 至 15，為 2 時 0 至 15",
		},
		tsrField,
		{Name: "PayType", Shown: true, En: `always "2"`, ZhTW: "固定為 2"},
		{Name: "PayAct", Shown: true, En: `always "ECPAY"`, ZhTW: "固定為 ECPAY"},
		{
			Name: "NotifyURL", Max: 200, En: "where ECPay tells that the invoice is issued, at most 200 characters",
			ZhTW: "綠界通知發票已開立的網址，至多 200 個字元",
		},
	}),
	Shown:         ShownIsDone,
	SendUnasked:   true, // RelateNumber and Tsr are taken once
	AskOnConflict: true, // 5070357: the RelateNumber is used, perhaps by this very invoice
	RefusedIsDone: true, // no query shows an invoice that is not issued yet
	UndoneBy:      "b2c:cancel_delay_issue",
	BuyerData:     true,
	Issues:        true,
	MaxPayload:    256 << 10, MaxResult: 8 << 10,
}

// B2CDelayIssue is the payload of b2c:delay_issue, which stages an invoice that is issued later. Its
// fields are those of the request. It is stored sealed.
//
// An unanswered call is found out by another one: 5070357 says that the RelateNumber is used, and the
// order is the only one that has it.
type B2CDelayIssue ecpay.B2CDelayIssueRequest

// Request implements [Payload].
func (p *B2CDelayIssue) Request() ecpay.Request { return (*ecpay.B2CDelayIssueRequest)(p) }

// Validate implements [Payload].
func (p *B2CDelayIssue) Validate() error {
	return join(p.Request(), p.Request().Validate(), itemProblems(p, len(p.Items)))
}

func (p *B2CDelayIssue) subject() []string { return []string{p.Tsr} }

// ask asks GetIssue for the invoice, which is shown once it is issued. One of another amount is another
// order's, to which the shop gave the same number.
func (p *B2CDelayIssue) ask(bool) *Ask {
	return askInvoice(&p.B2CInvoice)
}

// issues is true of what waits for no trigger.
func (p *B2CDelayIssue) issues(int64) (Delay, bool) {
	return Delay{Applies: true, Known: true, Days: p.DelayDay}, p.DelayFlag == ecpay.DelayAuto
}
