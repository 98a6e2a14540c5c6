package ecpay

import (
	"context"
	"sync"
	"time"
)

// Limits of the clock correction.
const (
	// minCorrection is the offset below which a stamp is left alone: ECPay's
	// window is 10 minutes wide, a Date header counts whole seconds.
	minCorrection = 30 * time.Second
	// agreement is how far two sources may differ and still agree.
	agreement = 5 * time.Second
)

// Skew is what is known of this process's clock. Offsets are how far the other
// clock is ahead of ours; a negative offset means that ours runs fast.
type Skew struct {
	// ECPay is the offset of ECPay's HTTP Date header, from the last answer.
	ECPay time.Duration
	// ECPayKnown is false until an answer carried a Date.
	ECPayKnown bool
	// Reference is the offset of the second source, Redis TIME.
	Reference      time.Duration
	ReferenceKnown bool
	// Correction is what is added to our clock for RqHeader.Timestamp, 0 as long
	// as two sources have not agreed that our clock is wrong.
	Correction time.Duration
}

// clock measures the local clock against ECPay's and corrects stamps only when
// two sources agree that it is wrong: ECPay's Date with a TransCode 104, or
// ECPay's Date with the reference.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	skew Skew
	// While corrected, time is ECPay's at the anchor plus the monotonic time
	// since, so that an NTP step of the local clock cannot bend a stamp.
	corrected             bool
	anchorLocal, anchorAt time.Time
	anchorWithin          time.Duration // how far from ECPay's time the anchor may be

	probed bool
	probe  chan struct{} // holds one token: see enter
}

func newClock(now func() time.Time) *clock {
	c := &clock{now: now, probe: make(chan struct{}, 1)}
	c.probe <- struct{}{}
	return c
}

// stamp is the time for RqHeader.Timestamp.
func (c *clock) stamp() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.corrected {
		return c.anchored(now)
	}
	return now
}

// enter lets requests pass freely, except while the reference says that our
// clock is wrong and ECPay has not been heard yet: then one goes alone, so that
// at most one is refused with 104. The returned func must be called after the
// answer was observed.
func (c *clock) enter(ctx context.Context) (func(), error) {
	if !c.suspicious() {
		return func() {}, nil
	}
	select {
	case <-c.probe:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !c.suspicious() { // another one found out while we waited
		c.probe <- struct{}{}
		return func() {}, nil
	}
	return func() {
		c.mu.Lock()
		c.probed = true // also when no Date came: nobody waits a second time
		c.mu.Unlock()
		c.probe <- struct{}{}
	}, nil
}

func (c *clock) suspicious() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew.ReferenceKnown && c.skew.Reference.Abs() >= minCorrection && !c.skew.ECPayKnown && !c.probed
}

// observe takes ECPay's Date header of an answer that took from sent to
// received by the local clock. refused means that the answer was TransCode 104.
func (c *clock) observe(date, sent, received time.Time, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// ECPay set the Date at some moment between the two: the slower the answer, the less it says.
	way := received.Sub(sent) / 2
	local := sent.Add(way)
	// A Date is cut to the second: half a second is its middle.
	server, within := date.Add(500*time.Millisecond), way+500*time.Millisecond
	if c.corrected && within >= c.anchorWithin && c.off(server, local) <= within+c.anchorWithin {
		server, within = c.anchored(local), c.anchorWithin // which is better known than by this answer
	}
	c.skew.ECPay, c.skew.ECPayKnown = server.Round(0).Sub(local.Round(0)), true
	switch {
	case c.skew.ECPay.Abs() < minCorrection:
		c.corrected = false
	case refused, c.agrees(server, local, within):
		c.corrected, c.anchorLocal, c.anchorAt, c.anchorWithin = true, local, server, within
	}
	c.skew.Correction = 0
	if c.corrected {
		c.skew.Correction = c.anchored(local).Round(0).Sub(local.Round(0))
	}
}

// agrees reports whether a second source supports ECPay's Date: the reference,
// or a correction in force, which then follows a slow drift.
func (c *clock) agrees(server, local time.Time, within time.Duration) bool {
	if c.skew.ReferenceKnown && (c.skew.ECPay-c.skew.Reference).Abs() <= agreement {
		return true
	}
	return c.corrected && c.off(server, local) <= max(agreement, within+c.anchorWithin)
}

// anchored is ECPay's time by the correction in force.
func (c *clock) anchored(local time.Time) time.Time {
	return c.anchorAt.Add(local.Sub(c.anchorLocal))
}

// off is how far ECPay's Date is from the correction in force.
func (c *clock) off(server, local time.Time) time.Duration {
	return c.anchored(local).Sub(server).Abs()
}

// reference takes the offset of the second source.
func (c *clock) reference(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew.Reference, c.skew.ReferenceKnown = offset, true
}

func (c *clock) read() Skew {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}
