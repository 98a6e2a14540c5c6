package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// runner is a running attempt on a Tsr of its own.
type runner struct {
	t *testing.T
	g *gate.Gate
	a gate.Attempt
	n int
}

func newRunner(t *testing.T, g *gate.Gate, merchant string, i int) *runner {
	t.Helper()
	r := &runner{t: t, g: g, a: attempt(fmt.Sprintf("b2c.trigger_issue.%s.T%d", merchant, i), fmt.Sprintf("%s-%d", merchant, i))}
	begin(t, g, r.a, time.Now())
	return r
}

// ask asks for a permission and returns how long to wait.
func (r *runner) ask(change func(*gate.Request)) time.Duration {
	r.t.Helper()
	r.n++
	q := write(time.Now())
	q.Name, q.Interval = fmt.Sprint(r.n), time.Minute // far longer than the test takes
	if change != nil {
		change(&q)
	}
	turn, err := r.g.Enter(r.t.Context(), r.a, q)
	if err != nil {
		r.t.Fatal(err)
	}
	return turn.Wait
}

func (r *runner) leave(banned time.Duration) {
	r.t.Helper()
	leave(r.t, r.g, r.a, gate.Result{State: record.Retry, Settled: true, Banned: banned})
}

// about demands a time that is a little less than want, by what the test took.
func about(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-10*time.Second {
		t.Errorf("%s: got %s, want about %s", what, got, want)
	}
}

func TestRequestsOfAMerchantGoOneIntervalApartAndThoseWhoWaitHavePlaces(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	about(t, "the first", newRunner(t, g, "1", 0).ask(nil), 0)
	waiting := make([]*runner, 5)
	for i := range waiting {
		waiting[i] = newRunner(t, g, "1", i+1)
		about(t, fmt.Sprint("number ", i+1), waiting[i].ask(nil), time.Duration(i+1)*time.Minute)
	}
	about(t, "number 3, asking again", waiting[2].ask(nil), 3*time.Minute)
	about(t, "another merchant's", newRunner(t, g, "2", 0).ask(nil), 0)
	about(t, "without an interval", newRunner(t, g, "3", 0).ask(func(q *gate.Request) { q.Interval = 0 }), 0)
	about(t, "without an interval, again", newRunner(t, g, "3", 1).ask(func(q *gate.Request) { q.Interval = 0 }), 0)
}

func ahead(q *gate.Request) { q.Rank = gate.Ahead }
func next(q *gate.Request)  { q.Rank = gate.Next }

