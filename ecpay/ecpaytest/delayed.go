package ecpaytest

import (
	"cmp"
	"container/heap"
	"fmt"
	"strings"
	"time"
)

// The states of a delayed invoice, as State reports them.
const (
	statePending   = "pending"   // waits for a trigger
	stateScheduled = "scheduled" // is issued when its time comes
	stateIssued    = "issued"
	stateCancelled = "cancelled"
)

// delayed is one delayed invoice. Server.mu guards it.
type delayed struct {
	Delayed
	account     *merchant
	state       string
	due         time.Time // by the calendar, while scheduled
	scheduledAt time.Time // by the clock
	triggered   bool      // as opposed to scheduled by flag "1"
	invoices    []*issued // more than one if a client triggered it twice
}

// issued is one B2C invoice.
type issued struct {
	delayed *delayed
	number  string
	created time.Time
	random  string

	reissued bool      // by VoidWithReIssue
	voidedAt time.Time // by the calendar; zero: it is not
	reason   string

	allowances []*b2cAllowance // in the order in which they were made or offered

	upload upload
}

// upload is how the upload of an invoice to the Ministry of Finance stands.
type upload struct {
	status, date, turnkey string // IIS_Upload_Status, IIS_Upload_Date and IIS_Turnkey_Status
}

// scheduleIssue starts the delay of d, or starts it anew. The caller holds mu.
func (s *Server) scheduleIssue(d *delayed, at time.Time) {
	d.state = stateScheduled
	d.scheduledAt = at
	d.due = s.calendar(at).Add(time.Duration(d.DelayDay) * s.cfg.Day)
	heap.Push(&s.scheduled, slot{due: d.due, delayed: d})
	if d.NotifyURL != "" && s.cfg.Callback != nil { // else whoever looks first has it issued
		time.AfterFunc(d.due.Sub(s.calendar(at)), func() { s.IssueDue() })
	}
}

// issue makes an invoice of d, whether it has one or not, and reports whether there was a number for it. created is by the
// calendar, at by the clock. The caller holds mu.
func (s *Server) issue(d *delayed, created, at time.Time, seq int) bool {
	number, ok := s.takeNumber(d.account, categoryB2C, d.InvType, created, lettersB2C)
	if ok {
		i := s.mint(d, number, created)
		s.effect(at, EffectIssued, d.account, d.Tsr, seq, number)
		s.callback(d, i, at)
	}
	return ok
}

// lettersB2C are those of invoice numbers that come from no track.
const lettersB2C = "FK"

// mint makes an invoice of d, with a number that was taken, without an entry in the ledger. The caller holds mu.
func (s *Server) mint(d *delayed, number string, created time.Time) *issued {
	i := &issued{delayed: d, number: number, created: created.In(taipei), random: s.randomNumber()}
	d.state = stateIssued
	d.invoices = append(d.invoices, i)
	d.account.issued[i.number] = i
	return i
}

// addDelayed makes d known. The caller holds mu and has checked it.
func (s *Server) addDelayed(m *merchant, v Delayed, at time.Time) {
	d := &delayed{Delayed: v, account: m, state: statePending}
	m.delayed[v.Tsr] = d
	m.tsrs[strings.ToUpper(v.Tsr)] = true
	m.relate[strings.ToUpper(v.RelateNumber)] = d
	switch {
	case v.Issued:
		created := s.calendar(at)
		if day, err := time.ParseInLocation(time.DateOnly, v.InvoiceDate, taipei); err == nil {
			created = day
		}
		s.minted++
		i := s.mint(d, cmp.Or(v.InvoiceNo, fmt.Sprintf("%s%08d", lettersB2C, s.minted)), created)
		if v.ReIssued {
			i.reissue()
		}
		if v.Voided {
			i.voidedAt, i.reason = i.created, "staged"
		}
	case v.Cancelled:
		d.state = stateCancelled
	case v.DelayFlag == "1":
		s.scheduleIssue(d, at)
	}
}
