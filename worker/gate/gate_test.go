package gate_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

const (
	trigger = "b2c.trigger_issue.2000132.T1"
	cancel  = "b2c.cancel_delay_issue.2000132.T1"
)

// newGate is a gate on a Redis of the test's own, whose scripts are real ones.
func newGate(t *testing.T) (*gate.Gate, *redis.Client, *redistest.Server) {
	t.Helper()
	srv := redistest.New(t)
	rdb := srv.Client()
	return gate.New(rdb, redisx.Confirm{}), rdb, srv
}

func attempt(id, token string) gate.Attempt {
	return gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Enqueued: time.Now(), Start: time.Now(), LockFor: time.Minute}
}

func begin(t *testing.T, g *gate.Gate, a gate.Attempt, now time.Time) gate.History {
	t.Helper()
	h, err := g.Begin(t.Context(), a, now)
	if err != nil {
		t.Fatalf("Begin %s: %v", a.Token, err)
	}
	return h
}

func enter(t *testing.T, g *gate.Gate, a gate.Attempt, now time.Time) {
	t.Helper()
	if turn, err := g.Enter(t.Context(), a, write(now)); err != nil || turn.Wait != 0 {
		t.Fatalf("Enter %s: wait %s, %v", a.Token, turn.Wait, err)
	}
}

// write is a request that nothing but the lock keeps from going out.
func write(now time.Time) gate.Request {
	return gate.Request{Name: "1", Write: true, Stamp: now, Now: now, InFlight: 8, Life: time.Minute}
}

func leave(t *testing.T, g *gate.Gate, a gate.Attempt, r gate.Result) {
	t.Helper()
	if err := g.Leave(t.Context(), a, r); err != nil {
		t.Fatalf("Leave %s: %v", a.Token, err)
	}
}

func wantBusy(t *testing.T, g *gate.Gate, a gate.Attempt, now time.Time) {
	t.Helper()
	var busy *gate.BusyError
	if _, err := g.Begin(t.Context(), a, now); !errors.As(err, &busy) {
		t.Errorf("Begin %s: got error %v, want that the subject is busy", a.Token, err)
	}
}

// dump is everything of ours in Redis but the times that pass by themselves.
func dump(t *testing.T, rdb *redis.Client) map[string]any {
	t.Helper()
	all := map[string]any{}
	keys, err := rdb.Keys(t.Context(), "ecpayq:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		switch rdb.Type(t.Context(), k).Val() {
		case "hash":
			h := rdb.HGetAll(t.Context(), k).Val()
			for _, f := range []string{record.FieldLast, record.FieldInFlight, record.FieldDied} {
				if h[f] != "" {
					h[f] = "a time"
				}
			}
			all[k] = h
		case "string":
			all[k] = "a value"
		case "zset":
			all[k] = rdb.ZRange(t.Context(), k, 0, -1).Val()
		}
	}
	return all
}

// A Redis client repeats a command whose answer it lost.
func TestEveryScriptExecutedTwiceChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	a, now := attempt(trigger, "A"), time.Now()
	kept := &gate.Task{Type: "b2c:trigger_issue", Queue: "trigger_issue", Payload: []byte("{}")}
	steps := []struct {
		name string
		run  func() error
	}{
		{"begin", func() error { _, err := g.Begin(t.Context(), a, now); return err }},
		{"enter", func() error { _, err := g.Enter(t.Context(), a, write(now)); return err }},
		{"enter as a repeat", func() error {
			r := write(now)
			r.Name, r.Repeats = "2", true
			_, err := g.Enter(t.Context(), a, r)
			return err
		}},
		{"leave held", func() error {
			return g.Leave(t.Context(), a, gate.Result{State: record.Held, Delay: time.Minute, Kind: ecpay.Ambiguous})
		}},
		{"begin again", func() error { a.Token = "B"; _, err := g.Begin(t.Context(), a, now); return err }},
		{"leave dead", func() error {
			return g.Leave(t.Context(), a, gate.Result{State: record.Dead, Spends: true, Kind: ecpay.Ambiguous, Task: kept})
		}},
		{"begin a third time", func() error { a.Token = "C"; _, err := g.Begin(t.Context(), a, now); return err }},
		{"leave done", func() error {
			return g.Leave(t.Context(), a, gate.Result{State: record.Done, Spends: true, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour})
		}},
	}
	for _, s := range steps {
		if err := s.run(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		once := dump(t, rdb)
		if err := s.run(); err != nil {
			t.Fatalf("%s, executed again: %v", s.name, err)
		}
		if diff := cmp.Diff(once, dump(t, rdb)); diff != "" {
			t.Errorf("%s, executed again (-once +twice):\n%s", s.name, diff)
		}
	}
}

