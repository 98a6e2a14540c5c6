package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
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
	pause, began, err := r.g.Answered(r.t.Context(), r.a, scope, says, "B2C TriggerIssue: Denied: TransCode 110")
	if err != nil {
		r.t.Fatal(err)
	}
	return pause, began
}

// denied shows how keys of merchant 1 are refused.
func denied(t *testing.T, rdb *redis.Client, scope string) gate.Denial {
	t.Helper()
	m, err := gate.NewMerchants(rdb).Get(t.Context(), "1")
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
		if d := denied(t, rdb, oldKeys); d.Pauses != i+1 || d.Probing || d.Fingerprint != "0000000a" || d.Service != "B2C" || !strings.Contains(d.Why, "TransCode 110") {
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
	m, err := gate.NewMerchants(rdb).Get(t.Context(), "1")
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

// heldTasks are tasks of merchant 1 that asynq will run in hours.
type heldTasks struct {
	t         *testing.T
	g         *gate.Gate
	rdb       *redis.Client
	inspector *asynq.Inspector
	n         int
}

func newHeldTasks(t *testing.T) *heldTasks {
	t.Helper()
	g, rdb, _ := newGate(t)
	return &heldTasks{t: t, g: g, rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

const retryKey = "asynq:{trigger_issue}:retry"

// add holds a task; asynq has it back when it is to be in asynq's retry set.
func (h *heldTasks) add(r gate.Result, inAsynq bool) string {
	h.t.Helper()
	h.n++
	a := attempt(fmt.Sprintf("b2c.trigger_issue.1.H%d", h.n), fmt.Sprintf("held-%d", h.n))
	begin(h.t, h.g, a, time.Now())
	leave(h.t, h.g, a, r)
	if inAsynq {
		if err := h.rdb.ZAdd(h.t.Context(), retryKey, redis.Z{Score: float64(time.Now().Add(r.Delay).Unix()), Member: a.ID}).Err(); err != nil {
			h.t.Fatal(err)
		}
	}
	return a.ID
}

// in is in how long asynq runs a task.
func (h *heldTasks) in(id string) time.Duration {
	h.t.Helper()
	at, err := h.rdb.ZScore(h.t.Context(), retryKey, id).Result()
	if err != nil {
		h.t.Fatal(err)
	}
	return time.Until(time.Unix(int64(at), 0))
}

func held(kind ecpay.Kind) gate.Result {
	return gate.Result{State: record.Held, Kind: kind, Delay: 2 * time.Hour, Pauses: true, Settled: true, Held: true}
}

func TestResumeWakesWhatIsHeldForTheMerchantAlongItsPaceAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHeldTasks(t)
	ctx, m := t.Context(), gate.NewMerchants(h.rdb)
	r := newRunner(t, h.g, "1", 0)
	about(t, "the first request", r.ask(func(q *gate.Request) { q.Interval = time.Minute }), 0)
	r.answered(oldKeys, gate.KeysRefused)
	r.leave(30 * time.Minute)
	var wake, leaveAlone []string
	for _, kind := range []ecpay.Kind{ecpay.Denied, ecpay.Throttled, ecpay.Operator, ecpay.Denied} {
		wake = append(wake, h.add(held(kind), true))
	}
	behind := newRunner(t, h.g, "1", 50) // in line behind the ban
	about(t, "behind the ban", behind.ask(func(q *gate.Request) { q.Scope = newKeys }), 30*time.Minute)
	leave(t, h.g, behind.a, gate.Result{State: record.Queued, Kind: ecpay.Throttled, Delay: 2 * time.Hour, Held: true})
	h.rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(2 * time.Hour).Unix()), Member: behind.a.ID})
	wake = append(wake, behind.a.ID)
	cancelled := newRunner(t, h.g, "1", 51)
	about(t, "ahead of it", cancelled.ask(func(q *gate.Request) { q.Scope, q.Rank = newKeys, gate.Ahead }), 30*time.Minute)
	leave(t, h.g, cancelled.a, gate.Result{State: record.Queued, Kind: ecpay.Throttled, Delay: 2 * time.Hour, Held: true})
	h.rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(2 * time.Hour).Unix()), Member: cancelled.a.ID})
	wake = append(wake, cancelled.a.ID)
	unanswered := held(ecpay.Ambiguous)
	unanswered.Held = false
	leaveAlone = append(leaveAlone, h.add(unanswered, true), h.add(gate.Result{State: record.Retry, Kind: ecpay.Unavailable, Delay: 2 * time.Hour}, true))
	running := h.add(held(ecpay.Denied), false) // asynq has it not back yet

	before, err := m.Get(ctx, "1")
	if err != nil || before.Held != len(wake)+1 || before.Ban == nil || before.Ban.Until.Sub(before.Ban.Since) < 29*time.Minute || len(before.Denied) != 1 || before.Interval != gate.Interval(time.Minute) || before.Waiting != 1 {
		t.Errorf("before: %+v, %v", before, err)
	}
	for round := range 2 { // interrupted, and run again
		got, err := m.Resume(ctx, "1", "ops", "keys are mended")
		if err != nil {
			t.Fatal(err)
		}
		want := gate.Resumed{ID: "1", Woken: gate.Woken{Tasks: len(wake), Running: 1}}
		if round == 0 {
			want.Denied, want.Banned = []string{oldKeys}, got.Banned
			if got.Banned == nil {
				t.Error("does not say that a ban was lifted")
			}
		} else {
			want.Tasks = 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
		seen := map[time.Duration]bool{}
		for _, id := range wake {
			seen[h.in(id).Round(time.Minute)] = true
		}
		if len(seen) != len(wake) {
			t.Errorf("round %d: %d tasks run at %v, want one interval apart", round, len(wake), seen)
		}
		for in := range seen {
			if in > time.Duration(len(wake)+2)*time.Minute {
				t.Errorf("round %d: one runs only in %s", round, in)
			}
		}
		for _, id := range leaveAlone {
			if in := h.in(id); in < time.Hour {
				t.Errorf("round %d: %s runs in %s, want that it is left alone", round, id, in)
			}
		}
	}
	h.rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(2 * time.Hour).Unix()), Member: running})
	if got, err := m.Resume(ctx, "1", "ops", ""); err != nil || got.Tasks != 1 || got.Running != 0 {
		t.Errorf("once asynq has the last one: %+v, %v", got, err)
	}
	after, err := m.Get(ctx, "1")
	if err != nil || after.Held != 0 || after.Ban != nil || after.Denied != nil || after.Waiting < len(wake) {
		t.Errorf("after: %+v, %v; want nothing held, and all of them in line", after, err)
	}
	// A woken task keeps its place, however early it runs.
	id := wake[0]
	a := attempt(id, "woken")
	begin(t, h.g, a, time.Now())
	q := write(time.Now())
	q.Interval = time.Minute
	if turn, err := h.g.Enter(ctx, a, q); err != nil || turn.Wait <= 0 || turn.Wait > h.in(id)+10*time.Second {
		t.Errorf("a woken task: %+v, %v; want its place in %s", turn, err, h.in(id))
	}
	a = attempt(cancelled.a.ID, "woken-too")
	begin(t, h.g, a, time.Now())
	q.Rank = gate.Ahead
	if turn, err := h.g.Enter(ctx, a, q); err != nil || turn.Wait > time.Minute {
		t.Errorf("a woken task that goes ahead: %+v, %v; want that nothing of the ban is left", turn, err)
	}

	var acts []ledger.AuditEntry
	for e, err := range ledger.New(h.rdb, time.Hour, time.Now).Audits(ctx, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		acts = append(acts, e)
	}
	if len(acts) != 3 || acts[2].Who != "ops" || acts[2].What != ledger.ActResume || acts[2].MerchantID != "1" || acts[2].Owner() != "1" || acts[2].Note != "keys are mended" {
		t.Errorf("audit: %+v", acts)
	}
	if _, err := m.Resume(ctx, "no-such", "ops", ""); !errors.Is(err, gate.ErrNoMerchant) {
		t.Errorf("of a merchant of which nothing is known: %v", err)
	}
}

