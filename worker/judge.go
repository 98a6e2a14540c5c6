package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// judge is the verdict on the answer to a write or a query.
func (h *handler) judge(ctx context.Context, a *attempt) Verdict {
	v := h.judged(ctx, a)
	if v.Action == Done && a.seen == nil && tasks.WantsUndone(a.payload) {
		a.resp = tasks.Prevented(a.resp)
	}
	return v
}

// judged asks where the answer alone does not prove what became of the subject.
func (h *handler) judged(ctx context.Context, a *attempt) Verdict {
	if a.err == nil {
		return h.told(ctx, a, h.succeeded(ctx, a))
	}
	if patience := tasks.PatienceOf(a.payload); patience > 0 && a.err.Kind == ecpay.NotFound {
		return a.unissued(h.now(), patience)
	}
	conflict := a.typ.Shown == tasks.ShownIsConflict
	if a.typ.NotUnique && !a.earlier && a.err.Execution != ecpay.MaybeExecuted {
		return h.verdict(a, a.err) // what is there is another's
	}
	switch a.err.Kind {
	case ecpay.NotFound, ecpay.Unknown:
		if !a.op.Write {
			return h.verdict(a, a.err)
		}
	case ecpay.Rejected, ecpay.Conflict:
		if again := a.err.Kind == ecpay.Conflict && a.typ.AskOnConflict; !a.earlier && !again {
			return h.verdict(a, a.err)
		}
	default:
		return h.verdict(a, a.err)
	}
	found, askErr := h.find(ctx, a)
	switch {
	case found == askFailed && !a.earlier && a.err.Execution == ecpay.NotExecuted && refused(askErr):
		return h.verdict(a, a.err) // ECPay refuses the write and the question alike: nothing shows that it was done by other means
	case found == askFailed: // not known yet: the next attempt asks again
		return h.verdict(a, askErr)
	case found == shown && conflict:
		if u := tasks.UndoOf(a.payload, a.seen); u != nil {
			return h.undo(ctx, a, u)
		}
		a.open, a.doubt = false, false // what is issued was not cancelled, and cannot be any more
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonIssued}
	case found == shown:
		a.open = false
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case conflict && !a.earlier && found == notShown && a.err.Kind == ecpay.NotFound && tasks.WantsUndone(a.payload):
		// If this is the day of issue, the invoice can be voided when it is over.
		if left := lateOnDayOfIssue(h.ecpay.Stamp(), time.Time{}, h.policy.Fence); left > 0 {
			return Verdict{Action: Hold, Kind: ecpay.NotFound, Delay: min(left, askLate), Pauses: true, Reason: reasonLateVoid}
		}
	case conflict && a.earlier && found == notShown && a.err.Kind == ecpay.NotFound:
		if left := lateOnDayOfIssue(h.ecpay.Stamp(), a.gate.Start, h.policy.Fence); left > 0 {
			return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: min(left, askLate), Pauses: true, Reason: reasonLate}
		}
		// Our own unanswered cancel is why ECPay knows nothing to cancel.
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case a.earlier && a.typ.RefusedIsDone && a.err.Kind == ecpay.Conflict && found == notShown:
		a.open = false
		if a.other != nil { // the number is another order's
			return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonAnothers}
		}
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case a.earlier:
		// A refusal of this attempt says nothing about the one before it.
		return Verdict{Action: Dead, Kind: ecpay.Ambiguous, Reason: reasonAmbiguous}
	case a.err.Kind == ecpay.Unknown && found == notShown && h.barred(ctx, a):
		a.open = false // it was answered, and what it asks for is neither there nor to come
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonBarred}
	}
	return h.verdict(a, a.err)
}

// barred reports whether ECPay shows what excludes the write. Where it does not answer, the next
// attempt asks again.
func (h *handler) barred(ctx context.Context, a *attempt) bool {
	if a.query == nil { // it is found out about by a comparison, which has no bars
		return false
	}
	for _, bar := range a.query.Bars {
		if resp, err := h.do(ctx, a, bar.Request, wish{rank: gate.Ahead}); err == nil && bar.Shows(resp) {
			return true
		}
	}
	return false
}

// lateOnDayOfIssue is how long an answer that there is nothing to cancel, with no invoice shown,
// proves nothing; 0 when it does. On the day of issue ECPay takes no cancel after 10:00 in
// Taipei, and issues at an hour that it does not tell. The worker does not know the day of
// issue. So today may be it for a cancel that began before 10:00 and is answered after 10:00,
// each with a margin for clocks and for requests on their way: when the day is over, GetIssue
// shows an invoice that was issued on it. began is zero where it is not known.
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

