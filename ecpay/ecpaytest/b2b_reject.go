package ecpaytest

var _ = endpoint(operation{
	name: "Reject", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run: (*Server).b2bReject,
})

// b2bReject is B2B Reject, by the party that received the invoice and refuses to confirm it (documented). That a bad Reason
// is not looked at first, as it is by Invalid, is our choice.
func (s *Server) b2bReject(r request) answer {
	return s.takeTurn(r, turn{
		effect: EffectRejected, notBy: SideSales, from: []string{stateValid}, to: stateRejected, reasoned: true,
		notAwaited: CodeRejectNotAwaited, repeated: CodeRejectRepeated,
	}, func(i *b2bInvoice) *deed { return &i.reject })
}
