package tasks

import (
	"fmt"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cGetIssue = Type{
	newPayload: func() Payload { return new(B2CGetIssue) },
	Queue:      "query",
	Fields: []Field{
		merchantIDField,
		{
			Name: "RelateNumber", Max: 50, Shown: true,
			En: "the shop's own number of the order, in any case, at most 50 characters", ZhTW: "特店自訂編號，即訂單編號（不分大小寫），至多 50 個字元",
		},
		{
			Name: "Days", Max: MaxIssueDays, Shown: true,
			En:   "for how many days an invoice that is not issued yet is asked for again, 0 to 30; 0 asks once",
			ZhTW: "發票尚未開立時持續查詢的天數，0 至 30；0 表示只查一次",
		},
		{
			Name: "TaskID", Shown: true,
			En:   "id of the task whose invoice it is, which is told its number; workers set it",
			ZhTW: "此發票所屬任務的識別碼，查得的號碼將記於該任務；由工作程序填寫",
		},
	},
	Wanted:     Anew,
	WaitsFor:   Issue,
	Behind:     true,
	AnyCase:    true,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// MaxIssueDays bounds for how long an invoice is asked for.
const MaxIssueDays = 30

// B2CGetIssue is the payload of b2c:get_issue, which asks for the invoice of an order.
type B2CGetIssue struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// RelateNumber is the shop's own number of the order, at most 50 characters.
	RelateNumber string
	// Days is for how many days, from the later of enqueue and process-at, it is asked again while
	// the invoice is not issued yet, at most [MaxIssueDays]; 0 asks once. One that asks again is an
	// intent of its own, with an id of its own. It is not sent.
	Days int `json:",omitempty"`
	// TaskID is the task whose invoice it is, empty for none: a worker enqueues such a question
	// when ECPay has taken a write that makes it issue an invoice, see [FollowOf]. It is not sent.
	TaskID string `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2CGetIssue) Request() ecpay.Request { return p.request() }

func (p *B2CGetIssue) request() *ecpay.B2CGetIssueRequest {
	return &ecpay.B2CGetIssueRequest{MerchantID: p.MerchantID, RelateNumber: p.RelateNumber}
}

// Validate implements [Payload].
func (p *B2CGetIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.RelateNumber = r.MerchantID, r.RelateNumber
	var beside []ecpay.FieldError
	if p.Days < 0 || p.Days > MaxIssueDays {
		beside = append(beside, ecpay.FieldError{Field: "Days", Problem: fmt.Sprintf("must be 0 to %d days", MaxIssueDays)})
	}
	if p.TaskID = strings.TrimSpace(p.TaskID); p.TaskID != "" && p.Days == 0 {
		beside = append(beside, ecpay.FieldError{Field: "Days", Problem: fmt.Sprintf("must be 1 to %d days with TaskID", MaxIssueDays)})
	}
	if p.TaskID != "" {
		if t, merchantID, bad := ParseID(p.TaskID); bad != nil || merchantID != p.MerchantID || !t.Issues {
			beside = append(beside, ecpay.FieldError{Field: "TaskID", Problem: "is no task of this merchant that has an invoice issued"})
		}
	}
	return join(r, err, beside)
}

func (p *B2CGetIssue) subject() []string {
	switch {
	case p.Days == 0:
		return []string{p.RelateNumber}
	case p.TaskID == "":
		return []string{p.RelateNumber, "until_issued"}
	default:
		return []string{p.RelateNumber, "of_task"}
	}
}

// waits is false where it belongs to a task: it ends with that, and is wanted anew with it.
func (p *B2CGetIssue) waits() bool { return p.Days > 0 && p.TaskID == "" }

// progress of an invoice that ECPay shows: it shows issued ones only.
func (*B2CGetIssue) progress(ecpay.Response) Progress { return Settled }

func (p *B2CGetIssue) days() int { return p.Days }

func (p *B2CGetIssue) taskID() string { return p.TaskID }