func TestOnlyWhatIsStillHeldIsInTheListOfHeldTasks(t *testing.T) {
	t.Parallel()
	h := newHeldTasks(t)
	ctx, m := t.Context(), gate.NewMerchants(h.rdb)
	count := func(what string, want int) {
		t.Helper()
		n, err := h.rdb.ZCard(ctx, record.KeysOf("1").Held).Result()
		if err != nil || int(n) != want {
			t.Errorf("%s: %d held, %v; want %d", what, n, err, want)
		}
	}
	id := h.add(held(ecpay.Denied), true)
	count("held", 1)
	a := attempt(id, "again")
	begin(t, h.g, a, time.Now())
	count("running", 0)
	leave(t, h.g, a, held(ecpay.Denied))
	count("held again", 1)
	// It was deleted behind our back.
	h.rdb.ZRem(ctx, retryKey, id)
	wake := func() gate.Woken {
		t.Helper()
		w, err := m.Wake(ctx, "1", 0, nil, ecpay.Denied.String())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	if w := wake(); w.Running != 1 || w.Tasks != 0 {
		t.Errorf("of a task that may run: %+v", w)
	}
	count("it may run", 1)
	h.rdb.ZAdd(ctx, record.KeysOf("1").Held, redis.Z{Score: float64(time.Now().Add(-time.Hour).UnixMilli()), Member: id})
	wake()
	count("its time is long over", 0)
	// Others than those that are wanted stay as they are, also when they are late.
	other := h.add(held(ecpay.Operator), true)
	h.rdb.ZAdd(ctx, record.KeysOf("1").Held, redis.Z{Score: float64(time.Now().Add(-time.Hour).UnixMilli()), Member: other})
	if w := wake(); w != (gate.Woken{}) {
		t.Errorf("of another kind: %+v", w)
	}
	count("of another kind", 1)
	one, err := m.Wake(ctx, "1", 1, nil, ecpay.Operator.String())
	if err != nil || one.Tasks != 1 {
		t.Errorf("one: %+v, %v", one, err)
	}
	count("woken", 0)
}

func TestMerchantsAreListedForTwoDaysAfterTheirLastRequest(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	ctx, m := t.Context(), gate.NewMerchants(rdb)
	for _, id := range []string{"2", "1", "3"} {
		newRunner(t, g, id, 0).ask(nil)
	}
	if err := m.Seen(ctx, []string{"1", "2", "3", "4"}); err != nil { // of 4 nothing is known any more
		t.Fatal(err)
	}
	rdb.ZAdd(ctx, record.MerchantsKey, redis.Z{Score: float64(time.Now().Add(-72 * time.Hour).UnixMilli()), Member: "3"})
	if err := m.Seen(ctx, []string{"1"}); err != nil {
		t.Fatal(err)
	}
	newRunner(t, g, "5", 0).answered(oldKeys, gate.KeysRefused)
	list, err := m.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, mer := range list {
		ids = append(ids, mer.ID)
	}
	if diff := cmp.Diff([]string{"1", "2", "5"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if one := list[0]; one.InFlight != 1 || one.LastAt == nil || one.Waiting != 0 || one.Held != 0 || one.Ban != nil || one.Denied != nil {
		t.Errorf("got %+v, want one request in flight and no trouble", one)
	}
	if d, err := m.Denied(ctx); err != nil || len(d) != 1 || d[0].ID != "5" {
		t.Errorf("denied: %+v, %v", d, err)
	}
}

// A merchant, asynq's queues and the lists of merchants are in different slots.
func TestMerchantsAreListedAndResumedOnARedisCluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewCluster(t, 3).Client()
	g, m, ctx := gate.New(rdb, record.Confirm{}), gate.NewMerchants(rdb), t.Context()
	exit := gate.NewEgress(rdb, "office", 0)
	ids := []string{"1000001", "1000002", "1000003"}
	for _, id := range ids {
		r := newRunner(t, g, id, 0)
		about(t, "the first request", r.ask(with(oldKeys)), 0)
		r.answered(oldKeys, gate.KeysRefused)
		leave(t, g, r.a, held(ecpay.Denied))
		if err := rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: r.a.ID}).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := exit.Forbidden(ctx, r.a, id, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Seen(ctx, ids); err != nil {
		t.Fatal(err)
	}
	list, err := m.List(ctx)
	if err != nil || len(list) != 3 {
		t.Fatalf("got %+v, %v; want all three", list, err)
	}
	for _, one := range list {
		if one.Held != 1 || one.Denies(oldKeys) == nil {
			t.Errorf("got %+v, want one held task and a refusal", one)
		}
		if r, err := m.Resume(ctx, one.ID, "ops", ""); err != nil || r.Tasks != 1 || len(r.Denied) != 1 {
			t.Errorf("resume %s: %+v, %v", one.ID, r, err)
		}
	}
	if s, err := exit.Look(ctx, true); err != nil || s.Why != gate.ForAddress {
		t.Errorf("egress: %+v, %v; want that it is paused", s, err)
	}
}

// keep remembers the last command of a client that is a script.
type keep struct{ last []any }

func (k *keep) DialHook(next redis.DialHook) redis.DialHook { return next }

func (k *keep) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (k *keep) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "eval") && k.last == nil {
			k.last = cmd.Args()
		}
		return next(ctx, cmd)
	}
}

