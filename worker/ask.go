package worker

import (
	"context"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// asking is how the attempt can find out what became of a write that is not accounted for.
type asking struct {
	query *tasks.Ask // nil when nothing can be asked
	// mayRepeat allows one more trigger with an earlier one unanswered, see
	// Merchant.RetriggerScheduled.
	mayRepeat bool
}

// finding is what an ask brought.
type finding uint8

const (
	cannotAsk finding = iota
	shown
	notShown
	undecided // see tasks.Comparison
	askFailed
)

// ask finds out what became of an earlier write where one is not accounted for. over means that
// nothing is sent now, and that the attempt ends with the verdict.
func (h *handler) ask(ctx context.Context, a *attempt) (v Verdict, over bool) {
	a.doubt = a.doubt && a.op.Write
	a.query = tasks.AskOf(a.payload, a.merchant.TsrIsRelateNumber)
	a.mayRepeat = a.merchant.RetriggerScheduled && tasks.DelayOf(a.payload).Applies && a.history.Repeated == 0
	if !a.typ.SendUnasked && (a.open || a.doubt) {
		if v, send := h.askFirst(ctx, a); !send {
			return v, true
		}
	}
	if a.typ.SendUnasked && wordProves(a.history, h.policy) {
		a.open = false
	}
	if a.history.Undone {
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonUndone}, true
	}
	return Verdict{}, false
}

// find asks. The error is set with askFailed only.
func (h *handler) find(ctx context.Context, a *attempt) (finding, *ecpay.Error) {
	if a.comparison != nil {
		return h.compare(ctx, a)
	}
	if a.query == nil {
		return cannotAsk, nil
	}
	resp, err := h.do(ctx, a, a.query.Request, wish{rank: gate.Ahead})
	switch {
	case err == nil && a.query.Shows(resp):
		a.seen = resp
		return shown, nil
	case err == nil:
		a.other = resp
		return notShown, nil
	case err.Kind == ecpay.NotFound:
		return notShown, nil
	default:
		return askFailed, err
	}
}

// refused reports whether ECPay answered a question with a refusal, or with a code that is in
// no table.
func refused(e *ecpay.Error) bool { return e.Kind == ecpay.Unknown || e.Kind == ecpay.Rejected }

// askFirst finds out about a write that went unanswered, or of which Redis may
// have lost the mark, before anything is sent. send is true when the task may be
// sent.
func (h *handler) askFirst(ctx context.Context, a *attempt) (v Verdict, send bool) {
	history := a.history
	// A person's word is obeyed once the write cannot land any more. What is said of a lost mark
	// says nothing about one that is lost later.
	word, left := history.NotExecuted && (a.open || history.SinceWord <= history.SinceLost), fenceLeft(history, h.policy)
	if word && left > 0 {
		return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: left, Reason: reasonWord}, false
	}
	found, err := h.find(ctx, a)
	if found == askFailed && !(word && wordProves(history, h.policy) && refused(err)) {
		a.err = err
		return h.verdict(a, err), false
	}
	// Its fence is over. Where other hands have been there, it counts only if it was given after that.
	if word && found != shown && (found != undecided || wordProves(history, h.policy)) {
		a.open, a.doubt = false, false
		return Verdict{}, true
	}
	if !a.open && a.typ.NotUnique && found != shown && found != notShown {
		return Verdict{Action: Dead, Kind: ecpay.Ambiguous, Reason: reasonForgotten}, false
	}
	decide := afterLoss
	if a.open {
		decide = afterAsk
	}
	v, send, resolved := decide(found, tasks.DelayOf(a.payload), a.mayRepeat, history, h.policy)
	if resolved {
		a.open, a.doubt = false, false
	}
	return v, send
}

// fenceLeft is how much longer the write that went unanswered may still land. The fence begins
// anew when marks may be lost, since a later write's may be among them, and when the clocks were
// set, since less time may have passed than they say.
func fenceLeft(h gate.History, p Policy) time.Duration {
	since := h.SinceSent
	switch {
	case h.MarksLost && !h.InFlight: // what was sent, if anything, was sent before that
		since = h.SinceLost
	case h.MarksLost:
		since = min(since, h.SinceLost)
	}
	if h.ClockSet {
		since = min(since, h.SinceSet)
	}
	return p.Fence - since
}

// wordProves reports whether a person's word proves that a write did not happen: it does when it
// was given after the fence. Before that it says only that the write had not happened yet.
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

// afterLoss decides about a write without a mark while Redis may have lost marks. Where ECPay
// cannot tell, the write is sent: most likely it was never sent, and holding all such tasks for
// ever would be worse.
func afterLoss(found finding, d tasks.Delay, _ bool, h gate.History, p Policy) (v Verdict, send, resolved bool) {
	if found == shown {
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false, true
	}
	seen := found == notShown && atOnce(d)
	if left := fenceLeft(h, p); left > 0 && seen {
		return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: min(left, askAgain), Reason: reasonLost}, false, false
	}
	return Verdict{}, true, seen
}

// How often an unanswered write is asked about.
const (
	askAgain     = time.Minute
	askScheduled = 6 * time.Hour
)
