package ecpaytest

import (
	"math"
	"time"
)

var _ = endpoint(operation{
	name: "AllowanceByCollegiate", category: "B2C", write: true, subject: []string{"InvoiceNo"},
	run:     (*Server).b2cAllowanceByCollegiate,
	another: func(o *another) { o.delayed.SalesAmount = math.MaxInt32 },
})

// b2cAllowanceByCollegiate is B2C AllowanceByCollegiate (documented): it offers an allowance, which comes into being when the
// buyer agrees within 72 hours. Recorded: an open offer takes its amount from the invoice. Each call is an offer of its own.
// The mail is not sent, and ReturnURL is not called.
func (s *Server) b2cAllowanceByCollegiate(r request) answer {
	r.data.optional("ReturnURL", 200)
	a, refusal := s.allowanceFields(r, "E")
	if a == nil {
		return noAllowance(refusal)
	}
	a.state, a.online = statePending, true
	s.addAllowance(a, r.at)
	s.effect(r.at, EffectAllowanceOffered, r.merchant, a.invoice.number, r.seq, a.number)
	return a.answer(
		member{"IA_TempDate", a.offered.In(taipei).Format(time.DateTime)},
		member{"IA_TempExpireDate", a.expires.In(taipei).Format(time.DateTime)},
	)
}