func TestAResumeThatComesASecondTimeLateLeavesANewerPause(t *testing.T) {
	t.Parallel()
	h := newHeldTasks(t)
	ctx := t.Context()
	person, seen := redis.NewClient(h.rdb.Options()), &keep{}
	defer person.Close()
	m := gate.NewMerchants(person)
	pauses := 0
	pause := func() {
		pauses++
		r := newRunner(t, h.g, "1", pauses)
		about(t, "a request", r.ask(with(oldKeys)), 0)
		r.answered(oldKeys, gate.KeysRefused)
		r.leave(30 * time.Minute)
	}
	pause()
	if _, err := m.Resume(ctx, "1", "ops", ""); err != nil { // Redis has the scripts
		t.Fatal(err)
	}
	person.AddHook(seen)
	pause()
	pace := record.KeysOf("1").Pace
	refused := h.rdb.HGetAll(ctx, pace).Val()
	if got, err := m.Resume(ctx, "1", "ops", ""); err != nil || got.Banned == nil || len(got.Denied) != 1 {
		t.Fatalf("resume: %+v, %v", got, err)
	}
	pause()
	for i, arg := range seen.last {
		if arg == nil || i == 0 && arg != "evalsha" {
			t.Fatalf("not the script: %v", seen.last)
		}
	}
	if err := h.rdb.Do(ctx, seen.last...).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Get(ctx, "1"); err != nil || got.Ban == nil || len(got.Denied) != 1 {
		t.Errorf("after the late one: %+v, %v; want the newer ban and refusal", got, err)
	}

	// The next pause of the same refusal is a newer one too.
	for field, value := range refused {
		if strings.HasPrefix(field, "denied:") {
			w := strings.SplitN(value, " ", 3) // since, until, the others
			until, err := strconv.ParseInt(w[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			h.rdb.HSet(ctx, pace, field, fmt.Sprintf("%s %d %s", w[0], until+1, w[2]))
		}
	}
	if err := h.rdb.Do(ctx, seen.last...).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Get(ctx, "1"); err != nil || len(got.Denied) != 1 {
		t.Errorf("after the late one: %+v, %v; want the refusal whose next pause has begun", got, err)
	}
}
