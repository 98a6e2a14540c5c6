package worker

import (
	"context"
	"hash/fnv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// egress is what a process knows of the address by which its requests leave, so that
// nobody is asked for each of them. A nil egress is always open.
type egress struct {
	gate     *gate.Egress
	log      zerolog.Logger
	answered atomic.Bool // since it was told last

	lock  chan struct{} // of what follows, held while it is read
	state gate.EgressState
	at    time.Time // when it was read
}

const (
	// egressLook is how often the state is read while the process runs, and egressOld how
	// old it may be when something is sent: so long may a process go on that does not
	// know of a ban yet.
	egressLook = time.Second
	egressOld  = 3 * time.Second
	// egressSpread keeps merchants apart from each other after a pause.
	egressSpread = 15 * time.Second
)

func newEgress(g *gate.Egress, log zerolog.Logger) *egress {
	return &egress{gate: g, log: log, lock: make(chan struct{}, 1)}
}

// locked takes the lock, unless ctx ends before, and returns what gives it back.
func (e *egress) locked(ctx context.Context) (func(), error) {
	select {
	case e.lock <- struct{}{}:
		return func() { <-e.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// look reads the state.
func (e *egress) look(ctx context.Context) error {
	unlock, err := e.locked(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return e.read(ctx)
}

func (e *egress) read(ctx context.Context) error {
	answered := e.answered.Swap(false)
	s, err := e.gate.Look(ctx, answered)
	if err != nil {
		e.answered.CompareAndSwap(false, answered)
		return err
	}
	e.set(s)
	return nil
}

func (e *egress) set(s gate.EgressState) {
	if s.Why != e.state.Why {
		switch s.Why {
		case gate.ForAddress:
			e.log.Warn().Time("until", s.Until).Msg("ECPay bans the address: nothing is sent")
		case gate.ForOutage:
			e.log.Warn().Time("until", s.Until).Msg("ECPay answers no merchant: nothing is sent but one request now and then")
		default:
			e.log.Info().Msg("ECPay answers again")
		}
	}
	e.state, e.at = s, time.Now()
}

// current is the state for a request of a merchant, and whether it has to ask for its
// permission.
func (e *egress) current(ctx context.Context, merchantID string) (s gate.EgressState, ask bool, err error) {
	if e == nil {
		return gate.EgressState{}, false, nil
	}
	unlock, err := e.locked(ctx)
	if err != nil {
		return gate.EgressState{}, false, err
	}
	defer unlock()
	if time.Since(e.at) > egressOld {
		if err := e.read(ctx); err != nil {
			return gate.EgressState{}, false, err
		}
	}
	s = e.state
	if s.Why != 0 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(merchantID))
		s.Until = s.Until.Add(egressSpread * time.Duration(h.Sum32()%1024) / 1024)
	}
	return s, s.Why != 0 || e.gate.Limited(), nil
}

// ask asks for the permission of a request.
func (e *egress) ask(ctx context.Context, a gate.Attempt, life time.Duration) (gate.Turn, error) {
	t, s, err := e.gate.Ask(ctx, a, life)
	if err == nil {
		e.told(ctx, s, nil)
	}
	return t, err
}

// told takes over the state that a report brought.
func (e *egress) told(ctx context.Context, s gate.EgressState, err error) {
	if err != nil {
		e.log.Warn().Err(err).Msg("other workers are not told what ECPay does to this address")
		return
	}
	if unlock, err := e.locked(ctx); err == nil {
		e.set(s)
		unlock()
	}
}

// tell reports what became of a request that was sent, where that is news: first means
// that it was the first one after a pause, and pause how long ECPay wants none.
func (e *egress) tell(ctx context.Context, a gate.Attempt, merchantID string, answer *ecpay.Error, first bool, pause time.Duration) {
	if e == nil {
		return
	}
	switch {
	case forbidden(answer):
		s, err := e.gate.Forbidden(ctx, a, merchantID, pause)
		e.told(ctx, s, err)
	case silent(answer):
		s, err := e.gate.Unavailable(ctx, a, merchantID, e.answered.Swap(false))
		e.told(ctx, s, err)
	case first:
		s, err := e.gate.Answered(ctx, a)
		e.told(ctx, s, err)
	default:
		e.answered.Store(true)
	}
}

// unused says that a request that was to be the first after a pause was not sent.
func (e *egress) unused(ctx context.Context, a gate.Attempt) {
	s, err := e.gate.Unused(ctx, a)
	e.told(ctx, s, err)
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
