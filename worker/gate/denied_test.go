package gate_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

const (
	oldKeys = "B2C:0000000a"
	newKeys = "B2C:0000000b"
)

// with makes a request of certain keys, at no pace.
func with(scope string) func(*gate.Request) {
	return func(q *gate.Request) { q.Scope, q.Interval, q.InFlight = scope, 0, 1000 }
}

func (r *runner) answered(scope string, says gate.Answer) (time.Duration, bool) {
	r.t.Helper()
	pause, began, err := r.g.Answered(r.t.Context(), r.a, scope, says, "TriggerIssue: Denied: TransCode 110")
	if err != nil {
		r.t.Fatal(err)
	}
	return pause, began
}

// denied shows how keys of merchant 1 are refused.
func denied(t *testing.T, rdb *redis.Client, scope string) merchants.Denial {
	t.Helper()
	m, err := merchants.New(rdb).Get(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	d := m.Denies(scope)
	if d == nil {
		t.Fatalf("%s is not refused: %+v", scope, m)
	}
	return *d
}

// pass lets time pass for a refusal.
func pass(t *testing.T, rdb *redis.Client, scope string, d time.Duration) {
	t.Helper()
	key := record.KeysOf("1").Pace
	words := strings.SplitN(rdb.HGet(t.Context(), key, "denied:"+scope).Val(), " ", 6)
	for i := range 2 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		words[i] = strconv.FormatInt(n-d.Microseconds(), 10)
	}
	if err := rdb.HSet(t.Context(), key, "denied:"+scope, strings.Join(words, " ")).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestAClockOfRedisThatIsSetBackMakesNoPauseOfRefusedKeysLonger(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	first := newRunner(t, g, "1", 1)
	first.ask(with(oldKeys))
	first.answered(oldKeys, gate.KeysRefused)
	pass(t, rdb, oldKeys, -time.Hour)
	about(t, "an hour back", newRunner(t, g, "1", 2).ask(with(oldKeys)), time.Minute)
	pass(t, rdb, oldKeys, time.Minute)
	about(t, "a minute later", newRunner(t, g, "1", 3).ask(with(oldKeys)), 0)
}

func TestRefusedKeysHoldTheirMerchantWithGrowingPausesAndOneTriesThemAgain(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	n := 0
	next := func() *runner { n++; return newRunner(t, g, "1", n) }
	first, second := next(), next()
	for _, r := range []*runner{first, second} { // both are on their way
		about(t, "before anything is refused", r.ask(with(oldKeys)), 0)
	}
	var total time.Duration
	for i, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		pause *= time.Minute
		if got, began := first.answered(oldKeys, gate.KeysRefused); !began || got != pause {
			t.Fatalf("refusal %d: a pause of %s, began %t; want one of %s", i, got, began, pause)
		}
		for range 2 { // executed again, because its answer was lost
			if got, began := first.answered(oldKeys, gate.KeysRefused); !began || got > pause || got < pause-10*time.Second {
				t.Fatalf("refusal %d, executed again: a pause of %s, began %t; want the same", i, got, began)
			}
		}
		if i == 0 {
			if got, began := second.answered(oldKeys, gate.KeysRefused); began || got > pause {
				t.Fatalf("of one that was on its way: a pause of %s, began %t; want that of the first", got, began)
			}
		}
		about(t, "who comes meanwhile", next().ask(with(oldKeys)), pause)
		about(t, "a question", next().ask(func(q *gate.Request) { with(oldKeys)(q); q.Rank = gate.Ahead }), pause)
		if d := denied(t, rdb, oldKeys); d.Pauses != i+1 || d.Probing || d.Fingerprint != "0000000a" ||
			d.Service != "B2C" || !strings.Contains(d.Why, "TransCode 110") {
			t.Errorf("listed as %+v", d)
		}
		pass(t, rdb, oldKeys, pause)
		total += pause
		first = next()
		about(t, "the one who tries", first.ask(with(oldKeys)), 0)
		about(t, "its second request", first.ask(with(oldKeys)), 0)
		about(t, "who comes while it does", next().ask(with(oldKeys)), time.Second)
		if d := denied(t, rdb, oldKeys); !d.Probing || time.Since(d.Since) < total {
			t.Errorf("listed as %+v, want that they are tried, refused since %s", d, total)
		}
	}
	// It brings nothing: another one tries a little later.
	first.answered(oldKeys, gate.KeysUnsure)
	about(t, "after an answer that says nothing", next().ask(with(oldKeys)), time.Minute)
	pass(t, rdb, oldKeys, time.Minute)
	probe := next()
	about(t, "the next one who tries", probe.ask(with(oldKeys)), 0)
	probe.answered(oldKeys, gate.KeysWork)
	for range 3 {
		about(t, "once the keys work", next().ask(with(oldKeys)), 0)
	}
	if got, began := first.answered(oldKeys, gate.KeysRefused); !began || got != time.Minute {
		t.Errorf("refused anew: a pause of %s, began %t; want 1m", got, began)
	}
}

func TestWhoHasOtherKeysOrUsesAnotherServiceGoesOn(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	newRunner(t, g, "1", 0).answered(oldKeys, gate.KeysRefused)
	newRunner(t, g, "1", 1).answered("B2C:"+gate.NoKeys, gate.KeysRefused)
	about(t, "the old keys", newRunner(t, g, "1", 2).ask(with(oldKeys)), time.Minute)
	about(t, "another service", newRunner(t, g, "1", 3).ask(with("B2B:0000000a")), 0)
	about(t, "another merchant", newRunner(t, g, "2", 4).ask(with(oldKeys)), 0)
	r := newRunner(t, g, "1", 5)
	about(t, "the new keys", r.ask(with(newKeys)), 0)
	r.answered(newKeys, gate.KeysWork)
	about(t, "the old keys, although the new ones work", newRunner(t, g, "1", 6).ask(with(oldKeys)), time.Minute)

	// What nobody has any more is forgotten, once there is something new.
	pass(t, rdb, oldKeys, 48*time.Hour)
	newRunner(t, g, "1", 7).answered(newKeys, gate.KeysRefused)
	m, err := merchants.New(rdb).Get(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.Denied {
		got = append(got, d.Service+":"+d.Fingerprint)
	}
	if diff := cmp.Diff([]string{newKeys, "B2C:none"}, got); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}