// askLate is how often ECPay is asked about such a cancel.
const askLate = time.Hour

// succeeded is the verdict on a code of the success set.
func (h *handler) succeeded(ctx context.Context, a *attempt) Verdict {
	if v, waits := unconfirmed(a); waits {
		return v
	}
	code, _ := a.resp.Result()
	if d := tasks.DelayOf(a.payload); a.op.IsAccepted(code) && d.Known && d.Days == 0 {
		// "Accepted" of an invoice that is issued at once: it can be seen.
		switch found, err := h.find(ctx, a); found {
		case notShown:
			a.open = true
			return Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: askAgain, Reason: reasonFence}
		case askFailed:
			a.open, a.err = true, err
			return h.verdict(a, &ecpay.Error{Kind: ecpay.Ambiguous})
		}
	}
	return h.verdict(a, a.err)
}

// Limits of waiting for the counterparty.
const (
	counterpartyPause    = time.Minute // doubles with every hold, up to counterpartyPauseMax
	counterpartyPauseMax = time.Hour
	counterpartyMaxAge   = 30 * 24 * time.Hour
)

// unconfirmed is the verdict on a query that was told to wait for a confirmation, where the
// answer has none; false where it has one, or where nothing is waited for.
func unconfirmed(a *attempt) (Verdict, bool) {
	progress := tasks.ProgressOf(a.payload, a.resp)
	switch {
	case progress == tasks.Settled:
		return Verdict{}, false
	case progress == tasks.Failed:
		return Verdict{Action: Dead, Kind: ecpay.Rejected, Reason: reasonUpload}, true
	case a.history.Age >= counterpartyMaxAge:
		return Verdict{Action: Dead, Kind: ecpay.NotFound, Reason: reasonUnconfirmed}, true
	}
	pause := grow(counterpartyPause, counterpartyPauseMax, a.history.Holds)
	return Verdict{Action: Hold, Kind: ecpay.OK, Delay: pause, Reason: reasonUnconfirmed}, true
}

// verdict is that on an error of a request; nil is the success.
func (h *handler) verdict(a *attempt, e *ecpay.Error) Verdict {
	var away redisError
	var turn noTurnError
	switch {
	case e != nil && errors.As(e.Err, &away):
		return h.redisAway(away.error)
	case e != nil && errors.As(e.Err, &turn):
		return queued(turn.why, e.RetryAfter, h.random())
	}
	if e == nil {
		e = &ecpay.Error{Kind: ecpay.OK}
	}
	return decide(a.typ, e, a.query != nil || a.comparison != nil || a.mayRepeat, a.history, h.policy, h.random())
}

// queued is the verdict on a task whose turn comes after a while.
func queued(why gate.Why, wait time.Duration, jitter float64) Verdict {
	v := Verdict{Action: Hold, Queued: true, Kind: kindOf(why), Delay: wait, Pauses: true, Reason: reasonQueued}
	switch why {
	case gate.ForBan:
		v.Held, v.Reason = true, reasonThrottled
	case gate.ForAddress:
		v.Reason = reasonAddress
	case gate.ForOutage: // the clock of age goes on
		v.Pauses, v.Reason = false, reasonOutage
	case gate.ForDenial:
		v.Held, v.Reason = true, reasonDenied
		v.Delay += longer(jitter)
		return v
	}
	if wait > longestNap {
		v.Delay -= merchants.WakeEarly
	}
	return v
}

// kindOf is the kind of what a request waits for.
func kindOf(why gate.Why) ecpay.Kind {
	switch why {
	case gate.ForDenial:
		return ecpay.Denied
	case gate.ForOutage:
		return ecpay.Unavailable
	default:
		return ecpay.Throttled
	}
}

// deniedLonger is how much longer than a pause for refused keys a task is held at
// least: one request tries the keys again, and when they work the tasks are woken.
const deniedLonger = time.Hour

// longer is [deniedLonger], not the same for all.
func longer(jitter float64) time.Duration {
	return deniedLonger + time.Duration(jitter*float64(deniedLonger/4))
}

// redisError is an error of the gate on the way of a request.
type redisError struct{ error }

func (e redisError) Error() string { return "redis: " + e.error.Error() }
func (e redisError) Unwrap() error { return e.error }

// redisAway holds a task that could not be counted or marked: nothing was sent.
func (h *handler) redisAway(err error) Verdict {
	v := Verdict{
		Action: Hold, Kind: ecpay.Unavailable, Reason: reasonRedis,
		Delay: time.Second + time.Duration(h.random()*float64(5*time.Second)),
	}
	return v.saying(record.Plain(err.Error()))
}
