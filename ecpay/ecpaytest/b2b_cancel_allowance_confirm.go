package ecpaytest

var _ = endpoint(operation{
	name: "CancelAllowanceConfirm", category: "B2B", write: true, subject: []string{"AllowanceNo"},
	run:     (*Server).b2bCancelAllowanceConfirm,
	another: func(o *another) { o.allowance.Cancelled = true },
})

// b2bCancelAllowanceConfirm is B2B CancelAllowanceConfirm, by the party that received the cancel (documented): the side that
// did not cancel.
func (s *Server) b2bCancelAllowanceConfirm(r request) answer {
	return s.takeAllowanceTurn(r, turn{
		effect: EffectCancelConfirmed, notByCanceller: true, from: []string{stateAllowanceCancelled}, to: stateCancelConfirmed,
		notAwaited: CodeCancelConfirmNotAwaited, repeated: CodeCancelConfirmRepeated,
	}, func(view *allowanceView, done deed) {
		view.allowance.cancelConfirm = done
		view.allowance.takes(-1)
	})
}
