package ecpaytest

import "strings"

var _ = endpoint(operation{
	name: "EditDelayIssue", category: "B2C", write: true, subject: []string{"Tsr", "RelateNumber"},
	run:     (*Server).b2cEditDelayIssue,
	another: func(o *another) { o.delayed.Issued = false },
})

// b2cEditDelayIssue is B2C EditDelayIssue (documented): the fields of Issue and a Tsr, with no field that steers the delay.
// Recorded: 1 while it is pending, 4000001 for an unknown Tsr. That one which is scheduled may be edited, and one that is
// issued or cancelled is answered like an unknown one, is our choice; so is that another RelateNumber must be free.
func (s *Server) b2cEditDelayIssue(r request) answer {
	f := r.data
	tsr := f.required("Tsr", 30)
	f.optional("NotifyURL", 200)
	v := s.issueFields(f)
	if a, ok := s.checked(f); !ok {
		return a
	}
	d := r.merchant.delayed[tsr]
	if d == nil || d.state != statePending && d.state != stateScheduled {
		return refuse(CodeNoSuchTsr)
	}
	if other := r.merchant.relate[strings.ToUpper(v.RelateNumber)]; other != nil && other != d {
		return refuse(CodeRelateNumberDup)
	}
	r.merchant.relate[strings.ToUpper(v.RelateNumber)] = d // the old one stays used, too
	d.RelateNumber, d.SalesAmount, d.Paperless = v.RelateNumber, v.SalesAmount, v.Paperless
	s.effect(r.at, EffectEdited, d.account, tsr, r.seq, "")
	return answer{code: CodeOK, msg: "更新成功"}
}
