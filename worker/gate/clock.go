package gate

import (
	"sync"
	"time"
)

// clock notices that the wall clock was set, which a monotonic clock is not. A fence and a lock
// are guarded by two clocks, Redis' and the worker's; where both are set at once, neither tells,
// and less time has passed than they say. So fences and locks begin anew then.
//
// Of a clock that was set before this process ran Redis tells, see look.lua. Until Redis was
// asked once, the process' start counts as such a moment.
type clock struct {
	now     func() time.Time     // the wall clock
	elapsed func() time.Duration // by the monotonic one
	fence   time.Duration

	mu       sync.Mutex
	wall     time.Time // at at
	at       time.Duration
	set      bool
	setAt    time.Duration // by elapsed, when the clocks were set last
	here     bool          // this process noticed it
	hereAt   time.Duration
	informed bool
}

const (
	// clockTolerance is how far the clocks may drift apart within clockAnchor, as when NTP slews
	// one. It is small against the margin of a fence over ECPay's window.
	clockTolerance = 5 * time.Second
	clockAnchor    = time.Minute
)

// Timed lets the gate notice that the clocks are set: now is the worker's clock, elapsed a
// monotonic one, and fence what others are told of. It returns g.
func (g *Gate) Timed(now func() time.Time, elapsed func() time.Duration, fence time.Duration) *Gate {
	g.clock = &clock{now: now, elapsed: elapsed, fence: fence}
	return g
}

// ClockSet returns how long ago the clocks were set, as far as this process knows.
func (g *Gate) ClockSet() (ago time.Duration, set bool) {
	if g.clock == nil {
		return 0, false
	}
	return g.clock.since(g.clock.now())
}

// since returns how long ago the clocks were set, false for never. now is the wall clock.
func (c *clock) since(now time.Time) (time.Duration, bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.elapsed()
	now = now.Round(0) // its monotonic part would say what at says
	if off := now.Sub(c.wall) - (at - c.at); !c.wall.IsZero() && off.Abs() > clockTolerance {
		c.set, c.setAt, c.here, c.hereAt = true, at, true, at
		c.wall, c.at = now, at
	} else if c.wall.IsZero() || at-c.at > clockAnchor {
		c.wall, c.at = now, at
	}
	switch {
	case c.set:
		return max(0, at-c.setAt), true
	case !c.informed:
		return at, true
	}
	return 0, false
}

// seen is how long ago this process noticed it itself, in milliseconds, -1 for never.
func (c *clock) seen() (ago int64, fence time.Duration) {
	if c == nil {
		return -1, 0
	}
	c.since(c.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.here {
		return -1, c.fence
	}
	return (c.elapsed() - c.hereAt).Milliseconds(), c.fence
}

// learn takes what Redis told: how many milliseconds ago, -1 for never.
func (c *clock) learn(ago int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.informed = true
	if ago < 0 {
		return
	}
	if at := c.elapsed() - time.Duration(ago)*time.Millisecond; !c.set || at > c.setAt {
		c.set, c.setAt = true, at
	}
}