// A command can lie in a socket's buffer until its attempt is long over.
func TestAScriptThatComesAfterItsAttemptHasLeftChangesNothing(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	a, now := attempt(trigger, "A"), time.Now()
	begin(t, g, a, now)
	leave(t, g, a, gate.Result{State: record.Retry, Spends: true, Settled: true})
	before := dump(t, rdb)
	wantBusy(t, g, a, now)
	if _, err := g.Enter(t.Context(), a, write(now)); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("Enter: got error %v, want ErrSuperseded", err)
	}
	if diff := cmp.Diff(before, dump(t, rdb)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if h := begin(t, g, attempt(trigger, "B"), now); h.Attempts != 2 || h.Crashes != 0 {
		t.Errorf("the next attempt: got %+v, want the second without a crash", h)
	}
}

// Both may lie in the buffer of a connection that was given up.
func TestABeginAndALeaveThatComeASecondTimeLateSettleNoLaterWrite(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	now := time.Now()
	old, later := attempt(trigger, "A"), attempt(trigger, "B")
	settled := gate.Result{State: record.Retry, Settled: true}
	begin(t, g, old, now)
	enter(t, g, old, now)
	leave(t, g, old, settled)
	if rdb.HExists(t.Context(), record.TaskKey(trigger), record.FieldInFlight).Val() {
		t.Error("an answer left the mark")
	}
	begin(t, g, later, now)
	enter(t, g, later, now)
	leave(t, g, later, gate.Result{State: record.Retry}) // unanswered
	begin(t, g, old, now)
	leave(t, g, old, settled)
	if !rdb.HExists(t.Context(), record.TaskKey(trigger), record.FieldInFlight).Val() {
		t.Error("an old attempt removed the mark of a later write")
	}
	// The next one finds it, and may settle it.
	next := attempt(trigger, "C")
	settled.History = begin(t, g, next, now)
	leave(t, g, next, settled)
	if rdb.HExists(t.Context(), record.TaskKey(trigger), record.FieldInFlight).Val() {
		t.Error("a proof left the mark")
	}
}

func TestATriggerAndACancelOfOneTsrExcludeEachOther(t *testing.T) {
	t.Parallel()
	g, _, _ := newGate(t)
	now := time.Now()
	a := attempt(trigger, "A")
	begin(t, g, a, now)
	wantBusy(t, g, attempt(cancel, "B"), now)
	wantBusy(t, g, attempt(trigger, "C"), now)
	leave(t, g, a, gate.Result{State: record.Retry, Settled: true})
	begin(t, g, attempt(cancel, "B"), now)
}

// Two clocks guard a lock: that of Redis, and that of who took it and who looks.
func TestALockEndsOnlyWhenBothClocksSaySo(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	now := time.Now()
	a := attempt(trigger, "A")
	begin(t, g, a, now)
	wantBusy(t, g, attempt(trigger, "B"), now.Add(time.Hour)) // our clock has jumped

	// As if Redis' clock had jumped: by it, the lock has ended long ago.
	set := func(byRedis, bySender time.Time) {
		t.Helper()
		v := "A " + ms(byRedis) + " " + ms(bySender)
		if err := rdb.Set(t.Context(), record.LockKey(trigger), v, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set(now.Add(-time.Hour), now.Add(time.Minute))
	wantBusy(t, g, attempt(trigger, "B"), now)
	if _, err := g.Enter(t.Context(), a, write(now)); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("Enter with a lock that has ended by one clock: got error %v, want ErrSuperseded: nothing is sent in doubt", err)
	}
	set(now.Add(-time.Second), now.Add(-time.Second))
	if h := begin(t, g, attempt(trigger, "B"), now); h.Crashes != 1 {
		t.Errorf("after the end: got %+v, want one crash", h)
	}
	if _, err := g.Enter(t.Context(), a, write(now)); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("Enter of the attempt that lost its lock: got error %v, want ErrSuperseded", err)
	}
}

