package ecpaytest

var opB2BInvalidConfirm = operation{
	name: "InvalidConfirm", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run: (*Server).b2bInvalidConfirm,
}

// b2bInvalidConfirm is B2B InvalidConfirm. Documented: exchange mode only, by the party that received the void. Every code
// but 1 and 6070004 is unknown. A second confirm has its effect again and answers a code nobody knows.
func (s *Server) b2bInvalidConfirm(r request) answer {
	f := r.data
	key := invoiceKey{f.pattern("InvoiceNumber", 10, invoiceNumber), f.date("InvoiceDate")}
	f.optional("Remark", 200)
	if a, ok := s.checked(f); !ok {
		return a
	}
	if r.merchant.Archive {
		return refuse(CodeConfirmArchiveMode)
	}
	view := r.merchant.invoices[key]
	if view == nil {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	if view.side == SideSales || i.state == stateValid || i.state == stateVoided {
		return refuse(CodeConfirmNotAwaited)
	}
	repeated := i.state == stateVoidConfirmed
	if repeated && s.cfg.RefuseRepeats {
		return refuse(CodeConfirmRepeated)
	}
	s.effect(r.at, EffectVoidConfirmed, r.merchant, i.InvoiceNumber, r.seq, "")
	if repeated {
		return refuse(CodeConfirmRepeated)
	}
	i.confirmedAt, i.state = r.at, stateVoidConfirmed
	return answer{code: CodeOK}
}
