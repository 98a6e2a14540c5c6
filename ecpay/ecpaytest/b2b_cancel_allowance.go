package ecpaytest

var _ = endpoint(operation{
	name: "CancelAllowance", category: "B2B", write: true, subject: []string{"AllowanceNo"},
	run: (*Server).b2bCancelAllowance,
})

// b2bCancelAllowance is B2B CancelAllowance (documented). Of two pages one has the buyer alone cancel and a later one the
// seller; that either side may, and before the confirm as well as after it, is our choice.
func (s *Server) b2bCancelAllowance(r request) answer {
	return s.takeAllowanceTurn(r, turn{
		effect: EffectAllowanceVoided, from: []string{stateUnconfirmed, stateAllowanceConfirmed}, to: stateAllowanceCancelled,
		reasoned: true, archive: true, notAwaited: CodeCancelNotAwaited, repeated: CodeCancelRepeated,
	}, func(view *allowanceView, done deed) {
		view.allowance.cancel, view.allowance.cancelledBy = done, view.side
		if r.merchant.Archive {
			view.allowance.takes(-1)
		}
	})
}
