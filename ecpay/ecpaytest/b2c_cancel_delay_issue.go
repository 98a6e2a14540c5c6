package ecpaytest

import "time"

var _ = endpoint(operation{
	name: "CancelDelayIssue", category: "B2C", write: true, subject: []string{"Tsr"},
	run:     (*Server).b2cCancelDelayIssue,
	another: func(o *another) { o.delayed.Issued = false },
})

// b2cCancelDelayIssue is B2C CancelDelayIssue. Documented: it cancels until the time has come; its example has RtnCode as a
// string, which Config.CancelCodeAsString turns on. Recorded: RtnCode is an integer; 5070305 for an unknown or
// cancelled Tsr; for an issued one that is inferred.
func (s *Server) b2cCancelDelayIssue(r request) answer {
	tsr := r.data.required("Tsr", 30)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	d := r.merchant.delayed[tsr]
	if d == nil || d.state == stateCancelled || d.state == stateIssued || d.state == stateScheduled && s.tooLate(d, r.at) {
		return refuse(CodeNothingToCancel)
	}
	d.state = stateCancelled
	s.effect(r.at, EffectCancelled, d.account, tsr, r.seq, "")
	return answer{code: CodeOK, msg: "取消開立發票成功", asString: s.cfg.CancelCodeAsString}
}

// tooLate reports whether it is the day of issue and past 10:00, after which ECPay takes no cancel (documented by a
// third-party copy of the page). Days of another length have no such hour.
func (s *Server) tooLate(d *delayed, at time.Time) bool {
	due := d.due.In(taipei)
	return s.cfg.Day == 24*time.Hour && !s.calendar(at).Before(time.Date(due.Year(), due.Month(), due.Day(), 10, 0, 0, 0, taipei))
}
