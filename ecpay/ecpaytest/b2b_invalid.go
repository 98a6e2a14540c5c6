package ecpaytest

import "unicode/utf8"

var _ = endpoint(operation{
	name: "Invalid", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run: (*Server).b2bInvalid,
})

// b2bInvalid is B2B Invalid. Recorded: a bad Reason is refused before the invoice is looked for; 6070004 for an unknown number
// or wrong date. Documented: in exchange mode the void awaits the counterparty. What a second void does is unknown, and
// here it has its effect again and answers a code nobody knows; what one of a rejected invoice does, too: it has none.
func (s *Server) b2bInvalid(r request) answer {
	f := r.data
	var reason string
	if f.present("Reason") {
		reason = f.optional("Reason", 1<<20)
	}
	if f.refusal != nil || reason == "" || utf8.RuneCountInString(reason) > 20 {
		return refuse(CodeBadReason)
	}
	key, remark := f.invoiceKey(), f.optional("Remark", 200)
	if a, ok := s.checked(f); !ok {
		return a
	}
	view := r.merchant.invoices[key]
	if view == nil || view.side == SidePurchase {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	if !i.reject.at.IsZero() {
		return refuse(CodeVoidRejected)
	}
	repeated := i.voided()
	if repeated && s.cfg.RefuseRepeats {
		return refuse(CodeVoidRepeated)
	}
	if !repeated && i.allowed > 0 {
		return refuse(CodeAllowanceStands)
	}
	s.effect(r.at, EffectVoided, r.merchant, i.InvoiceNumber, r.seq, "")
	if repeated {
		return refuse(CodeVoidRepeated)
	}
	i.void, i.state = deed{r.at, reason, remark}, stateAwaitingConfirm
	if r.merchant.Archive {
		i.state = stateVoided
	}
	return answer{code: CodeOK}
}
