package ecpaytest

import (
	"math"
	"time"
)

var _ = endpoint(operation{
	name: "Allowance", category: "B2C", write: true, subject: []string{"InvoiceNo"},
	run:     (*Server).b2cAllowance,
	another: func(o *another) { o.delayed.SalesAmount = math.MaxInt32 },
})

// b2cAllowance is B2C Allowance (documented). Nothing in it is unique: each call makes an allowance, as long as enough is
// left of the invoice.
func (s *Server) b2cAllowance(r request) answer {
	a, refusal := s.allowanceFields(r, "S", "E", "A", "N")
	if a == nil {
		return noAllowance(refusal)
	}
	a.state = stateIssued
	s.addAllowance(a, r.at)
	s.effect(r.at, EffectAllowanceIssued, r.merchant, a.invoice.number, r.seq, a.number)
	return a.answer(member{"IA_Date", a.made.In(taipei).Format(time.DateTime)})
}
