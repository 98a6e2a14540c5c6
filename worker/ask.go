package worker

import (
	"context"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// ask is how to find out whether a write took effect.
type ask struct {
	request ecpay.Request
	// shows reports whether the answer proves that the subject is in the state
	// that the operation leads to or, for a cancel, forbids.
	shows func(ecpay.Response) bool
}

// askAbout returns how to ask about a payload, nil when nothing that is known
// can be asked by. A number is never guessed: another order could own it.
func askAbout(p tasks.Payload, m Merchant) *ask {
	byRelateNumber := func(a tasks.Asking, tsr string) *ask {
		number := a.RelateNumber
		if number == "" && m.TsrIsRelateNumber {
			number = tsr
		}
		if number == "" {
			return nil
		}
		return &ask{
			request: &ecpay.B2CGetIssueRequest{MerchantID: p.Request().Merchant(), RelateNumber: number},
			shows:   func(ecpay.Response) bool { return true }, // an answer with RtnCode 1 is an issued invoice
		}
	}
	switch p := p.(type) {
	case *tasks.TriggerIssue:
		return byRelateNumber(p.Asking, p.Tsr)
	case *tasks.CancelDelayIssue:
		return byRelateNumber(p.Asking, p.Tsr)
	case *tasks.Invalid:
		return &ask{
			request: &ecpay.GetInvalidRequest{InvoiceKey: ecpay.InvoiceKey{
				MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
			}},
			shows: func(r ecpay.Response) bool { return r.(*ecpay.GetInvalidResponse).RtnData.Value.CancelDate != "" },
		}
	case *tasks.InvalidConfirm:
		return &ask{
			request: &ecpay.GetInvalidConfirmRequest{InvoiceKey: ecpay.InvoiceKey{
				MerchantID: p.MerchantID, InvoiceCategory: ecpay.Purchase, InvoiceNumber: p.InvoiceNumber, InvoiceDate: p.InvoiceDate,
			}},
			shows: func(r ecpay.Response) bool {
				return r.(*ecpay.GetInvalidConfirmResponse).RtnData.Value.ConfirmDate != ""
			},
		}
	}
	return nil
}

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
	resp, err := h.do(ctx, m, a.ask.request)
	switch {
	case err == nil && a.ask.shows(resp):
		return shown, nil
	case err == nil, err.Kind == ecpay.NotFound:
		return notShown, nil
	default:
		return askFailed, err
	}
}

// askFirst finds out about a write that went unanswered before anything is sent
// again. send is true when the task may be sent.
func (h *handler) askFirst(ctx context.Context, a *attempt, m Merchant) (v Verdict, send bool) {
	found, err := h.find(ctx, a, m)
	if found == askFailed {
		a.err = err
		v := h.judge(a, err)
		if v.Action == Dead { // what kills a question does not tell what became of the write
			v.Kind, v.Reason = ecpay.Ambiguous, reasonAmbiguous+": "+v.Reason
		}
		return v, false
	}
	v, send, resolved := afterAsk(found, delayOf(a.payload), m.RetriggerScheduled, a.history, h.policy)
	if resolved {
		a.open = false
	}
	return v, send
}

// delay is what is known of when a triggered invoice is issued.
type delay struct {
	applies bool // the operation has a delay at all
	known   bool
	days    int
}

func delayOf(p tasks.Payload) delay {
	t, ok := p.(*tasks.TriggerIssue)
	if !ok {
		return delay{}
	}
	if t.DelayDay == nil {
		return delay{applies: true}
	}
	return delay{applies: true, known: true, days: *t.DelayDay}
}

// afterAsk decides about a write that went unanswered, from what an ask brought
// (askFailed is judged as a read is). A negative answer counts only after the
// fence, since the old request may still land. send means that the write may
// be sent again; resolved that nothing of the old one is left open.
func afterAsk(found finding, d delay, retrigger bool, h gate.History, p Policy) (v Verdict, send, resolved bool) {
	if found == shown {
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false, true
	}
	v = Verdict{Action: Hold, Kind: ecpay.Ambiguous}
	seen := found == notShown && (!d.applies || d.known && d.days == 0)
	if left := p.Fence - h.SinceSent; left > 0 && (seen || d.applies && (found == notShown || retrigger)) {
		v.Delay, v.Reason = min(left, askAgain), reasonFence
		return v, false, false
	}
	switch {
	case seen:
		return Verdict{}, true, true
	case d.applies && retrigger:
		return Verdict{}, true, false
	case d.known && found == notShown:
		// ECPay issues on the day, at an hour that it does not tell: one day more.
		due := time.Duration(d.days+1) * 24 * time.Hour
		if h.SinceSent >= due {
			return Verdict{}, true, true
		}
		v.Delay, v.Pauses, v.Reason = min(due-h.SinceSent, askScheduled), true, reasonScheduled
		return v, false, false
	}
	v.Action, v.Reason = Dead, reasonAmbiguous
	return v, false, false
}

// How often an unanswered write is asked about.
const (
	askAgain     = time.Minute
	askScheduled = 6 * time.Hour
)

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
	case ecpay.Rejected:
		if !earlier {
			return h.decide(a)
		}
	default:
		return h.decide(a)
	}
	found, _ := h.find(ctx, a, m)
	switch {
	case found == shown && cancel:
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonIssued}
	case found == shown:
		a.open = false
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	case cancel && earlier && found == notShown && a.err.Kind == ecpay.NotFound:
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
	if v, waits := untilConfirmed(a); waits {
		return v
	}
	code, _ := a.resp.Result()
	if d := delayOf(a.payload); a.op.IsAccepted(code) && d.known && d.days == 0 {
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

// untilConfirmed holds a query that was asked to wait for its confirmation.
func untilConfirmed(a *attempt) (Verdict, bool) {
	q, ok := a.payload.(*tasks.GetAllowanceConfirm)
	if !ok || !q.UntilConfirmed {
		return Verdict{}, false
	}
	resp := a.resp.(*ecpay.GetAllowanceConfirmResponse)
	switch {
	case resp.Confirmed():
		return Verdict{}, false
	case resp.UploadFailed():
		return Verdict{Action: Dead, Kind: ecpay.Rejected, Reason: reasonUpload}, true
	case a.history.Age >= confirmMaxAge:
		return Verdict{Action: Dead, Kind: ecpay.NotFound, Reason: reasonUnconfirmed}, true
	}
	return Verdict{Action: Hold, Kind: ecpay.OK, Delay: grow(confirmPause, confirmPauseMax, a.history.Holds), Reason: reasonUnconfirmed}, true
}
