package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// exit is an egress of a test's own.
type exit struct {
	*gate.Egress
	t   *testing.T
	rdb *redis.Client
	n   int
}

func newExit(t *testing.T, rate float64) *exit {
	t.Helper()
	_, rdb, _ := newGate(t)
	return &exit{Egress: gate.NewEgress(rdb, "office", rate), t: t, rdb: rdb}
}

// attempt is another one, of which the egress knows nothing but the token.
func (e *exit) attempt() gate.Attempt {
	e.n++
	return gate.Attempt{Token: fmt.Sprint("attempt-", e.n)}
}

func (e *exit) ask(a gate.Attempt) gate.Turn {
	e.t.Helper()
	turn, _, err := e.Ask(e.t.Context(), a, time.Minute)
	if err != nil {
		e.t.Fatal(err)
	}
	return turn
}

// must returns the state that a report brought.
func (e *exit) must(s gate.EgressState, err error) gate.EgressState {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *exit) want(what string, why gate.Why, in time.Duration) {
	e.t.Helper()
	s := e.must(e.Look(e.t.Context(), false))
	if s.Why != why {
		e.t.Errorf("%s: paused for %d, want %d", what, s.Why, why)
	}
	if why != 0 {
		about(e.t, what, time.Until(s.Until), in)
	}
}

// pass lets time pass, of all that is a time.
func (e *exit) pass(d time.Duration) {
	e.t.Helper()
	keys := record.EgressKeys("office")
	for f, v := range e.rdb.HGetAll(e.t.Context(), keys[0]).Val() {
		switch f {
		case "ends", "since", "answered", "rate_at", "rate_line", "probe_end":
			e.rdb.HSet(e.t.Context(), keys[0], f, micros(e.t, v)-d.Microseconds())
		}
	}
	for _, key := range keys[1:] {
		for _, z := range e.rdb.ZRangeWithScores(e.t.Context(), key, 0, -1).Val() {
			e.rdb.ZAdd(e.t.Context(), key, redis.Z{Score: z.Score - float64(d.Microseconds()), Member: z.Member})
		}
	}
}

func TestAClockOfRedisThatIsSetBackMakesNoPauseOfTheEgressLonger(t *testing.T) {
	t.Parallel()
	e := newExit(t, 0)
	for i := range 3 {
		e.must(e.Forbidden(e.t.Context(), e.attempt(), fmt.Sprint("merchant-", i), 30*time.Minute))
	}
	e.want("banned", gate.ForAddress, 30*time.Minute)
	e.pass(-time.Hour)
	e.want("an hour back", gate.ForAddress, 30*time.Minute)
	e.pass(20 * time.Minute)
	e.want("20 minutes later", gate.ForAddress, 10*time.Minute)
}

func TestAClockOfRedisThatIsSetBackStopsNoRate(t *testing.T) {
	t.Parallel()
	e := newExit(t, 1)
	for range 3 {
		e.ask(e.attempt())
	}
	e.pass(-time.Hour)
	if turn := e.ask(e.attempt()); turn.Wait > 2*time.Second {
		t.Errorf("got a wait of %s at one request in a second", turn.Wait)
	}
}

