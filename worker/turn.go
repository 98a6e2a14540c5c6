package worker

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// turns bounds what a process does at once: requests to ECPay, and attempts that
// sleep until it is their turn.
type turns struct {
	requests, sleepers chan struct{}
	stopping           chan struct{} // closed when the worker stops: nobody waits any longer

	waiting atomic.Int64  // attempts that wait for one of the requests
	room    chan struct{} // tells that one of them does no longer; holds one
}

func newTurns(requests, sleepers int) *turns {
	return &turns{requests: make(chan struct{}, requests), sleepers: make(chan struct{}, sleepers), stopping: make(chan struct{}), room: make(chan struct{}, 1)}
}

const (
	// longestNap is how long an attempt sleeps in place for its turn; what takes longer
	// is a hold, from which asynq wakes it [gate.WakeEarly].
	longestNap = 3 * time.Second
	// slotWait is how long an attempt waits for one of the process' requests.
	slotWait = 5 * time.Second
	// deniedLonger is how much longer than a pause for refused keys a task is held at
	// least: one request tries the keys again, and when they work the tasks are woken.
	deniedLonger = time.Hour
)

// noTurnError means that it is not the turn of a request, and what it waits for.
type noTurnError struct{ why gate.Why }

func (noTurnError) Error() string { return "waits for its turn" }

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
		v.Delay -= gate.WakeEarly
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

// longer is [deniedLonger], not the same for all.
func longer(jitter float64) time.Duration {
	return deniedLonger + time.Duration(jitter*float64(deniedLonger/4))
}

// turn waits until one request of the attempt may be sent. It returns nil, and then
// the caller sends at once and calls done; or what keeps the request from being
// sent, which is proven not sent.
func (h *handler) turn(ctx context.Context, a *attempt, m Merchant, r gate.Request) (done func(), held *ecpay.Error) {
	a.requests++
	notSent := func(kind ecpay.Kind, wait time.Duration, err error) *ecpay.Error {
		return &ecpay.Error{Op: a.op.String(), Kind: kind, Execution: ecpay.NotSent, RetryAfter: wait, Err: err}
	}
	for {
		var t gate.Turn
		var err error
		if a.turn != nil {
			t, a.turn = *a.turn, nil
		} else {
			if h.left(a) <= 0 {
				return nil, notSent(ecpay.Unavailable, 0, errOver)
			}
			if !h.turns.slot(ctx) {
				return nil, notSent(ecpay.Throttled, time.Second, noTurnError{gate.ForTurn})
			}
			t, err = h.permission(ctx, a, m, r)
		}
		if err == nil {
			h.paces.heed(a, t)
		}
		if err == nil && t.Wait == 0 {
			a.probes = t.Probes
			return h.turns.release, nil
		}
		h.turns.release()
		if err != nil {
			return nil, notSent(ecpay.Unavailable, 0, redisError{err})
		}
		if t.Wait > h.longest(a) || !h.turns.nap(ctx, t.Wait) {
			return nil, notSent(kindOf(t.Why), t.Wait, noTurnError{t.Why})
		}
	}
}

// longest is how long an attempt waits in place for its turn. One that sent something before
// waits as long as it can: the next attempt would have to send that again.
func (h *handler) longest(a *attempt) time.Duration {
	if a.requests > 1 {
		return h.left(a) / 2
	}
	return min(longestNap, h.left(a)/2)
}

// complete is a request as it would go out now.
func (h *handler) complete(a *attempt, m Merchant, r gate.Request) gate.Request {
	r.Name = strconv.Itoa(a.requests)
	if a.requests > 1 {
		r.Rank = gate.Next
	}
	r.Interval, r.InFlight, r.Scope = m.interval(h.policy), h.policy.InFlight, a.scope
	r.Now, r.Life = h.now(), h.left(a)
	if r.Write {
		r.Stamp = h.ecpay.Stamp()
	}
	return r
}

// first is the first request of an attempt that has not begun, with one of the process'
// requests; false when it has to be asked for by itself.
func (h *handler) first(ctx context.Context, a *attempt, m Merchant) (gate.First, bool) {
	r := a.wants(false)
	if _, ask, err := h.egress.current(ctx, m.ID()); err != nil || ask || !h.gate.CanBeginWith(r) || !h.turns.slot(ctx) {
		return gate.First{}, false
	}
	first := gate.First{Request: h.complete(a, m, r), Longest: h.longest(a), Reason: reasonQueued.Text()}
	if len(h.turns.sleepers) == cap(h.turns.sleepers) {
		first.Longest = 0 // it could not wait in place
	}
	return first, true
}

// permission asks the gate, and the egress before it where that is needed: its permission
// is asked for once the merchant's could be had, since it would be lost otherwise.
func (h *handler) permission(ctx context.Context, a *attempt, m Merchant, r gate.Request) (gate.Turn, error) {
	state, ask, err := h.egress.current(ctx, m.ID())
	if err != nil {
		return gate.Turn{}, err
	}
	r = h.complete(a, m, r)
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
	a.first = t.Probes
	r.Peek, r.Egress = false, gate.EgressState{}
	t, err = h.gate.Enter(ctx, a.gate, r)
	if a.first && (err != nil || t.Wait > 0) {
		a.first = false
		h.egress.unused(ctx, a.gate)
	}
	return t, err
}

// left is the time that the attempt still has, by the wall clock.
func (h *handler) left(a *attempt) time.Duration {
	return h.timeout - reserve(h.timeout) - h.now().Round(0).Sub(a.start.Round(0))
}

// slot takes one of the process' requests.
func (t *turns) slot(ctx context.Context) bool {
	select {
	case t.requests <- struct{}{}:
		return true
	default:
	}
	t.waiting.Add(1)
	defer func() {
		t.waiting.Add(-1)
		t.tell()
	}()
	timer := time.NewTimer(slotWait)
	defer timer.Stop()
	select {
	case t.requests <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	case <-t.stopping:
	}
	return false
}

func (t *turns) release() { <-t.requests }

// admit waits as long as many attempts wait for a request already, so that asynq takes no
// more tasks than can be sent soon: others are better off in the queue, where another
// process finds them, and asynq's scripts take the longer the more tasks are active. There
// is room again at the latest when those who wait have given up, after [slotWait].
func (t *turns) admit(ctx context.Context) {
	for t.waiting.Load() >= int64(cap(t.requests)) {
		select {
		case <-t.room:
		case <-t.stopping:
			return
		case <-ctx.Done():
			return
		}
	}
	t.tell() // others may wait here as well
}

func (t *turns) tell() {
	select {
	case t.room <- struct{}{}:
	default:
	}
}

// nap sleeps in place. It does not when too many do already.
func (t *turns) nap(ctx context.Context, d time.Duration) bool {
	select {
	case t.sleepers <- struct{}{}:
		defer func() { <-t.sleepers }()
	default:
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-t.stopping:
	}
	return false
}
