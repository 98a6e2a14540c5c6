package ecpaytest

var _ = endpoint(operation{
	name: "InvalidConfirm", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run:     (*Server).b2bInvalidConfirm,
	another: func(o *another) { o.invoice.Voided = true },
})

// b2bInvalidConfirm is B2B InvalidConfirm, by the party that received the void (documented).
func (s *Server) b2bInvalidConfirm(r request) answer {
	return s.takeTurn(r, turn{
		effect: EffectVoidConfirmed, notBy: SideSales, from: []string{stateAwaitingConfirm}, to: stateVoidConfirmed,
		notAwaited: CodeConfirmNotAwaited, repeated: CodeConfirmRepeated,
	}, func(i *b2bInvoice) *deed { return &i.voidConfirm })
}
