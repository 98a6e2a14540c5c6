package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// first is a first request as [write], at an interval that is longer than the test.
func first(now time.Time) gate.FirstRequest {
	f := gate.FirstRequest{Request: write(now), Longest: 3 * time.Second, Reason: record.Text{En: "its turn is later", Zh: "尚未輪到"}}
	f.Interval = time.Minute
	return f
}

func TestAnAttemptBeginsWithItsFirstRequest(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	a, now := attempt(trigger, "A"), time.Now()
	var once map[string]any
	for _, when := range []string{"at first", "executed again"} {
		h, turn, err := g.BeginWith(t.Context(), a, now, first(now))
		if err != nil || turn == nil || turn.Wait != 0 || h.Attempts != 1 || h.InFlight {
			t.Fatalf("%s: got %+v, %+v, %v; want the first attempt with its permission", when, h, turn, err)
		}
		if once == nil {
			once = dump(t, rdb)
		} else if diff := cmp.Diff(once, dump(t, rdb)); diff != "" {
			t.Errorf("(-once +twice):\n%s", diff)
		}
	}
	if m := rdb.HGet(t.Context(), record.TaskKey(a.Keys.ID), record.FieldInFlight).Val(); m == "" {
		t.Error("the write has no mark")
	}
	wantBusy(t, g, attempt(cancel, "B"), now)
	about(t, "the next of the merchant", newRunner(t, g, "2000132", 9).ask(nil), time.Minute)
}

func TestNothingBeginsWhoseTurnComesLater(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	newRunner(t, g, "2000132", 9).ask(nil)
	a, now := attempt(trigger, "A"), time.Now()
	var once map[string]any
	for _, when := range []string{"at first", "executed again"} {
		h, turn, err := g.BeginWith(t.Context(), a, now, first(now))
		var later *gate.LaterError
		if !errors.As(err, &later) || gate.Unsure(err) || turn != nil || later.Turn.Why != gate.ForTurn || h.Attempts != 0 {
			t.Fatalf("%s: got %+v, %+v, %v; want that its turn comes later", when, h, turn, err)
		}
		about(t, when, later.Turn.Wait, time.Minute)
		d := dump(t, rdb)
		delete(d[record.TaskKey(a.Keys.ID)].(map[string]string), record.FieldNext)
		if once == nil {
			once = d
		} else if diff := cmp.Diff(once, d); diff != "" {
			t.Errorf("(-once +twice):\n%s", diff)
		}
	}
	rec, err := record.Get(t.Context(), rdb, a.Keys.ID)
	if err != nil || rec.State != record.Queued || rec.Reason != (record.Text{En: "its turn is later", Zh: "尚未輪到"}) ||
		rec.Attempts != 0 || rec.Next.Before(now.Add(50*time.Second)) || !rec.InFlight.IsZero() {
		t.Errorf("the record says %+v, %v; want that it waits for its turn", rec, err)
	}
	if rdb.Exists(t.Context(), record.LockKey(a.Keys.ID)).Val() != 0 {
		t.Error("it has the lock")
	}

	// Others came meanwhile, and its place is the earliest.
	about(t, "one more", newRunner(t, g, "2000132", 10).ask(nil), 2*time.Minute)
	again := attempt(trigger, "B")
	_, _, err = g.BeginWith(t.Context(), again, now, first(now))
	var later *gate.LaterError
	if !errors.As(err, &later) {
		t.Fatalf("got %v, want that its turn comes later", err)
	}
	about(t, "asking again", later.Turn.Wait, time.Minute)
	past := time.Now().Add(-time.Second)
	set(t, rdb, "2000132", map[string]time.Time{"last": past.Add(-time.Minute)})
	rdb.HSet(t.Context(), record.TaskKey(a.Keys.ID), record.FieldPlace, past.UnixMicro())
	h, turn, err := g.BeginWith(t.Context(), again, now, first(now))
	if err != nil || turn == nil || turn.Wait != 0 || h.Attempts != 1 || h.Age > 10*time.Second {
		t.Errorf("when its time has come: got %+v, %+v, %v; want its first attempt, and that it goes", h, turn, err)
	}
	leave(t, g, again, gate.Result{State: record.Done, Spends: true, Settled: true, Kind: ecpay.OK, RtnCode: 1})
	rec, err = record.Get(t.Context(), rdb, a.Keys.ID)
	if err != nil || rec.State != record.Done || rec.Kind != ecpay.OK || !rec.Reason.IsZero() || !rec.Next.IsZero() || rec.Attempts != 1 {
		t.Errorf("when it is done the record says %+v, %v; want nothing of its wait", rec, err)
	}
}

