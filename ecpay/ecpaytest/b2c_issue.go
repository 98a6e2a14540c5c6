package ecpaytest

import (
	"strings"
	"time"
)

var opB2CIssue = operation{
	name: "Issue", category: "B2C", write: true, subject: []string{"RelateNumber"},
	run: (*Server).b2cIssue,
}

// b2cIssue is B2C Issue (documented). Recorded: 5070357 for a RelateNumber that was used before, in any case.
func (s *Server) b2cIssue(r request) answer {
	relate, amount := s.issueFields(r.data)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	if r.merchant.relate[strings.ToUpper(relate)] != nil {
		return refuse(CodeRelateNumberDup)
	}
	d := &delayed{Delayed: Delayed{MerchantID: r.merchant.MerchantID, RelateNumber: relate, SalesAmount: amount}, account: r.merchant}
	r.merchant.relate[strings.ToUpper(relate)] = d
	i := s.mint(d, s.calendar(r.at))
	s.effect(r.at, EffectIssued, r.merchant, relate, r.seq, i.number)
	return answer{code: CodeOK, msg: "開立發票成功", more: object{
		{"InvoiceNo", i.number}, {"InvoiceDate", i.created.Format(time.DateTime)}, {"RandomNumber", i.random},
	}}
}
