package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// counted is what the gate answered when the attempt was counted.
type counted struct {
	history gate.History // what earlier attempts left behind
	// leaves means that the attempt was counted, or may have been, so that its end has to be
	// recorded; unsure that nobody knows whether it was.
	leaves, unsure bool
}

// busyPause is how long a task waits for another one on its subject.
const busyPause = 5 * time.Second

// count takes the lock of the task's subject and counts the attempt. Of a task that is ready,
// decoded and with its keys, the first request is asked for by the same script. over means
// that the attempt ends here, with the verdict.
func (h *handler) count(ctx context.Context, a *attempt, ready bool) (v Verdict, over bool) {
	err := h.begin(ctx, a, ready)
	var busy *gate.BusyError
	var later *gate.LaterError
	switch {
	case errors.As(err, &busy):
		return Verdict{Action: Hold, Kind: ecpay.Unavailable, Delay: min(busy.For, busyPause) + time.Second, Reason: reasonBusy}, true
	case errors.As(err, &later):
		h.intervals.about(a.merchant.ID(), later.Turn.Stricter)
		return queued(later.Turn.Why, later.Turn.Wait, h.random()), true
	case err != nil:
		a.leaves = a.unsure
		return h.redisAway(err), true
	case a.history.Finished:
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, true
	}
	a.leaves = true
	a.open, a.doubt = a.history.InFlight, a.history.MarksLost
	if a.history.Crashes >= MaxCrashes {
		return Verdict{Action: Dead, Kind: ecpay.Unknown, Reason: reasonCrashes}, true
	}
	return Verdict{}, false
}

// begin counts the attempt and, when nothing is known that its first request would have to wait
// for, asks for the permission of that request by the same script.
func (h *handler) begin(ctx context.Context, a *attempt, ready bool) (err error) {
	first, ok := gate.FirstRequest{}, false
	if ready && a.comparison == nil && tasks.FollowedBy(a.payload) == "" { // else it begins with a question, or with a look
		first, ok = h.firstRequest(ctx, a)
	}
	if !ok {
		a.history, err = h.gate.Begin(ctx, a.gate, h.now())
		return err
	}
	a.history, a.permit, err = h.gate.BeginWith(ctx, a.gate, h.now(), first)
	a.unsure = gate.Unsure(err)
	if a.permit == nil {
		h.slots.release()
	}
	return err
}

// firstRequest is that of an attempt that has not begun, with one of the process'
// slots for requests; false when it has to be asked for by itself.
func (h *handler) firstRequest(ctx context.Context, a *attempt) (gate.FirstRequest, bool) {
	w := a.wish(false)
	if _, ask, err := h.egress.current(ctx, a.merchant.ID()); err != nil || ask {
		return gate.FirstRequest{}, false
	}
	if !h.gate.CanBeginWith(gate.Request{Write: w.write}) || !h.slots.take(ctx) {
		return gate.FirstRequest{}, false
	}
	first := gate.FirstRequest{Request: h.request(a, w), Longest: h.longest(a), Reason: reasonQueued.Text()}
	if h.slots.full() {
		first.Longest = 0 // too many attempts wait in place already
	}
	return first, true
}
