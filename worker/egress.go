package worker

import (
	"context"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// egress is what a process knows of the address by which its requests leave, so that Redis is
// not asked for each of them. A nil egress is always open.
type egress struct {
	gate     *gate.Egress
	log      zerolog.Logger
	answered atomic.Bool // ECPay answered since Redis was told last

	mu    sync.Mutex
	state gate.EgressState
	at    time.Time // when it was read
}

const (
	// egressLook is how often the state is read while the process runs, and egressOld how old it
	// may be when something is sent: a process that does not know of a ban yet may send for that
	// long.
	egressLook = time.Second
	egressOld  = 3 * time.Second
	// egressSpread keeps merchants apart from each other after a pause.
	egressSpread = 15 * time.Second
)

func newEgress(g *gate.Egress, log zerolog.Logger) *egress { return &egress{gate: g, log: log} }

// look reads the state.
func (e *egress) look(ctx context.Context) (gate.EgressState, error) {
	start, answered := time.Now(), e.answered.Swap(false)
	s, err := e.gate.Look(ctx, answered)
	if err != nil {
		e.answered.CompareAndSwap(false, answered)
		return s, err
	}
	return e.set(start, s), nil
}

// set takes over a state that was asked for at a time, and returns the one that counts: an open
// one does not when another state was taken over after this one was asked for.
func (e *egress) set(asked time.Time, s gate.EgressState) gate.EgressState {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.Why == 0 && e.at.After(asked) {
		return e.state
	}
	if s.Why != e.state.Why {
		switch s.Why {
		case gate.ForAddress:
			e.log.Warn().Time("until", s.Until.In(ecpay.Taipei)).Msg("ECPay bans the address: nothing is sent")
		case gate.ForOutage:
			e.log.Warn().Time("until", s.Until.In(ecpay.Taipei)).Msg("ECPay answers no merchant: nothing is sent but one request now and then")
		default:
			e.log.Info().Msg("ECPay answers again")
		}
	}
	e.state, e.at = s, time.Now()
	return s
}

// known is the state, and whether it is young enough to be relied on.
func (e *egress) known() (gate.EgressState, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state, time.Since(e.at) <= egressOld
}

// current is the state for a request of a merchant, and whether it has to ask for its
// permission.
func (e *egress) current(ctx context.Context, merchantID string) (s gate.EgressState, ask bool, err error) {
	if e == nil {
		return gate.EgressState{}, false, nil
	}
	s, young := e.known()
	if !young {
		if s, err = e.look(ctx); err != nil {
			return gate.EgressState{}, false, err
		}
	}
	if s.Why != 0 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(merchantID))
		s.Until = s.Until.Add(egressSpread * time.Duration(h.Sum32()%1024) / 1024)
	}
	return s, s.Why != 0 || e.gate.Limited(), nil
}

// ask asks for the permission of a request.
func (e *egress) ask(ctx context.Context, a gate.Attempt, life time.Duration) (gate.Turn, error) {
	start := time.Now()
	t, s, err := e.gate.Ask(ctx, a, life)
	if err == nil {
		e.set(start, s)
	}
	return t, err
}

// report tells something, and takes over the state that it leads to.
func (e *egress) report(tell func() (gate.EgressState, error)) {
	start := time.Now()
	s, err := tell()
	if err != nil {
		e.log.Warn().Err(err).Msg("other workers are not told what ECPay does to this address")
		return
	}
	e.set(start, s)
}

// tell reports what became of a request that was sent, where that is news: probe means
// that it was the first one after a pause, and pause how long ECPay wants none.
func (e *egress) tell(ctx context.Context, a gate.Attempt, merchantID string, answer *ecpay.Error, probe bool, pause time.Duration) {
	if e == nil {
		return
	}
	switch {
	case forbidden(answer):
		e.report(func() (gate.EgressState, error) { return e.gate.Forbidden(ctx, a, merchantID, pause) })
	case silent(answer):
		e.report(func() (gate.EgressState, error) {
			return e.gate.Unavailable(ctx, a, merchantID, e.answered.Swap(false))
		})
	case probe:
		e.report(func() (gate.EgressState, error) { return e.gate.Answered(ctx, a) })
	default:
		e.answered.Store(true)
	}
}

// unused says that a request that was to be the first one after a pause was not sent.
func (e *egress) unused(ctx context.Context, a gate.Attempt) {
	e.report(func() (gate.EgressState, error) { return e.gate.Unused(ctx, a) })
}

// forbidden is what ECPay answers to an address, or to a merchant, that it bans.
func forbidden(e *ecpay.Error) bool {
	return e != nil && e.Kind == ecpay.Throttled && e.HTTPStatus == 403
}

// silent is an error that may be one of everybody: nothing was delivered, nothing
// readable came back, or ECPay cannot.
func silent(e *ecpay.Error) bool {
	return e != nil && (e.Kind == ecpay.Unavailable || e.Kind == ecpay.Ambiguous)
}
