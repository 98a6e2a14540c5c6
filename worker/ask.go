package worker

import (
	"context"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// finding is what an ask brought.
type finding uint8

const (
	cannotAsk finding = iota
	shown
	notShown
	askFailed
)

// find asks. The error is set with askFailed only.
func (h *handler) find(ctx context.Context, a *attempt, m Merchant) (finding, *ecpay.Error) {
	if a.ask == nil {
		return cannotAsk, nil
	}
	resp, err := h.do(ctx, a, m, a.ask.Request, gate.Request{Rank: gate.Ahead})
	switch {
	case err == nil && a.ask.Shows(resp):
		return shown, nil
	case err == nil, err.Kind == ecpay.NotFound:
		return notShown, nil
	default:
		return askFailed, err
	}
}

// askFirst finds out about a write that went unanswered, or of which Redis may
// have lost the mark, before anything is sent. send is true when the task may be
// sent.
func (h *handler) askFirst(ctx context.Context, a *attempt, m Merchant) (v Verdict, send bool) {
	// A person's word is obeyed once the write cannot land any more.
	word, left := a.open && a.history.NotExecuted, fenceLeft(a.history, h.policy)
	if word && left > 0 {
		return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: left, Reason: reasonWord}, false
	}
	found, err := h.find(ctx, a, m)
	if found == askFailed && !(word && wordProves(a.history, h.policy) && (err.Kind == ecpay.Unknown || err.Kind == ecpay.Rejected)) {
		a.err = err
		return h.judge(a, err), false
	}
	if word && found != shown { // nor can it land any more
		a.open, a.doubt = false, false
		return Verdict{}, true
	}
	decide := afterLoss
	if a.open {
		decide = afterAsk
	}
	v, send, resolved := decide(found, a.payload.Delay(), a.mayRepeat, a.history, h.policy)
	if resolved {
		a.open, a.doubt = false, false
	}
	return v, send
}

// fenceLeft is how much longer the write that went unanswered may still land. All that
// could have ended it too soon begins it anew.
func fenceLeft(h gate.History, p Policy) time.Duration {
	since := h.SinceSent
	if h.MarksLost { // perhaps the mark of a later one
		since = min(since, h.SinceLost)
	}
	if h.ClockSet {
		since = min(since, h.SinceSet)
	}
	return p.Fence - since
}

// wordProves reports whether a person's word says that a write did not happen, and not only
// that it had not yet: it was given when that could not land any more.
func wordProves(h gate.History, p Policy) bool {
	return h.NotExecuted && fenceLeft(h, p)+h.SinceWord <= 0
}

// atOnce reports whether an answer that does not show the effect means, after the
// fence, that there is none.
func atOnce(d tasks.Delay) bool { return !d.Applies || d.Known && d.Days == 0 }

// afterAsk decides about a write that went unanswered, from what an ask brought
// (askFailed is judged as a read is). A negative answer counts only after the
// fence, since the old request may still land. send means that the write may
// be sent again; resolved that nothing of the old one is left open.
func afterAsk(found finding, d tasks.Delay, retrigger bool, h gate.History, p Policy) (v Verdict, send, resolved bool) {
	if found == shown {
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false, true
	}
	v = Verdict{Action: Hold, Kind: ecpay.Ambiguous}
	seen := found == notShown && atOnce(d)
	if left := fenceLeft(h, p); left > 0 && (seen || d.Applies && (found == notShown || retrigger)) {
		v.Delay, v.Reason = min(left, askAgain), reasonFence
		return v, false, false
	}
	switch {
	case seen:
		return Verdict{}, true, true
	case d.Applies && retrigger:
		return Verdict{}, true, false
	case d.Known && found == notShown:
		// ECPay issues on the day, at an hour that it does not tell: one day more.
		due, since := time.Duration(d.Days+1)*24*time.Hour, h.SinceSent
		if h.MarksLost {
			since = min(since, h.SinceLost)
		}
		if since >= due {
			return Verdict{}, true, true
		}
		v.Delay, v.Pauses, v.Reason = min(due-since, askScheduled), true, reasonScheduled
		return v, false, false
	}
	v.Action, v.Reason = Dead, reasonAmbiguous
	return v, false, false
}

// afterLoss decides about a write of which nothing says that it was ever sent,
// while Redis may have lost what would say so. Where ECPay cannot tell, it is
// sent: most likely it is the first time, and holding all of them for ever
// would be worse.
func afterLoss(found finding, d tasks.Delay, _ bool, h gate.History, p Policy) (v Verdict, send, resolved bool) {
	if found == shown {
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false, true
	}
	seen := found == notShown && atOnce(d)
	h.SinceSent = h.SinceLost
	if left := fenceLeft(h, p); left > 0 && seen {
		return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: min(left, askAgain), Reason: reasonLost}, false, false
	}
	return Verdict{}, true, seen
}

