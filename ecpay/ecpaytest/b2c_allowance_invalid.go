package ecpaytest

var _ = endpoint(operation{
	name: "AllowanceInvalid", category: "B2C", write: true, subject: []string{"AllowanceNo"},
	run:     (*Server).b2cAllowanceInvalid,
	another: func(o *another) { o.b2cAllowance = &B2CAllowance{} },
})

// b2cAllowanceInvalid is B2C AllowanceInvalid. Recorded: 2000039 for an unknown allowance, 2000063 for a second void. That an
// offer, and the number of another invoice's allowance, are answered like an unknown one is our choice.
func (s *Server) b2cAllowanceInvalid(r request) answer {
	a, refusal := s.allowanceToVoid(r)
	switch {
	case refusal.code != 0:
		return noInvoice(refusal)
	case a == nil || !a.exists():
		return noInvoice(refuse(CodeAllowanceUnknown))
	case a.state == stateVoided:
		return noInvoice(refuse(CodeAllowanceVoidedBefore))
	}
	a.state, a.voidedAt, a.reason = stateVoided, s.calendar(r.at), r.data.optional("Reason", 20)
	s.effect(r.at, EffectAllowanceVoided, r.merchant, a.number, r.seq, a.invoice.number)
	return answer{code: CodeOK, msg: "該折讓單已作廢", more: object{{"IA_Invoice_No", a.invoice.number}}}
}

// allowanceToVoid reads the fields that AllowanceInvalid and AllowanceInvalidByCollegiate share, and finds the allowance, if it
// is there.
func (s *Server) allowanceToVoid(r request) (*b2cAllowance, answer) {
	f := r.data
	invoice, number := f.pattern("InvoiceNo", 10, invoiceNumber), f.pattern("AllowanceNo", 16, allowanceNumber)
	f.required("Reason", 20)
	if refusal, ok := s.checked(f); !ok {
		return nil, refusal
	}
	return r.merchant.allowance(invoice, number), answer{}
}

// allowance returns the allowance, or the offer, of an invoice, or nil.
func (m *merchant) allowance(invoice, number string) *b2cAllowance {
	if a := m.b2cAllowances[number]; a != nil && a.invoice.number == invoice {
		return a
	}
	return nil
}

// noInvoice adds what a refusal says instead of the invoice (documented: it is empty).
func noInvoice(a answer) answer {
	a.more = object{{"IA_Invoice_No", ""}}
	return a
}
