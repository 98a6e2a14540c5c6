package ecpaytest

var _ = endpoint(operation{
	name: "AllowanceConfirm", category: "B2B", write: true, subject: []string{"AllowanceNo"},
	run:     (*Server).b2bAllowanceConfirm,
	another: func(o *another) { o.allowance.ConfirmDate = "" },
})

// b2bAllowanceConfirm is B2B AllowanceConfirm, by the party that received the allowance (documented), which is the buyer since
// sellers alone make them (documented).
func (s *Server) b2bAllowanceConfirm(r request) answer {
	return s.takeAllowanceTurn(r, turn{
		effect: EffectAllowanceConfirmed, notBy: SideSales, from: []string{stateUnconfirmed}, to: stateAllowanceConfirmed,
		notAwaited: CodeAllowanceConfirmNotAwaited, repeated: CodeAllowanceConfirmRepeated,
	}, func(view *allowanceView, done deed) {
		view.allowance.ConfirmDate, view.allowance.ConfirmRemark = done.day(), done.remark
	})
}