// How often an unanswered write is asked about.
const (
	askAgain     = time.Minute
	askScheduled = 6 * time.Hour
	askLate      = time.Hour
)

// lateOnDayOfIssue is how long an answer that there is nothing to cancel, with no
// invoice shown, proves nothing; 0 when it does. On the day of issue ECPay takes no
// cancel after 10:00 in Taipei, and issues at an hour that it does not tell. Nobody
// here knows that day, so any may be it for a cancel that began before 10:00 and is
// answered after it, each with a margin for clocks and for what was on its way: when the
// day is over, what is issued on it shows. began is zero where it is not known.
//
// A cancel that begins later comes too late if this is the day; see README.
func lateOnDayOfIssue(now, began time.Time, margin time.Duration) time.Duration {
	day := now.Add(-margin).In(ecpay.Taipei)
	hour := func(h int) time.Time { return time.Date(day.Year(), day.Month(), day.Day(), h, 0, 0, 0, ecpay.Taipei) }
	if lastCancel := hour(10); now.Before(lastCancel.Add(-margin)) || began.After(lastCancel.Add(margin)) {
		return 0
	}
	return hour(24).Add(margin).Sub(now)
}

// settle is the verdict on the answer to a write or a query. Where the answer
// alone does not prove what became of the subject, it asks. earlier means that
// an older write was unanswered when this one was sent.
func (h *handler) settle(ctx context.Context, a *attempt, m Merchant, earlier bool) Verdict {
	if a.err == nil {
		return h.succeeded(ctx, a, m)
	}
	cancel := a.op.Resendable && a.op.Write
	switch a.err.Kind {
	case ecpay.NotFound, ecpay.Unknown:
		if !a.op.Write {
			return h.decide(a)
		}
	case ecpay.Rejected, ecpay.Conflict:
		if !earlier {
			return h.decide(a)
		}
	default:
		return h.decide(a)
	}
	found, askErr := h.find(ctx, a, m)
	switch {
	case found == askFailed && !earlier && a.err.Execution == ecpay.NotExecuted && (askErr.Kind == ecpay.Unknown || askErr.Kind == ecpay.Rejected):
		return h.decide(a) // ECPay refused this, and answers nothing that would show it done by other means
	case found == askFailed: // not known yet: the next attempt asks again
		return h.judge(a, askErr)
	case found == shown && cancel:
		a.open, a.doubt = false, false // what is issued was not cancelled, and cannot be any more
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonIssued}
	case found == shown:
		a.open = false
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case cancel && earlier && found == notShown && a.err.Kind == ecpay.NotFound:
		if left := lateOnDayOfIssue(h.ecpay.Stamp(), a.gate.Start, h.policy.Fence); left > 0 {
			return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: min(left, askLate), Pauses: true, Reason: reasonLate}
		}
		// Our own unanswered cancel is why ECPay knows nothing to cancel.
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case earlier:
		// A refusal of this attempt says nothing about the one before it.
		return Verdict{Action: Dead, Kind: ecpay.Ambiguous, Reason: reasonAmbiguous}
	}
	return h.decide(a)
}

// succeeded is the verdict on a code of the success set.
func (h *handler) succeeded(ctx context.Context, a *attempt, m Merchant) Verdict {
	if v, waits := wait(a); waits {
		return v
	}
	code, _ := a.resp.Result()
	if d := a.payload.Delay(); a.op.IsAccepted(code) && d.Known && d.Days == 0 {
		// "Accepted" of an invoice that is issued at once: it can be seen.
		switch found, err := h.find(ctx, a, m); found {
		case notShown:
			a.open = true
			return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: askAgain, Reason: reasonFence}
		case askFailed:
			a.open, a.err = true, err
			return h.judge(a, &ecpay.Error{Kind: ecpay.Ambiguous})
		}
	}
	return h.decide(a)
}

// Limits of waiting for a confirmation.
const (
	confirmPause    = time.Minute // doubles with every hold, up to confirmPauseMax
	confirmPauseMax = time.Hour
	confirmMaxAge   = 30 * 24 * time.Hour
)

// wait holds a query that was asked to wait for something at ECPay, and says
// whether it did.
func wait(a *attempt) (Verdict, bool) {
	progress := a.payload.Progress(a.resp)
	switch {
	case progress == tasks.Settled:
		return Verdict{}, false
	case progress == tasks.Failed:
		return Verdict{Action: Dead, Kind: ecpay.Rejected, Reason: reasonUpload}, true
	case a.history.Age >= confirmMaxAge:
		return Verdict{Action: Dead, Kind: ecpay.NotFound, Reason: reasonUnconfirmed}, true
	}
	return Verdict{Action: Hold, Kind: ecpay.OK, Delay: grow(confirmPause, confirmPauseMax, a.history.Holds), Reason: reasonUnconfirmed}, true
}