func TestThoseWhoGoAheadHavePlacesOfTheirOwnBeforeTheLine(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	newRunner(t, g, "1", 0).ask(nil)
	inLine := newRunner(t, g, "1", 1)
	about(t, "in line", inLine.ask(nil), time.Minute)
	before := make([]*runner, 5)
	for i := range before {
		before[i] = newRunner(t, g, "1", i+10)
		about(t, fmt.Sprint("ahead, number ", i), before[i].ask(ahead), time.Duration(i+1)*time.Minute)
	}
	about(t, "ahead, number 3, asking again", before[3].ask(ahead), 4*time.Minute)
	about(t, "in line after them", newRunner(t, g, "1", 2).ask(nil), 6*time.Minute)
	about(t, "next", newRunner(t, g, "1", 3).ask(next), time.Minute)

	// A minute goes by.
	past := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	place := func(r *runner, field string, at time.Time) {
		if err := rdb.HSet(t.Context(), record.TaskKey(r.a.Keys.ID), field, at.UnixMicro()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set(t, rdb, "1", map[string]time.Time{"last": past(time.Minute), "line": past(-5 * time.Minute), "ahead": past(-4 * time.Minute)})
	place(inLine, record.FieldPlace, past(time.Second))
	place(before[0], record.FieldPlaceAhead, past(time.Second))
	about(t, "in line, when its time has come", inLine.ask(nil), 5*time.Minute)
	about(t, "ahead, when its time has come", before[0].ask(ahead), 0)
	about(t, "the second request of one that went ahead", before[0].ask(next), time.Minute)
	if n := rdb.HExists(t.Context(), record.TaskKey(before[0].a.Keys.ID), record.FieldPlaceAhead).Val(); n {
		t.Error("who went ahead keeps its place")
	}

	place(before[1], record.FieldPlaceAhead, past(time.Second))
	about(t, "ahead, when the one before was late", before[1].ask(ahead), time.Minute)
	place(before[1], record.FieldPlaceAhead, past(2*time.Minute))
	about(t, "ahead, and late itself", before[1].ask(ahead), 5*time.Minute)

	// All of them are gone.
	set(t, rdb, "1", map[string]time.Time{"last": past(10 * time.Minute)})
	about(t, "in line, once nobody came", newRunner(t, g, "1", 4).ask(nil), 0)
}

// set changes fields of a merchant's pace, as time would.
func set(t *testing.T, rdb *redis.Client, merchant string, fields map[string]time.Time) {
	t.Helper()
	for f, at := range fields {
		if err := rdb.HSet(t.Context(), record.KeysOfTask("b2c.trigger_issue."+merchant+".T0").Pace, f, at.UnixMicro()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// What Redis' clock said before it was set back lies ahead of what it says now.
func TestAClockOfRedisThatIsSetBackHoldsAMerchantUpForAnIntervalOnly(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	const back = time.Hour
	first, second := newRunner(t, g, "1", 0), newRunner(t, g, "1", 1)
	first.ask(nil)
	about(t, "the second", second.ask(nil), time.Minute)
	now := time.Now()
	set(t, rdb, "1", map[string]time.Time{"last": now.Add(back), "line": now.Add(back + time.Minute)})
	task := record.TaskKey("b2c.trigger_issue.1.T1")
	if err := rdb.HSet(t.Context(), task, "place", now.Add(back+time.Minute).UnixMicro()).Err(); err != nil {
		t.Fatal(err)
	}
	about(t, "the second after an hour back", second.ask(nil), time.Minute)
	about(t, "a newcomer", newRunner(t, g, "1", 2).ask(nil), 2*time.Minute)
	if at, want := rdb.HGet(t.Context(), task, "place").Val(), now.Add(2*time.Minute).UnixMicro(); at > fmt.Sprint(want) {
		t.Errorf("the second keeps the place %s, want one before %d", at, want)
	}
}

func TestABanEndsNoLaterBecauseTheClockOfRedisIsSetBack(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	const back = time.Hour
	r := newRunner(t, g, "1", 0)
	r.ask(nil)
	r.leave(30 * time.Minute)
	now := time.Now()
	set(t, rdb, "1", map[string]time.Time{"last": now.Add(back), "ban": now.Add(back + 30*time.Minute)})
	about(t, "after an hour back", newRunner(t, g, "1", 1).ask(nil), 30*time.Minute)
	about(t, "the next, behind it", newRunner(t, g, "1", 2).ask(nil), 31*time.Minute)
}

func TestALineOfThoseWhoAreGoneHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	for i := range 10 {
		newRunner(t, g, "1", i).ask(nil) // and nobody of them comes back
	}
	set(t, rdb, "1", map[string]time.Time{"last": time.Now().Add(-time.Minute)})
	about(t, "while somebody may still come", newRunner(t, g, "1", 20).ask(nil), 10*time.Minute)
	set(t, rdb, "1", map[string]time.Time{"last": time.Now().Add(-5 * time.Minute)})
	about(t, "once nobody came", newRunner(t, g, "1", 21).ask(nil), 0)
	about(t, "the next", newRunner(t, g, "1", 22).ask(nil), time.Minute)
}

func TestAfterAnOutageThoseWhoAreLateGoOneByOneAndNotAtOnce(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	newRunner(t, g, "1", 0).ask(nil)
	late := make([]*runner, 4)
	for i := range late {
		late[i] = newRunner(t, g, "1", i+1)
		late[i].ask(nil)
		place := time.Now().Add(-time.Hour + time.Duration(i)*time.Minute).UnixMicro()
		if err := rdb.HSet(t.Context(), record.TaskKey(late[i].a.Keys.ID), record.FieldPlace, place).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set(t, rdb, "1", map[string]time.Time{"last": time.Now().Add(-time.Hour), "line": time.Now().Add(-50 * time.Minute)})
	for i, r := range late {
		about(t, fmt.Sprint("late number ", i), r.ask(nil), time.Duration(i)*time.Minute)
	}
}

func TestWhoseTimeHasJustComeKeepsItsTurnAlthoughTheOneBeforeWasLate(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	newRunner(t, g, "1", 0).ask(nil)
	next := newRunner(t, g, "1", 1)
	next.ask(nil)
	now := time.Now()
	err := rdb.HSet(t.Context(), record.TaskKey(next.a.Keys.ID), record.FieldPlace, now.Add(-20*time.Second).UnixMicro()).Err()
	if err != nil {
		t.Fatal(err)
	}
	set(t, rdb, "1", map[string]time.Time{"last": now.Add(-30 * time.Second), "near": now.Add(5 * time.Minute)})
	about(t, "whose time came 20 s ago", next.ask(nil), 30*time.Second)
	if err := rdb.HSet(t.Context(), record.TaskKey(next.a.Keys.ID), record.FieldPlace, now.Add(-2*time.Minute).UnixMicro()).Err(); err != nil {
		t.Fatal(err)
	}
	about(t, "whose time came two minutes ago", next.ask(nil), 6*time.Minute)
}

func TestABanHoldsTheMerchantEverywhereAndOneProbeGoesFirst(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	first := newRunner(t, g, "1", 0)
	first.ask(nil)
	first.leave(30 * time.Minute)
	for i := 1; i <= 3; i++ { // it moves the line behind it
		about(t, fmt.Sprint("during the pause, number ", i), newRunner(t, g, "1", i).ask(nil), 30*time.Minute+time.Duration(i-1)*time.Minute)
	}
	about(t, "a question, ahead of the others", newRunner(t, g, "1", 4).ask(ahead), 30*time.Minute)
	about(t, "another question", newRunner(t, g, "1", 5).ask(ahead), 31*time.Minute)
	about(t, "another merchant's", newRunner(t, g, "2", 0).ask(nil), 0)

	set(t, rdb, "1", map[string]time.Time{"ban": time.Now().Add(-time.Second),
		"line": time.Now().Add(-time.Second), "last": time.Now().Add(-30 * time.Minute)})
	probe, other := newRunner(t, g, "1", 10), newRunner(t, g, "1", 11)
	quick := func(q *gate.Request) { q.Interval = 0 }
	if err := rdb.HDel(t.Context(), record.KeysOf("1").Pace, "strict").Err(); err != nil { // or the longer one would count
		t.Fatal(err)
	}
	about(t, "the probe", probe.ask(quick), 0)
	about(t, "who comes while it is on its way", other.ask(quick), time.Second)
	probe.leave(time.Hour)
	about(t, "after it met the ban again", other.ask(quick), time.Hour)

	set(t, rdb, "1", map[string]time.Time{"ban": time.Now().Add(-time.Second), "line": time.Now().Add(-time.Second)})
	probe = newRunner(t, g, "1", 12)
	probe.ask(quick)
	probe.leave(0)
	about(t, "after it got through", newRunner(t, g, "1", 13).ask(quick), 0)
	about(t, "and the next", newRunner(t, g, "1", 14).ask(quick), 0)
}

func TestAMerchantsRequestsInFlightAreCapped(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	few := func(q *gate.Request) { q.Interval, q.InFlight, q.Life = 0, 2, 200*time.Millisecond }
	long := func(q *gate.Request) { q.Interval, q.InFlight = 0, 2 }
	a, b, c := newRunner(t, g, "1", 0), newRunner(t, g, "1", 1), newRunner(t, g, "1", 2)
	about(t, "the first", a.ask(long), 0)
	about(t, "the first's second", a.ask(long), 0) // an attempt sends one at a time
	about(t, "the second", b.ask(few), 0)
	about(t, "the third", c.ask(long), time.Second)
	a.leave(0)
	about(t, "the third, when one has ended", c.ask(long), 0)
	d := newRunner(t, g, "1", 3)
	deadline := time.Now().Add(10 * time.Second)
	for d.ask(long) != 0 { // the second never says that it has ended
		if time.Now().After(deadline) {
			t.Fatal("a request that is over by its time still counts")
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestAPermissionWhoseAnswerWasLostIsGivenOnce(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	r := newRunner(t, g, "1", 0)
	q := write(time.Now())
	q.Interval = time.Minute
	for range 2 {
		if turn, err := g.Enter(t.Context(), r.a, q); turn.Wait != 0 || err != nil {
			t.Errorf("got %s, %v; want the same permission", turn.Wait, err)
		}
	}
	q.Name = "2"
	if turn, err := g.Enter(t.Context(), r.a, q); turn.Wait == 0 || err != nil {
		t.Errorf("another request: got %s, %v; want to wait", turn.Wait, err)
	}
}
