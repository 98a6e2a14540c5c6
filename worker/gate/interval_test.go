package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestOfTwoIntervalsForAMerchantTheLongerOneCountsForAll(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	every := func(d time.Duration) func(*gate.Request) { return func(q *gate.Request) { q.Interval = d } }
	newRunner(t, g, "1", 0).ask(every(0))
	about(t, "of a process with an interval of a minute", newRunner(t, g, "1", 1).ask(every(time.Minute)), time.Minute)
	about(t, "of one without an interval", newRunner(t, g, "1", 2).ask(every(0)), 2*time.Minute)
	about(t, "of one with a shorter interval", newRunner(t, g, "1", 3).ask(every(time.Second)), 3*time.Minute)
	about(t, "of another merchant", newRunner(t, g, "2", 1).ask(every(0)), 0)

	a := attempt("b2c.trigger_issue.1.T9", "first")
	first := gate.FirstRequest{Request: write(time.Now()), Reason: record.Text{En: "its turn is later"}}
	_, _, err := g.BeginWith(t.Context(), a, time.Now(), first)
	var later *gate.LaterError
	if !errors.As(err, &later) || later.Turn.Stricter != time.Minute {
		t.Errorf("on beginning: got %v, want that it is later, by an interval of a minute", err)
	}

	// All workers have a shorter one by now: nobody asks for the minute any more.
	set(t, rdb, "1", map[string]time.Time{"strict_at": time.Now().Add(-6 * time.Minute),
		"last": time.Now().Add(-time.Hour), "line": time.Now().Add(-time.Hour)})
	about(t, "six minutes after the longer one was asked for last", newRunner(t, g, "1", 4).ask(every(time.Second)), 0)
	about(t, "and the next", newRunner(t, g, "1", 5).ask(every(time.Second)), time.Second)
	if v := rdb.HGet(t.Context(), record.KeysOf("1").Pace, "strict").Val(); v != "1000000" {
		t.Errorf("got %s µs as the longest interval, want the second", v)
	}
}
