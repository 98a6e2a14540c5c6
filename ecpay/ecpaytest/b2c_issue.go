package ecpaytest

import "strings"

var _ = endpoint(operation{
	name: "Issue", category: "B2C", write: true, subject: []string{"RelateNumber"},
	run:     (*Server).b2cIssue,
	another: func(o *another) { o.delayed = Delayed{Tsr: "UNUSED"} }, // the number is free
})

// b2cIssue is B2C Issue. Documented: its fields, and 5070350 where no number is left. Recorded: 5070357 for a RelateNumber that was
// used before, in any case.
func (s *Server) b2cIssue(r request) answer {
	v := s.issueFields(r.data)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	if r.merchant.relate[strings.ToUpper(v.RelateNumber)] != nil {
		return refuse(CodeRelateNumberDup)
	}
	today := s.calendar(r.at)
	number, ok := s.takeNumber(r.merchant, categoryB2C, v.InvType, today, lettersB2C)
	if !ok {
		return refuse(CodeNoNumbers)
	}
	v.MerchantID = r.merchant.MerchantID
	d := &delayed{Delayed: v, account: r.merchant}
	r.merchant.relate[strings.ToUpper(v.RelateNumber)] = d
	i := s.mint(d, number, today)
	s.effect(r.at, EffectIssued, r.merchant, v.RelateNumber, r.seq, i.number)
	return answer{code: CodeOK, msg: "開立發票成功", more: i.named()}
}
