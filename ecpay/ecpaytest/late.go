package ecpaytest

import (
	"slices"
	"time"
)

// lateEffect is a request that was taken from the client but is processed only later.
type lateEffect struct {
	due      time.Time // by the server's clock
	exchange *exchange
	offset   time.Duration
	timer    *time.Timer
}

// later puts a request off. It lands at the first moment the server looks at its clock when the time has come: a timer
// sees to that in real time, and with an injected clock so does any request, IssueDue or look at the effects.
func (s *Server) later(x *exchange, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return
	default:
	}
	if x.generation != s.generation {
		return
	}
	late := &lateEffect{due: s.now().Add(f.EffectAfter), exchange: x, offset: f.ClockOffset}
	late.timer = time.AfterFunc(f.EffectAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle(s.now())
	})
	after := func(e *lateEffect, due time.Time) int {
		if e.due.After(due) {
			return 1
		}
		return -1
	}
	i, _ := slices.BinarySearchFunc(s.late, late.due, after)
	s.late = slices.Insert(s.late, i, late)
}

// land processes a request whose time has come, with the window of its Timestamp judged at that time: a request that was
// held up on its way is as stale to ECPay as any other. The caller holds mu.
func (s *Server) land(late *lateEffect) {
	s.processAt(late.exchange, late.due, late.offset)
}

// stopLate withdraws the late effects that have not landed. The caller holds mu.
func (s *Server) stopLate() {
	for _, late := range s.late {
		late.timer.Stop()
	}
	s.late = nil
}
