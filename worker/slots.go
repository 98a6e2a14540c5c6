package worker

import (
	"context"
	"sync/atomic"
	"time"
)

// slots bounds what a process does at once: requests to ECPay, and attempts that
// sleep until it is their turn.
type slots struct {
	requests, sleepers chan struct{}
	stopping           chan struct{} // closed when the worker stops: nobody waits any longer

	waiting atomic.Int64  // attempts that wait for a slot of requests
	room    chan struct{} // tells admit that an attempt does not wait any longer; holds one
}

func newSlots(requests, sleepers int) *slots {
	return &slots{
		requests: make(chan struct{}, requests), sleepers: make(chan struct{}, sleepers),
		stopping: make(chan struct{}), room: make(chan struct{}, 1),
	}
}

// slotWait is how long an attempt waits for one of the process' slots for requests.
const slotWait = 5 * time.Second

// take takes one of the process' slots for requests; false when there was none in time.
func (s *slots) take(ctx context.Context) bool {
	select {
	case s.requests <- struct{}{}:
		return true
	default:
	}
	s.waiting.Add(1)
	defer func() {
		s.waiting.Add(-1)
		s.tell()
	}()
	timer := time.NewTimer(slotWait)
	defer timer.Stop()
	select {
	case s.requests <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	case <-s.stopping:
	}
	return false
}

func (s *slots) release() { <-s.requests }

// admit waits while as many attempts wait for a slot as there are slots, so that asynq takes no
// more tasks than can be sent soon: a task in the queue can be taken by another process, and
// asynq's scripts take the longer the more tasks are active. It ends at the latest when the
// attempts that wait have given up, after [slotWait].
func (s *slots) admit(ctx context.Context) {
	for s.waiting.Load() >= int64(cap(s.requests)) {
		select {
		case <-s.room:
		case <-s.stopping:
			return
		case <-ctx.Done():
			return
		}
	}
	s.tell() // others may wait here as well
}

func (s *slots) tell() {
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// nap sleeps in place. It returns false at once when too many attempts do already.
func (s *slots) nap(ctx context.Context, d time.Duration) bool {
	select {
	case s.sleepers <- struct{}{}:
		defer func() { <-s.sleepers }()
	default:
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.stopping:
	}
	return false
}

// full reports whether as many attempts sleep as may.
func (s *slots) full() bool { return len(s.sleepers) == cap(s.sleepers) }
