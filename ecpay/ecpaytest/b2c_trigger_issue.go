package ecpaytest

var _ = endpoint(operation{
	name: "TriggerIssue", category: "B2C", write: true, subject: []string{"Tsr"},
	run:     (*Server).b2cTriggerIssue,
	another: func(o *another) { o.delayed.Issued = false },
})

// b2cTriggerIssue is B2C TriggerIssue. Documented: 4000004 for DelayDay 0 and 4000003 for more, and
// 5070350 where no number is left. Recorded: 4000001 for an
// unknown Tsr; 4000003 for one with flag "1". A cancelled Tsr is taken for unknown (inferred). What a second trigger does
// is unknown, and here each has its effect again: a running delay starts anew, and an issued invoice gets a twin.
func (s *Server) b2cTriggerIssue(r request) answer {
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
		if !s.issue(d, s.calendar(r.at), r.at, r.seq) {
			return s.triggerAnswer(refuse(CodeNoNumbers), "")
		}
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
