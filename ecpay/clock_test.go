package ecpay

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// skewedClock runs off by a settable offset, without a monotonic reading.
type skewedClock struct{ offset atomic.Int64 }

func (c *skewedClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())).Round(0) }

// windowServer refuses stamps outside ECPay's window with 104 and counts.
func windowServer(t *testing.T, refused, accepted *atomic.Int32, serverOffset time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		env := parseRequest(t, body)
		now := time.Now().Add(serverOffset)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		if d := now.Sub(time.Unix(env.RqHeader.Timestamp, 0)); d > 10*time.Minute || d < -10*time.Minute {
			refused.Add(1)
			_, _ = io.WriteString(w, `{"TransCode":104,"TransMsg":"Timestamp is over 10 minutes than it just produced."}`)
			return
		}
		accepted.Add(1)
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":4000004}`))
	}
}

func TestClockTwentyMinutesOffIsRefusedOnce(t *testing.T) {
	t.Parallel()
	for name, offset := range map[string]time.Duration{"fast": 20 * time.Minute, "slow": -20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clk := new(skewedClock)
			clk.offset.Store(int64(offset))
			var refused, accepted atomic.Int32
			c := newServer(t, windowServer(t, &refused, &accepted, 0), func(cfg *Config) { cfg.Now = clk.now })
			for range 5 {
				_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
			}
			if refused.Load() != 1 || accepted.Load() != 4 {
				t.Errorf("%d refused, %d accepted; want 1 and 4", refused.Load(), accepted.Load())
			}
			if d := (c.Skew().Correction + offset).Abs(); d > 2*time.Second {
				t.Errorf("correction %v for an offset of %v", c.Skew().Correction, offset)
			}
			clk.offset.Store(0) // somebody mends the clock: the correction must not outlive that
			_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
			_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
			if refused.Load() > 2 || c.Skew().Correction != 0 {
				t.Errorf("after mending: %d refused, correction %v", refused.Load(), c.Skew().Correction)
			}
		})
	}
}

func TestWithTheReferenceManyAtOnceAreRefusedOnce(t *testing.T) {
	t.Parallel()
	clk := new(skewedClock)
	clk.offset.Store(int64(20 * time.Minute))
	var refused, accepted atomic.Int32
	c := newServer(t, windowServer(t, &refused, &accepted, 0), func(cfg *Config) { cfg.Now = clk.now })
	c.ObserveReference(-20 * time.Minute)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, _ = c.B2CTriggerIssue(context.Background(), stageMerchant(t), trigger()) })
	}
	wg.Wait()
	if refused.Load() != 1 || accepted.Load() != 19 {
		t.Errorf("%d refused, %d accepted; want 1 and 19", refused.Load(), accepted.Load())
	}
}

func TestOneSourceAloneCorrectsNothing(t *testing.T) {
	t.Parallel()
	var refused, accepted atomic.Int32
	// ECPay's Date is 20 minutes off, yet it accepts our stamps.
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(20*time.Minute).UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":4000004}`))
	})
	c.ObserveReference(0)
	_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
	if s := c.Skew(); s.Correction != 0 || !s.ECPayKnown || s.ECPay < 19*time.Minute {
		t.Errorf("skew %+v, want it measured and not corrected", s)
	}
	// A 104 while ECPay's Date shows no skew is not the clock's fault.
	c = newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"TransCode":104}`) })
	_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
	if s := c.Skew(); s.Correction != 0 {
		t.Errorf("skew %+v, want no correction", s)
	}
	// Nor does the reference alone correct anything.
	clk := new(skewedClock)
	c = newServer(t, windowServer(t, &refused, &accepted, 0), func(cfg *Config) { cfg.Now = clk.now })
	c.ObserveReference(-20 * time.Minute)
	_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
	if refused.Load() != 0 || c.Skew().Correction != 0 {
		t.Errorf("%d refused, skew %+v", refused.Load(), c.Skew())
	}
}

func TestCorrectedStampIgnoresAStepOfTheWallClock(t *testing.T) {
	t.Parallel()
	now := time.Now() // has a monotonic reading, which Add keeps
	c := newClock(func() time.Time { return now })
	c.observe(now.Add(20*time.Minute), now, now, true)
	want := c.stamp().Add(time.Minute)
	now = now.Add(time.Minute)
	if got := c.stamp(); !got.Equal(want) {
		t.Errorf("stamp %v, want %v", got, want)
	}
}

// The Date of an answer that took long was set at some moment of that time: it must
// not bend what a quick answer had told, and a quick answer mends what it had.
func TestASlowAnswerBendsNoCorrection(t *testing.T) {
	t.Parallel()
	const off = 20 * time.Minute
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	c := newClock(func() time.Time { return now })
	// answer is of a request that takes back on its way back alone.
	answer := func(back time.Duration, refused bool) {
		sent := now
		now = now.Add(back)
		c.observe(sent.Add(off).Truncate(time.Second), sent, now, refused)
	}
	bent := func() time.Duration { return c.stamp().Sub(now.Add(off)).Abs() }

	answer(8*time.Second, true)
	if d := bent(); d > 5*time.Second {
		t.Errorf("after a slow refusal stamps are %s off", d)
	}
	answer(100*time.Millisecond, false)
	if d := bent(); d > time.Second {
		t.Errorf("a quick answer leaves stamps %s off", d)
	}
	for range 5 {
		answer(8*time.Second, false)
	}
	if d := bent(); d > time.Second {
		t.Errorf("slow answers bend stamps by %s", d)
	}
	if d := (c.read().ECPay - off).Abs(); d > time.Second {
		t.Errorf("slow answers bend the measured offset by %s", d)
	}
}

func TestACorrectionFollowsADriftThatQuickAnswersShow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	c := newClock(func() time.Time { return now })
	server := now.Add(20 * time.Minute)
	c.observe(server, now, now, true)
	for range 100 { // our clock loses 0.2 seconds an hour
		now, server = now.Add(time.Hour), server.Add(time.Hour+200*time.Millisecond)
		c.observe(server.Truncate(time.Second), now, now.Add(100*time.Millisecond), false)
	}
	if d := c.stamp().Sub(server).Abs(); d > 2*time.Second {
		t.Errorf("after 100 hours stamps are %s off", d)
	}
}
