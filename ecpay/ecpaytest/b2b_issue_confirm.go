package ecpaytest

var _ = endpoint(operation{
	name: "IssueConfirm", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run: (*Server).b2bIssueConfirm,
})

// b2bIssueConfirm is B2B IssueConfirm, by the party that received the invoice (documented).
func (s *Server) b2bIssueConfirm(r request) answer {
	return s.takeTurn(r, turn{
		effect: EffectIssueConfirmed, notBy: SideSales, from: []string{stateValid}, to: stateConfirmed,
		notAwaited: CodeIssueConfirmNotAwaited, repeated: CodeIssueConfirmRepeated,
	}, func(i *b2bInvoice) *deed { return &i.issueConfirm })
}
