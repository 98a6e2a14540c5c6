package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// sending is what the requests of the attempt leave for each other and for its record.
type sending struct {
	// permit is the gate's answer to the first request, where that was asked for on
	// beginning, and has one of the process' slots; nil once it is used.
	permit *gate.Turn
	// requests counts those that wanted to go out, and banned is how long ECPay wants
	// none, banWhy in its words.
	requests int
	banned   time.Duration
	banWhy   string
	// probesKeys means that the keys were refused and that the last request tried them.
	probesKeys bool
	// probesEgress means that the last request was the first one after a pause of the egress,
	// and unheard that ECPay did not answer it: that is not the task's fault.
	probesEgress, unheard bool
}

// answer is what ECPay said last of the task: to its own request or, where none was sent, to a
// question about an earlier one.
type answer struct {
	resp ecpay.Response
	err  *ecpay.Error
	// seen is what showed an [tasks.Ask] what it looked for.
	seen ecpay.Response
	// other is what it showed instead: something under the same number that is not what it looked for.
	other ecpay.Response
	// earlier means that an older write was unanswered when this one was sent.
	earlier bool
}

// send sends the task's own request.
func (h *handler) send(ctx context.Context, a *attempt) {
	a.earlier = a.open
	a.resp, a.err = h.do(ctx, a, a.payload.Request(), a.wish(a.earlier))
	a.open = a.op.Write && (a.err != nil && a.err.Execution == ecpay.MaybeExecuted || a.err != nil && a.earlier)
}

// wish is what a request needs of the gate.
type wish struct {
	write   bool
	repeats bool // an earlier write is still unanswered
	rank    gate.Rank
}

// wish is that of the task's own request.
func (a *attempt) wish(repeats bool) wish {
	w := wish{write: a.op.Write, repeats: repeats}
	switch {
	case a.typ.Ahead:
		w.rank = gate.Ahead // a cancel races the hour of issue
	case a.typ.Behind:
		w.rank = gate.Behind
	}
	return w
}

// errOver means that the time of an attempt is over by the wall clock only: the
// machine was suspended, during which its monotonic clock stood still and no
// deadline of ours came nearer. The lock has ended meanwhile.
var errOver = errors.New("the time of this attempt is over by the wall clock: the machine slept, or its clock was set")

// do sends one request when it is its turn, as long as the attempt may last.
func (h *handler) do(ctx context.Context, a *attempt, req ecpay.Request, w wish) (ecpay.Response, *ecpay.Error) {
	if held := h.await(ctx, a, w); held != nil {
		return nil, held
	}
	defer h.slots.release()
	if h.left(a) <= 0 {
		return nil, &ecpay.Error{Op: req.Operation().String(), Kind: ecpay.Unavailable, Execution: ecpay.NotSent, Err: errOver}
	}
	h.resumer.sent(a.merchant.ID())
	resp, err := h.ecpay.Do(ctx, a.merchant.Merchant, req)
	var e *ecpay.Error
	if err != nil && !errors.As(err, &e) {
		e = &ecpay.Error{Op: req.Operation().String(), Kind: ecpay.Unknown, Err: err}
	}
	if e != nil && e.Kind == ecpay.Throttled {
		a.banned, a.banWhy = h.policy.pause(e.RetryAfter), e.Error()
	}
	h.tellOfKeys(ctx, a, e)
	h.egress.tell(ctx, a.gate, a.merchant.ID(), e, a.probesEgress, a.banned)
	a.unheard = a.probesEgress && silent(e)
	a.probesEgress = false
	return resp, e
}

// longestNap is how long an attempt sleeps in place for its turn; what takes longer
// is a hold, from which asynq wakes it [merchants.WakeEarly].
const longestNap = 3 * time.Second

// noTurnError means that a request has to wait, and for what.
type noTurnError struct{ why gate.Why }

func (noTurnError) Error() string { return "waits for its turn" }

// await waits until one request of the attempt may be sent. It returns nil, and then the
// caller sends at once and gives the slot back; or what keeps the request from being sent,
// which is proven not sent.
func (h *handler) await(ctx context.Context, a *attempt, w wish) *ecpay.Error {
	a.requests++
	for {
		var t gate.Turn
		var err error
		if a.permit != nil {
			t, a.permit = *a.permit, nil
		} else {
			if h.left(a) <= 0 {
				return a.notSent(ecpay.Unavailable, 0, errOver)
			}
			if !h.slots.take(ctx) {
				return a.notSent(ecpay.Throttled, time.Second, noTurnError{gate.ForTurn})
			}
			t, err = h.permission(ctx, a, w)
		}
		if err == nil {
			h.intervals.about(a.merchant.ID(), t.Stricter)
		}
		if err == nil && t.Wait == 0 {
			a.probesKeys = t.Probes
			return nil
		}
		h.slots.release()
		if err != nil {
			return a.notSent(ecpay.Unavailable, 0, redisError{err})
		}
		if t.Wait > h.longest(a) || !h.slots.nap(ctx, t.Wait) {
			return a.notSent(kindOf(t.Why), t.Wait, noTurnError{t.Why})
		}
	}
}

// notSent is an error of a request that did not go out.
func (a *attempt) notSent(kind ecpay.Kind, wait time.Duration, err error) *ecpay.Error {
	return &ecpay.Error{Op: a.op.String(), Kind: kind, Execution: ecpay.NotSent, RetryAfter: wait, Err: err}
}

// longest is how long an attempt waits in place for its turn. An attempt that sent a request
// before waits for as long as it can: the next attempt would have to send that request again.
func (h *handler) longest(a *attempt) time.Duration {
	if a.requests > 1 {
		return h.left(a) / 2
	}
	return min(longestNap, h.left(a)/2)
}

// request is one as it would go out now.
func (h *handler) request(a *attempt, w wish) gate.Request {
	r := gate.Request{
		Name: strconv.Itoa(a.requests), Rank: w.rank, Write: w.write, Repeats: w.repeats,
		Interval: a.merchant.interval(h.policy), InFlight: h.policy.InFlight, Scope: a.scope, Now: h.now(), Life: h.left(a),
	}
	if a.requests > 1 {
		r.Rank = gate.Next
	}
	if r.Write {
		r.Stamp, r.Before = h.ecpay.Stamp(), a.before
	}
	return r
}

// permission asks the gate for the permission of a request and, where the egress has to permit
// it too, the egress before. The egress is asked only when the gate would permit the request: a
// permission of the egress that is not used at once is lost.
func (h *handler) permission(ctx context.Context, a *attempt, w wish) (gate.Turn, error) {
	state, ask, err := h.egress.current(ctx, a.merchant.ID())
	if err != nil {
		return gate.Turn{}, err
	}
	r := h.request(a, w)
	r.Egress = state
	if !ask {
		return h.gate.Enter(ctx, a.gate, r)
	}
	r.Peek = true
	if t, err := h.gate.Enter(ctx, a.gate, r); err != nil || t.Wait > 0 {
		return t, err
	}
	t, err := h.egress.ask(ctx, a.gate, r.Life)
	if err != nil || t.Wait > 0 {
		return t, err
	}
	a.probesEgress = t.Probes
	r.Peek, r.Egress = false, gate.EgressState{}
	t, err = h.gate.Enter(ctx, a.gate, r)
	if a.probesEgress && (err != nil || t.Wait > 0) {
		a.probesEgress = false
		h.egress.unused(ctx, a.gate)
	}
	return t, err
}
