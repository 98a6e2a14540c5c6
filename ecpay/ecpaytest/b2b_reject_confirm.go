package ecpaytest

var _ = endpoint(operation{
	name: "RejectConfirm", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run:     (*Server).b2bRejectConfirm,
	another: func(o *another) { o.invoice.Rejected = true },
})

// b2bRejectConfirm is B2B RejectConfirm, by the party whose invoice is rejected (documented).
func (s *Server) b2bRejectConfirm(r request) answer {
	return s.takeTurn(r, turn{
		effect: EffectRejectConfirmed, notBy: SidePurchase, from: []string{stateRejected}, to: stateRejectConfirmed,
		notAwaited: CodeRejectConfirmNotAwaited, repeated: CodeRejectConfirmRepeated,
	}, func(i *b2bInvoice) *deed { return &i.rejectConfirm })
}
