package ecpaytest

import (
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
}

// triggerIssue is B2C TriggerIssue. Documented: 4000004 for DelayDay 0 and 4000003 for more. Recorded: 4000001 for an
// unknown Tsr; 4000003 for one with flag "1". A cancelled Tsr is taken for unknown (inferred). What a second trigger does
// is unknown, and here each has its effect again: a running delay starts anew, and an issued invoice gets a twin.
func (s *Server) triggerIssue(r request) answer {
	tsr := r.data.required("Tsr", 30)
	if payType := r.data.required("PayType", 1); payType != "2" {
		r.data.complain(CodeFieldFormat, `PayType must be "2"`)
	}
	if a, ok := s.checked(r.data); !ok {
		return s.triggerAnswer(a, "")
	}
	d := r.merchant.delayed[tsr]
	switch {
	case d == nil || d.state == stateCancelled:
		return s.triggerAnswer(refuse(CodeNoSuchTsr), "")
	case d.state == stateScheduled && s.cfg.RefuseRepeats && d.triggered:
		return s.triggerAnswer(refuse(CodeTriggerScheduled), "")
	case d.state == stateIssued && s.cfg.RefuseRepeats:
		return s.triggerAnswer(refuse(CodeTriggerIssued), "")
	case d.state == stateIssued, d.DelayDay == 0:
		s.issue(d, s.calendar(r.at), r.at, r.seq)
		return s.triggerAnswer(answer{code: CodeIssued}, tsr)
	}
	name := EffectScheduled
	if d.state == stateScheduled {
		name = EffectDelayReset
	}
	s.scheduleIssue(d, r.at)
	d.triggered = true
	s.effect(r.at, name, d.account, tsr, r.seq, "")
	return s.triggerAnswer(answer{code: CodeScheduled}, tsr)
}

// triggerAnswer adds the Tsr, under the name that the page's example or its table gives it; blank on failure (documented).
func (s *Server) triggerAnswer(a answer, tsr string) answer {
	name := "Tsr"
	if s.cfg.TriggerOrderNumber {
		name = "OrderNumber"
	}
	a.more = object{{name, tsr}}
	return a
}

// cancelDelayIssue is B2C CancelDelayIssue. Documented: it cancels until the time has come; its example has RtnCode as a
// string. Recorded: 5070305 for an unknown or cancelled Tsr; for an issued one that is inferred.
func (s *Server) cancelDelayIssue(r request) answer {
	tsr := r.data.required("Tsr", 30)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	d := r.merchant.delayed[tsr]
	if d == nil || d.state == stateCancelled || d.state == stateIssued {
		return refuse(CodeNothingToCancel)
	}
	d.state = stateCancelled
	s.effect(r.at, EffectCancelled, d.account, tsr, r.seq, "")
	return answer{code: CodeOK, msg: "取消開立發票成功", asString: true}
}

// scheduleIssue starts the delay of d, or starts it anew. The caller holds mu.
func (s *Server) scheduleIssue(d *delayed, at time.Time) {
	d.state = stateScheduled
	d.scheduledAt = at
	d.due = s.calendar(at).Add(time.Duration(d.DelayDay) * s.cfg.Day)
	heap.Push(&s.scheduled, slot{due: d.due, delayed: d})
}

// issue makes an invoice of d, whether it has one or not. created is by the calendar, at by the clock. The caller holds
// mu.
func (s *Server) issue(d *delayed, created, at time.Time, seq int) {
	i := s.mint(d, created)
	s.effect(at, EffectIssued, d.account, d.Tsr, seq, i.number)
}

// mint is issue without the entry in the ledger. The caller holds mu.
func (s *Server) mint(d *delayed, created time.Time) *issued {
	s.minted++
	i := &issued{delayed: d, number: fmt.Sprintf("FK%08d", s.minted), created: created.In(taipei),
		random: fmt.Sprintf("%04d", s.minted*7919%10000)}
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
		s.mint(d, s.calendar(at))
	case v.Cancelled:
		d.state = stateCancelled
	case v.DelayFlag == "1":
		s.scheduleIssue(d, at)
	}
}