func TestTheFenceIsMeasuredByTheClockThatSaysLess(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for _, row := range []struct {
		name string
		// How far the clocks were ahead when the write was marked, and are now.
		redisThen, stamp, callerNow time.Duration
		want                        time.Duration // about
	}{
		{"all right", -20 * time.Minute, -20 * time.Minute, 0, 20 * time.Minute},
		{"our clock has jumped since", -time.Minute, -time.Minute, hour, time.Minute},
		{"our clock was set back since", -20 * time.Minute, -20 * time.Minute, -15 * time.Minute, 5 * time.Minute},
		{"Redis' clock has jumped since", -hour, -time.Minute, 0, time.Minute},
		{"the stamp lies ahead", -20 * time.Minute, -18 * time.Minute, 0, 18 * time.Minute},
		{"the stamp lies ahead, and so does the one who looks", -20 * time.Minute, -18 * time.Minute, 2 * time.Minute, 18 * time.Minute},
		{"the stamp lies years ahead", -48 * hour, 9000 * hour, 0, 24 * hour},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g, rdb, _ := newGate(t)
			now := time.Now()
			a := attempt(trigger, "A")
			begin(t, g, a, now)
			enter(t, g, a, now)
			leave(t, g, a, gate.Result{State: record.Retry})
			if err := rdb.HSet(t.Context(), record.TaskKey(trigger), record.FieldInFlight, ms(now.Add(row.redisThen)),
				record.FieldSentAt, ms(now.Add(row.stamp))).Err(); err != nil {
				t.Fatal(err)
			}
			h := begin(t, g, attempt(trigger, "B"), now.Add(row.callerNow))
			if off := h.SinceSent - row.want; !h.InFlight || off < -time.Second || off > 10*time.Second {
				t.Errorf("got %s in flight %t, want about %s", h.SinceSent, h.InFlight, row.want)
			}
		})
	}
}

func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// A Redis that was restarted has another replication id, as a promoted replica
// has.
func TestATaskOlderThanAChangeOfTheReplicationIDMayHaveLostItsMarks(t *testing.T) {
	t.Parallel()
	g, rdb, srv := newGate(t)
	old, now := attempt(trigger, "A"), time.Now()
	old.Enqueued = now.Add(-time.Minute)
	if h := begin(t, g, old, now); h.MarksLost {
		t.Errorf("on a Redis that was always the same: got %+v, want nothing lost", h)
	}
	leave(t, g, old, gate.Result{State: record.Retry, Settled: true})

	srv.Kill()
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, id, token string
		enqueued        time.Time
		want            bool
	}{
		{"enqueued before", trigger, "B", now.Add(-time.Minute), true},
		{"enqueued before, looked at a second time", trigger, "C", now.Add(-time.Minute), true},
		{"nobody knows when", "b2c.trigger_issue.2000132.T3", "E", time.Time{}, true},
		{"of another merchant", "b2c.trigger_issue.2000133.T1", "F", now.Add(-time.Minute), true},
	}
	for _, row := range rows {
		a := attempt(row.id, row.token)
		a.Enqueued = row.enqueued
		h := begin(t, g, a, time.Now())
		if h.MarksLost != row.want || h.SinceLost > 30*time.Second {
			t.Errorf("%s: got lost %t since %s, want %t", row.name, h.MarksLost, h.SinceLost, row.want)
		}
		leave(t, g, a, gate.Result{State: record.Retry, Settled: true})
	}
	if got := rdb.HGet(t.Context(), record.ReplicationKey(redisx.TopologyOf(rdb), ""), record.FieldReplID).Val(); len(got) != 40 {
		t.Errorf("got replication id %q, want 40 digits", got)
	}
}

func TestAMarkThatReplicasDoNotHaveIsNotConfirmed(t *testing.T) {
	t.Parallel()
	group := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 1})
	// A replica that runs answers when it comes to it; how long a frozen one is waited for is another matter.
	o, err := enqueue.ParseRedisURL(group.URL())
	if err != nil {
		t.Fatal(err)
	}
	o.ReadTimeout = time.Minute
	rdb := redis.NewUniversalClient(o)
	defer rdb.Close()
	patient := gate.New(rdb, redisx.Confirm{Replicas: 1, Timeout: 30 * time.Second})
	g := gate.New(group.Client(), redisx.Confirm{Replicas: 1, Timeout: 200 * time.Millisecond})
	a, now := attempt(trigger, "A"), time.Now()
	begin(t, patient, a, now)
	enter(t, patient, a, now)
	for _, n := range group.Nodes {
		if n.Addr() != group.Master().Addr() {
			n.Freeze()
			defer n.Thaw()
		}
	}
	if _, err := g.Enter(t.Context(), a, write(now)); !errors.Is(err, redisx.ErrNotConfirmed) {
		t.Errorf("with a frozen replica: got error %v, want ErrNotConfirmed", err)
	}
	other := attempt(trigger, "B")
	if _, err := g.Enter(t.Context(), other, write(now)); !errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("another attempt: got error %v, want ErrSuperseded at once", err)
	}
}
