package record

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

// Outcome is one end of a task, or says that its invoice is issued. It can be read when asynq and the record have forgotten the task,
// and holds nothing of its payload but the subject, which the id names.
type Outcome struct {
	// Seq counts the outcomes of a merchant by one, from 1. It is below 2^53.
	Seq int64 `json:"seq"`
	// ID is that of the task, which may end several times: dead, and done after a replay.
	ID string `json:"id"`
	// Type is asynq's type name, empty for a task whose id does not say.
	Type       string `json:"type,omitempty"`
	MerchantID string `json:"merchant_id"`
	// Subject is what the task was about, in ECPay's names.
	Subject map[string]string `json:"subject,omitempty"`
	// State is one of [OutcomeStates].
	State string `json:"state"`
	// Kind is what it ended of; of what a person ended, what it had died of.
	Kind    string `json:"kind,omitempty"`
	RtnCode int64  `json:"rtn_code,omitempty"`
	RtnMsg  string `json:"rtn_msg,omitempty"`
	// Reason says why it is dead or stopped, in English and in Traditional Chinese.
	Reason   string          `json:"reason,omitempty"`
	ReasonZh string          `json:"reason_zh,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	// Invoice is what was issued for the task, of the State issued.
	Invoice *tasks.Invoice `json:"invoice,omitempty"`
	// At is when the end was recorded, by Redis' clock. It may fall where that clock is set back.
	At time.Time `json:"at"`

	// Cursor is where to go on after this one.
	Cursor string `json:"-"`
	// Position is its position in the outcomes of its merchant, see [OutcomeQuery.Positions].
	Position string `json:"-"`
}

// States of an [Outcome].
const (
	OutcomeDone      = "done"
	OutcomeDead      = "dead"
	OutcomeResolved  = "resolved"  // ended by a person's word
	OutcomeCancelled = "cancelled" // withdrawn before it was ever begun
	OutcomeStopped   = "stopped"   // dead, because a person archived it
	// OutcomeIssued is no end: it comes after one, or with it, when the number of the invoice is known.
	OutcomeIssued = "issued"
)

// OutcomeStates lists them.
func OutcomeStates() []string {
	return []string{OutcomeDone, OutcomeDead, OutcomeResolved, OutcomeCancelled, OutcomeStopped, OutcomeIssued}
}

// entry is an outcome with its position.
type entry struct {
	Outcome
	at, after position // after is the one before it
}

// parseInvoice reads a stored [tasks.Invoice], nil for what is none.
func parseInvoice(s string) *tasks.Invoice {
	var i tasks.Invoice
	if s == "" || json.Unmarshal([]byte(s), &i) != nil {
		return nil
	}
	return &i
}

// parseEntry reads an entry that ended.lua in tasks/ledger wrote.
func parseEntry(owner string, m redis.XMessage) entry {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	ms, seq, _ := strings.Cut(m.ID, "-")
	e := entry{at: position{Number(ms), Number(seq)}}
	if since := Number(text("since")); e.at.seq > 1 {
		e.after = position{e.at.ms - since, e.at.seq - 1}
	}
	e.Outcome = Outcome{
		Seq: e.at.seq, ID: text("id"), MerchantID: owner, State: text("state"), Kind: text("kind"),
		RtnCode: Number(text("rtn_code")), RtnMsg: text("rtn_msg"), Reason: text("reason"), ReasonZh: text("reason_zh"),
		At: time.UnixMilli(e.at.ms - Number(text("off"))).In(ecpay.Taipei), Position: e.at.String(),
	}
	if t, _, err := tasks.ParseID(e.ID); err == nil {
		e.Type, e.Subject = t.Name, t.SubjectOf(e.ID)
	}
	if e.State == OutcomeIssued {
		e.Invoice = parseInvoice(text("result"))
	} else if b := []byte(text("result")); len(b) > 0 && json.Valid(b) {
		e.Result = b
		var said struct {
			RtnCode int64
			RtnMsg  string
		}
		if json.Unmarshal(b, &said) == nil {
			e.RtnCode, e.RtnMsg = said.RtnCode, said.RtnMsg
		}
	}
	return e
}
