package ecpaytest

var opCancelDelayIssue = operation{
	name: "CancelDelayIssue", category: "B2C", write: true, subject: []string{"Tsr"},
	run: (*Server).cancelDelayIssue,
}

// cancelDelayIssue is B2C CancelDelayIssue. Documented: it cancels until the time has come; its example has RtnCode as a
// string, which Config.CancelCodeAsString turns on. Recorded: RtnCode is an integer; 5070305 for an unknown or cancelled Tsr; for an issued one that is inferred.
func (s *Server) cancelDelayIssue(r request) answer {
	tsr := r.data.required("Tsr", 30)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	d := r.merchant.delayed[tsr]
	if d == nil || d.state == stateCancelled || d.state == stateIssued {
		return refuse(CodeNothingToCancel)
	}
	d.state = stateCancelled
	s.effect(r.at, EffectCancelled, d.account, tsr, r.seq, "")
	return answer{code: CodeOK, msg: "取消開立發票成功", asString: s.cfg.CancelCodeAsString}
}
