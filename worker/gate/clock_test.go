package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// clocks are those of a worker: a wall clock that can be set, and a monotonic one.
type clocks struct{ start, wall, passed time.Duration }

func (c *clocks) now() time.Time         { return epoch.Add(c.wall + c.passed) }
func (c *clocks) elapsed() time.Duration { return c.passed - c.start }

var epoch = time.Now()

// timed is a gate of a worker that starts now, and looks as workers do at their start.
func timed(t *testing.T, g *gate.Gate, c *clocks) *gate.Gate {
	t.Helper()
	c.start = c.passed
	g.Timed(c.now, c.elapsed, 11*time.Minute)
	look(t, g)
	return g
}

func look(t *testing.T, g *gate.Gate) {
	t.Helper()
	if err := g.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantSet(t *testing.T, what string, g *gate.Gate, want time.Duration) {
	t.Helper()
	ago, set := g.ClockSet()
	if want < 0 && set {
		t.Errorf("%s: got clocks set %s ago, want never", what, ago)
	}
	if off := ago - want; want >= 0 && (!set || off.Abs() > time.Second) {
		t.Errorf("%s: got clocks set %t, %s ago, want %s", what, set, ago, want)
	}
}

func TestAClockThatIsSetIsNoticedByTheMonotonicOne(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{20 * time.Minute, -20 * time.Minute, 6 * time.Second} {
		g, _, _ := newGate(t)
		c := &clocks{}
		timed(t, g, c)
		wantSet(t, "before", g, -1)
		c.passed += time.Hour
		wantSet(t, "after an hour", g, -1)
		c.wall += step
		c.passed += time.Second
		wantSet(t, "set by "+step.String(), g, 0)
		c.passed += 5 * time.Minute
		wantSet(t, "five minutes later", g, 5*time.Minute)
		c.wall -= step
		wantSet(t, "set back", g, 0)
	}
	g, _, _ := newGate(t)
	c := &clocks{}
	timed(t, g, c)
	for range 100 { // NTP slews it, two minutes in an hour and more
		c.passed += time.Minute
		c.wall += 2 * time.Second
		wantSet(t, "slewed", g, -1)
	}
}

// Redis' clock and the worker's say that an hour has passed.
func TestAFenceAndALockDoNotEndByOneStepOfAllClocks(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	c := &clocks{}
	timed(t, g, c)
	a := attempt(trigger, "A")
	begin(t, g, a, c.now())
	enter(t, g, a, c.now())
	step := func() {
		t.Helper()
		c.wall += time.Hour
		hour := epoch.Add(-time.Hour) // for Redis, whose clock is the machine's, what was lies as much further back
		set := map[string]any{record.FieldInFlight: ms(hour), record.FieldSentAt: ms(hour)}
		if err := rdb.HSet(t.Context(), record.TaskKey(trigger), set).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Set(t.Context(), record.LockKey(trigger), "A "+ms(hour)+" "+ms(hour), time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	step()
	wantBusy(t, g, attempt(trigger, "B"), c.now())
	c.passed += 61 * time.Second // the lock has ended whatever the clocks say
	h := begin(t, g, attempt(trigger, "B"), c.now())
	if !h.InFlight || !h.ClockSet || h.SinceSet > 62*time.Second {
		t.Errorf("got in flight %t, clock set %t since %s, want since a minute", h.InFlight, h.ClockSet, h.SinceSet)
	}
}

// Who begins after the clocks were set has no clock that tells.
func TestAWorkerThatStartsAfterTheClocksWereSetLearnsOfIt(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	c := &clocks{}
	timed(t, g, c)
	wantSet(t, "the first worker ever", g, -1)
	looked := func(ago time.Duration) {
		t.Helper()
		if err := rdb.HSet(t.Context(), record.ClockKey, record.FieldLooked, ms(time.Now().Add(-ago)), record.FieldStepped, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	start := func() *gate.Gate { return timed(t, gate.New(rdb, redisx.Confirm{}), &clocks{passed: time.Hour}) }

	looked(9 * time.Second)
	wantSet(t, "a worker beside another", start(), -1)
	looked(20 * time.Minute)
	wantSet(t, "nobody looked for 20 minutes, or Redis' clock was set", start(), 0)
	wantSet(t, "and the next", start(), 0)
	looked(-20 * time.Minute)
	wantSet(t, "Redis' clock was set back", start(), 0)

	// By less than would be missed, or on another machine: who noticed tells.
	looked(time.Second)
	c.wall += 10 * time.Second
	wantSet(t, "who noticed", g, 0)
	c.passed += 5 * time.Second
	look(t, g)
	wantSet(t, "whom it tells", start(), 5*time.Second)

	unable := gate.New(rdb, redisx.Confirm{}).Timed(c.now, c.elapsed, time.Minute)
	wantSet(t, "who has not looked yet", unable, c.elapsed())
}

// Whoever looks twice, or late, makes no more of it.
func TestLookingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	c := &clocks{}
	timed(t, g, c)
	c.wall += time.Hour
	look(t, g)
	first := rdb.HGet(t.Context(), record.ClockKey, record.FieldStepped).Val()
	look(t, g)
	if again := rdb.HGet(t.Context(), record.ClockKey, record.FieldStepped).Val(); again != first || strings.TrimLeft(first, "0") == "" {
		t.Errorf("got %q and then %q, want the same time", first, again)
	}
}