func TestAnAttemptBeginsAndWaitsInPlaceForATurnThatIsNear(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	newRunner(t, g, "2000132", 9).ask(nil)
	a, now := attempt(trigger, "A"), time.Now()
	f := first(now)
	f.Longest = 2 * time.Minute
	h, turn, err := g.BeginWith(t.Context(), a, now, f)
	if err != nil || turn == nil || h.Attempts != 1 {
		t.Fatalf("got %+v, %+v, %v; want that it begins", h, turn, err)
	}
	about(t, "its turn", turn.Wait, time.Minute)
	r := &runner{t: t, g: g, a: a}
	about(t, "the same place, asking again", r.ask(nil), time.Minute)
}

func TestAFirstRequestIsNotPermittedOnBeginningWhenTheHistorySaysSomething(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(t *testing.T, g *gate.Gate, now time.Time)
		change func(a *gate.Attempt)
		clock  time.Duration
	}{
		"an attempt that never left": {before: func(t *testing.T, g *gate.Gate, now time.Time) {
			a := attempt(trigger, "dead")
			a.LockFor = time.Millisecond
			begin(t, g, a, now)
			time.Sleep(10 * time.Millisecond)
		}},
		"one that never came here": {change: func(a *gate.Attempt) { a.Failed = 1 }},
		"a write that nobody answered": {before: func(t *testing.T, g *gate.Gate, now time.Time) {
			a := attempt(trigger, "unanswered")
			begin(t, g, a, now)
			enter(t, g, a, now)
			leave(t, g, a, gate.Result{State: record.Retry})
		}},
		"a clock that differs, or a command that comes late": {clock: -11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, rdb, _ := newGate(t)
			now := time.Now()
			if tc.before != nil {
				tc.before(t, g, now)
			}
			a := attempt(trigger, "A")
			if tc.change != nil {
				tc.change(&a)
			}
			now = time.Now().Add(tc.clock)
			h, turn, err := g.BeginWith(t.Context(), a, now, first(now))
			if err != nil || turn != nil {
				t.Fatalf("got %+v, %+v, %v; want that it begins, without a permission", h, turn, err)
			}
			if m := rdb.HGet(t.Context(), record.TaskKey(a.Keys.ID), "marked").Val(); m == a.Token {
				t.Error("a write is marked that nobody may send")
			}
		})
	}
}

// Nobody knows whether it began: what it left comes after it or before.
func TestAnAttemptThatMayHaveBegunLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, began := range map[string]bool{"it began": true, "it begins when it has left": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, rdb, _ := newGate(t)
			a, now := attempt(trigger, "A"), time.Now()
			begins := func() error {
				_, _, err := g.BeginWith(t.Context(), a, now, first(now))
				return err
			}
			leaves := func() error {
				return g.Leave(t.Context(), a, gate.Result{State: record.Held, Settled: true, Unsure: true})
			}
			if began {
				if err := errors.Join(begins(), leaves()); err != nil {
					t.Fatal(err)
				}
			} else {
				var busy *gate.BusyError
				if err := leaves(); !errors.Is(err, gate.ErrSuperseded) {
					t.Fatalf("leave: got %v, want ErrSuperseded", err)
				}
				if err := begins(); !errors.As(err, &busy) {
					t.Fatalf("begin: got %v, want that it is over", err)
				}
			}
			if m := rdb.HExists(t.Context(), record.TaskKey(a.Keys.ID), record.FieldInFlight).Val(); m {
				t.Error("a write is marked that nobody sent")
			}
			if h := begin(t, g, attempt(trigger, "B"), now); h.Crashes != 0 || h.Attempts != 1 || h.InFlight {
				t.Errorf("the next attempt: got %+v, want the first, without a crash", h)
			}
		})
	}
}
