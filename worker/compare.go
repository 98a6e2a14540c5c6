package worker

import (
	"context"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// lookBefore looks at what is there before a write is sent of which ECPay takes a repeat for
// another one: it is stored with the mark of the write. over means that nothing is sent now, and that the attempt ends with the verdict.
func (h *handler) lookBefore(ctx context.Context, a *attempt) (v Verdict, over bool) {
	if a.comparison == nil {
		return Verdict{}, false
	}
	list, err := h.list(ctx, a, a.wish(false))
	if err != nil {
		a.err = err
		return h.verdict(a, err), true
	}
	before, ok := a.comparison.Known(list)
	if !ok {
		return Verdict{Action: Dead, Kind: ecpay.Unknown, Reason: reasonNoList}, true
	}
	a.before = before
	return Verdict{}, false
}

// list asks for what is there; nil is nothing.
func (h *handler) list(ctx context.Context, a *attempt, w wish) (ecpay.Response, *ecpay.Error) {
	w.write = false
	resp, err := h.do(ctx, a, a.comparison.List, w)
	if err != nil && err.Kind == ecpay.NotFound {
		return nil, nil
	}
	return resp, err
}

// compare is [handler.find] for such a write. What shows it is its answer, from then on.
func (h *handler) compare(ctx context.Context, a *attempt) (finding, *ecpay.Error) {
	if a.before == "" && a.open {
		before, err := h.gate.Before(ctx, a.gate)
		if err != nil {
			return askFailed, a.notSent(ecpay.Unavailable, 0, redisError{err})
		}
		a.before = before
	}
	list, err := h.list(ctx, a, wish{rank: gate.Ahead})
	if err != nil {
		return askFailed, err
	}
	var whole ecpay.Response
	if a.comparison.Whole != nil {
		if whole, err = h.do(ctx, a, a.comparison.Whole, wish{rank: gate.Ahead}); err != nil && err.Kind != ecpay.NotFound {
			return askFailed, err
		}
	}
	switch shows, answer := a.comparison.Judge(a.before, list, whole); shows {
	case tasks.Made:
		a.resp = answer
		return shown, nil
	case tasks.NotMade:
		return notShown, nil
	default:
		return undecided, nil
	}
}
