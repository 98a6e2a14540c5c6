package tasks

import (
	"sync"
	"time"
)

const (
	// DefaultInterval is the spacing of one merchant's requests that ECPay advises.
	DefaultInterval = 200 * time.Millisecond
	// spreadLead is how much earlier than its turn a task may be run. A few tasks at
	// once are not delayed at all, and workers, which keep the exact pace, have the
	// next ones at hand although asynq looks for due tasks only every second.
	spreadLead = 1500 * time.Millisecond
	// spreadLines is how many lines are remembered at least.
	spreadLines = 8192
)

// Every is the same interval for all merchants, 0 for none.
func Every(d time.Duration) func(merchantID string) time.Duration {
	return func(string) time.Duration { return d }
}

// Spread gives the tasks that one process enqueues times along their merchant's
// pace, so that a backlog of one merchant does not stand in the queue before the
// tasks of others. It is advice: nothing is stored or asked for it, and workers
// keep the pace whatever it says. It is safe for concurrent use.
type Spread struct {
	interval func(merchantID string) time.Duration

	mu sync.Mutex
	// When the next task of a line has its turn. What was not used while as many
	// others were is forgotten: then old is dropped, and young takes its place.
	young, old map[line]time.Time
}

// line is where a task stands.
type line struct {
	merchantID string
	ahead      bool  // see Type.Ahead
	at         int64 // Unix second of a wish, 0 for at once: what waits for tomorrow delays nothing today
}

// NewSpread returns a Spread. An interval of 0 is none.
func NewSpread(interval func(merchantID string) time.Duration) *Spread {
	return &Spread{interval: interval, young: map[line]time.Time{}}
}

// Next returns when a task is to be run that is wished at a time (zero for at
// once), and takes its place in line. It is never before the wish, and zero, or in
// the past, for at once.
func (s *Spread) Next(p Payload, wish, now time.Time) time.Time {
	at := wholeSecond(wish)
	l, start := lineOf(p, at, now)
	d := s.interval(l.merchantID)
	if d <= 0 {
		return at
	}
	s.mu.Lock()
	turn := s.turn(l)
	if turn.Before(start) {
		turn = start
	}
	s.put(l, turn.Add(d))
	s.mu.Unlock()
	if early := turn.Add(-spreadLead); early.After(start) {
		return early.Truncate(time.Second) // not before start, if that is a wish: it is a whole second
	}
	return at
}

// GiveBack gives up a place that Next gave, at the same times.
func (s *Spread) GiveBack(p Payload, wish, now time.Time) {
	l, _ := lineOf(p, wholeSecond(wish), now)
	d := s.interval(l.merchantID)
	if d <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if turn := s.turn(l); !turn.IsZero() {
		s.put(l, turn.Add(-d))
	}
}

func lineOf(p Payload, at, now time.Time) (line, time.Time) {
	l := line{merchantID: p.Request().Merchant(), ahead: TypeOf(p).Ahead}
	if !at.After(now) {
		return l, now
	}
	l.at = at.Unix()
	return l, at
}

func (s *Spread) turn(l line) time.Time {
	if t, ok := s.young[l]; ok {
		return t
	}
	return s.old[l]
}

func (s *Spread) put(l line, t time.Time) {
	if len(s.young) >= spreadLines {
		s.old, s.young = s.young, make(map[line]time.Time, spreadLines)
	}
	s.young[l] = t
}

// wholeSecond rounds up: asynq keeps whole seconds and drops the rest, so that a
// task would run before its time.
func wholeSecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Second - 1).Truncate(time.Second)
}