func micros(t *testing.T, s string) int64 {
	t.Helper()
	var n int64
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestA403ForThreeMerchantsWithinAMinutePausesTheEgressAndOneGoesFirst(t *testing.T) {
	t.Parallel()
	e := newExit(t, 0)
	ctx := t.Context()
	forbidden := func(a gate.Attempt, merchant string, pause time.Duration) {
		t.Helper()
		e.must(e.Forbidden(ctx, a, merchant, pause))
	}
	for range 3 {
		forbidden(e.attempt(), "1", 30*time.Minute)
	}
	forbidden(e.attempt(), "2", 30*time.Minute)
	e.want("after two merchants", 0, 0)
	e.pass(61 * time.Second)
	forbidden(e.attempt(), "3", 30*time.Minute)
	e.want("a third one, more than a minute later", 0, 0)
	forbidden(e.attempt(), "1", 30*time.Minute)
	third := e.attempt()
	for range 2 { // executed again, because its answer was lost
		forbidden(third, "2", 30*time.Minute)
		e.want("after the third within a minute", gate.ForAddress, 30*time.Minute)
	}
	forbidden(e.attempt(), "4", time.Hour) // was on its way
	e.want("after one that was on its way", gate.ForAddress, 30*time.Minute)
	turn := e.ask(e.attempt())
	about(t, "who asks meanwhile", turn.Wait, 30*time.Minute)
	if turn.Why != gate.ForAddress {
		t.Errorf("waits for %d", turn.Why)
	}

	e.pass(30 * time.Minute)
	first, other := e.attempt(), e.attempt()
	if turn := e.ask(first); turn.Wait != 0 || !turn.Probes {
		t.Errorf("the first after the pause: %+v", turn)
	}
	if turn := e.ask(first); turn.Wait != 0 || !turn.Probes {
		t.Errorf("the first, asked again: %+v", turn)
	}
	about(t, "another one meanwhile", e.ask(other).Wait, time.Second)
	forbidden(first, "9", 10*time.Minute) // one merchant is enough now
	e.want("the first met it again", gate.ForAddress, 10*time.Minute)

	e.pass(10 * time.Minute)
	e.ask(other)
	e.must(e.Unused(ctx, other))
	next := e.attempt()
	if turn := e.ask(next); turn.Wait != 0 || !turn.Probes {
		t.Errorf("after one that was not sent: %+v", turn)
	}
	e.must(e.Answered(ctx, e.attempt()))
	e.want("after an answer to somebody else, who was on the way", gate.ForAddress, 0)
	e.must(e.Answered(ctx, next))
	e.want("after an answer to the first", 0, 0)
	for range 3 {
		if turn := e.ask(e.attempt()); turn.Wait != 0 || turn.Probes {
			t.Errorf("after the pause: %+v", turn)
		}
	}
	forbidden(e.attempt(), "1", 30*time.Minute)
	e.want("one 403 later", 0, 0)
	if other := gate.NewEgress(e.rdb, "elsewhere", 0); e.must(other.Look(ctx, false)).Why != 0 {
		t.Error("another egress is paused")
	}
}

func TestWhenNobodyIsAnsweredEverybodyHoldsWithGrowingPausesAndOneGoesFirst(t *testing.T) {
	t.Parallel()
	e := newExit(t, 0)
	ctx := t.Context()
	silence := func(n int) {
		t.Helper()
		for i := range n {
			e.must(e.Unavailable(ctx, e.attempt(), fmt.Sprint(i), false))
		}
	}
	e.must(e.Look(ctx, true))
	silence(9)
	e.want("while somebody was answered within 10 seconds", 0, 0)
	e.pass(11 * time.Second)
	e.must(e.Unavailable(ctx, e.attempt(), "1", true))
	e.want("while this process was", 0, 0)
	e.pass(61 * time.Second)
	silence(2)
	e.want("two merchants", 0, 0)
	silence(3)
	e.want("three merchants", gate.ForOutage, 15*time.Second)
	silence(5)
	e.want("others who were on the way", gate.ForOutage, 15*time.Second)
	for i, pause := range []time.Duration{30, 60, 120, 240, 300, 300} {
		pause *= time.Second
		e.pass(pause) // at least the one before
		first := e.attempt()
		if turn := e.ask(first); turn.Wait != 0 || !turn.Probes {
			t.Fatalf("probe %d: %+v", i, turn)
		}
		turn := e.ask(e.attempt())
		about(t, "who asks meanwhile", turn.Wait, time.Second)
		for range 2 { // executed again
			e.must(e.Unavailable(ctx, first, "1", false))
			e.want(fmt.Sprint("after probe ", i), gate.ForOutage, pause)
		}
	}
	e.pass(5 * time.Minute)
	first := e.attempt()
	e.ask(first)
	e.must(e.Answered(ctx, first))
	e.want("after an answer", 0, 0)
	e.pass(11 * time.Second)
	silence(2)
	e.want("two merchants later", 0, 0)
}

func TestRequestsOfAnEgressKeepItsRate(t *testing.T) {
	t.Parallel()
	e := newExit(t, 0.1) // one in 10 seconds, far longer than the test takes
	about(t, "the first", e.ask(e.attempt()).Wait, 0)
	for i := range 3 {
		turn := e.ask(e.attempt())
		about(t, fmt.Sprint("number ", i), turn.Wait, time.Duration(i+1)*10*time.Second)
		if turn.Wait <= 0 || turn.Why != gate.ForRate {
			t.Errorf("number %d: %+v, want that it waits for the rate", i, turn)
		}
	}
	e.pass(10 * time.Second)
	about(t, "10 seconds later", e.ask(e.attempt()).Wait, 0)
	if turn := e.ask(e.attempt()); turn.Wait <= 0 {
		t.Errorf("at once after it: %+v", turn)
	}

	fast := newExit(t, 1000)
	start, n := time.Now(), 0
	for time.Since(start) < 500*time.Millisecond {
		if fast.ask(fast.attempt()).Wait == 0 {
			n++
		}
	}
	// What was not used for 100 ms may be used after it.
	if most := int(time.Since(start)/time.Millisecond) + 101; n > most {
		t.Errorf("%d requests in %s at 1000 a second", n, time.Since(start))
	}
}

// While the egress is paused, a merchant's tasks are told places behind the pause.
func TestAPauseOfTheEgressMovesTheLinesOfMerchantsBehindIt(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	closed := func(q *gate.Request) {
		q.Egress = gate.EgressState{Why: gate.ForAddress, Until: time.Now().Add(30 * time.Minute)}
		q.Peek = true
	}
	for i := range 3 {
		about(t, fmt.Sprint("number ", i), newRunner(t, g, "1", i).ask(closed), 30*time.Minute+time.Duration(i)*time.Minute)
	}
	about(t, "of another merchant", newRunner(t, g, "2", 0).ask(closed), 30*time.Minute)
	// Peeking takes nothing.
	r := newRunner(t, g, "3", 0)
	for range 3 {
		about(t, "peeking", r.ask(func(q *gate.Request) { q.Peek = true }), 0)
	}
	about(t, "and then asking", r.ask(nil), 0)
	about(t, "the next one", newRunner(t, g, "3", 1).ask(func(q *gate.Request) { q.Peek = true }), time.Minute)
}
