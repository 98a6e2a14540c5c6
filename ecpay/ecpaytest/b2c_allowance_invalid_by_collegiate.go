package ecpaytest

var _ = endpoint(operation{
	name: "AllowanceInvalidByCollegiate", category: "B2C", write: true, subject: []string{"AllowanceNo"},
	run:     (*Server).b2cAllowanceInvalidByCollegiate,
	another: func(o *another) { o.b2cAllowance = &B2CAllowance{Pending: true} },
})

// b2cAllowanceInvalidByCollegiate is B2C AllowanceInvalidByCollegiate (documented): it withdraws an offer. Recorded: 5070250 once the
// buyer has agreed. What is answered for one that was withdrawn before, or has expired, is unknown, and here it is a code
// nobody knows; what was never offered online is answered like an unknown allowance (our choice).
func (s *Server) b2cAllowanceInvalidByCollegiate(r request) answer {
	a, refusal := s.allowanceToVoid(r)
	switch {
	case refusal.code != 0:
		return noInvoice(refusal)
	case a == nil || !a.online:
		return noInvoice(refuse(CodeAllowanceUnknown))
	case a.exists():
		return noInvoice(refuse(CodeAllowanceAgreed))
	case a.state != statePending:
		return noInvoice(refuse(CodeOfferEnded))
	}
	a.state = stateCancelled
	s.effect(r.at, EffectAllowanceCancelled, r.merchant, a.number, r.seq, a.invoice.number)
	return answer{code: CodeOK, msg: "取消成功", more: object{{"IA_Invoice_No", a.invoice.number}}}
}
