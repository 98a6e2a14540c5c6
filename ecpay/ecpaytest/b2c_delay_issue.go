package ecpaytest

import "strings"

var _ = endpoint(operation{
	name: "DelayIssue", category: "B2C", write: true, subject: []string{"Tsr", "RelateNumber"},
	run:     (*Server).b2cDelayIssue,
	another: func(o *another) { o.delayed = Delayed{Tsr: "UNUSED"} }, // the numbers are free
})

// b2cDelayIssue is B2C DelayIssue (documented). Recorded: 5070357 for a RelateNumber that was used before, in any case.
func (s *Server) b2cDelayIssue(r request) answer {
	f := r.data
	tsr, flag := f.required("Tsr", 30), f.required("DelayFlag", 1)
	low := 0
	switch flag {
	case "1":
		low = 1
	case "2":
	default:
		f.complain(CodeFieldFormat, `DelayFlag must be "1" or "2"`)
	}
	days := f.integer("DelayDay")
	if days < low || days > 15 {
		f.refuse(CodeDelayDay)
	}
	if f.required("PayType", 1) != "2" {
		f.complain(CodeFieldFormat, `PayType must be "2"`)
	}
	if f.required("PayAct", 6) != "ECPAY" {
		f.complain(CodeFieldFormat, `PayAct must be "ECPAY"`)
	}
	notify := f.optional("NotifyURL", 200)
	d := s.issueFields(f)
	d.MerchantID, d.Tsr, d.DelayFlag, d.DelayDay, d.NotifyURL = r.merchant.MerchantID, tsr, flag, days, notify
	if a, ok := s.checked(f); !ok {
		return a
	}
	switch {
	case r.merchant.relate[strings.ToUpper(d.RelateNumber)] != nil:
		return refuse(CodeRelateNumberDup)
	case r.merchant.tsrs[strings.ToUpper(d.Tsr)]:
		return refuse(CodeTsrDup)
	}
	s.addDelayed(r.merchant, d, r.at)
	s.effect(r.at, EffectDelayed, r.merchant, d.Tsr, r.seq, "")
	return answer{code: CodeOK, msg: "新增成功", more: object{{"OrderNumber", d.Tsr}}}
}
