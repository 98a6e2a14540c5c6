package merchants_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

const (
	oldKeys = "B2C:0000000a"
	newKeys = "B2C:0000000b"
)

// heldTasks are tasks of merchant 1 that asynq will run in hours.
type heldTasks struct {
	t   *testing.T
	g   *gate.Gate
	rdb *redis.Client
	n   int
}

func newHeldTasks(t *testing.T) *heldTasks {
	t.Helper()
	g, rdb := newGate(t)
	return &heldTasks{t: t, g: g, rdb: rdb}
}

const retryKey = "asynq:{trigger_issue}:retry"

// add holds a task; asynq has it back when it is to be in asynq's retry set.
func (h *heldTasks) add(r gate.Result, inAsynq bool) string {
	h.t.Helper()
	h.n++
	held := begin(h.t, h.g, fmt.Sprintf("b2c.trigger_issue.1.H%d", h.n), fmt.Sprintf("held-%d", h.n))
	held.leave(r)
	if inAsynq {
		err := h.rdb.ZAdd(h.t.Context(), retryKey, redis.Z{Score: float64(time.Now().Add(r.Delay).Unix()), Member: held.a.Keys.ID}).Err()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return held.a.Keys.ID
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
	ctx, m := t.Context(), merchants.New(h.rdb)
	r := beginOf(t, h.g, "1", 0)
	about(t, "the first request", r.ask(func(q *gate.Request) { q.Interval = time.Minute }), 0)
	r.refused(oldKeys)
	r.leave(banned(30 * time.Minute))
	var wake, leaveAlone []string
	for _, kind := range []ecpay.Kind{ecpay.Denied, ecpay.Throttled, ecpay.Operator, ecpay.Denied} {
		wake = append(wake, h.add(held(kind), true))
	}
	behind := beginOf(t, h.g, "1", 50) // in line behind the ban
	about(t, "behind the ban", behind.ask(func(q *gate.Request) { q.Scope = newKeys }), 30*time.Minute)
	behind.leave(gate.Result{State: record.Queued, Kind: ecpay.Throttled, Delay: 2 * time.Hour, Held: true})
	h.rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(2 * time.Hour).Unix()), Member: behind.a.Keys.ID})
	wake = append(wake, behind.a.Keys.ID)
	cancelled := beginOf(t, h.g, "1", 51)
	about(t, "ahead of it", cancelled.ask(func(q *gate.Request) { q.Scope, q.Rank = newKeys, gate.Ahead }), 30*time.Minute)
	cancelled.leave(gate.Result{State: record.Queued, Kind: ecpay.Throttled, Delay: 2 * time.Hour, Held: true})
	h.rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(2 * time.Hour).Unix()), Member: cancelled.a.Keys.ID})
	wake = append(wake, cancelled.a.Keys.ID)
	unanswered := held(ecpay.Ambiguous)
	unanswered.Held = false
	leaveAlone = append(leaveAlone, h.add(unanswered, true),
		h.add(gate.Result{State: record.Retry, Kind: ecpay.Unavailable, Delay: 2 * time.Hour}, true))
	running := h.add(held(ecpay.Denied), false) // asynq has it not back yet

	before, err := m.Get(ctx, "1")
	if err != nil || before.Held != len(wake)+1 || before.Ban == nil || before.Ban.Until.Sub(before.Ban.Since) < 29*time.Minute ||
		len(before.Denied) != 1 || before.Interval != merchants.Interval(time.Minute) || before.Waiting != 1 {
		t.Errorf("before: %+v, %v", before, err)
	}
	for round := range 2 { // interrupted, and run again
		got, err := m.Resume(ctx, "1", "ops", "keys are mended")
		if err != nil {
			t.Fatal(err)
		}
		want := merchants.Resumed{ID: "1", Woken: merchants.Woken{Tasks: len(wake), Running: 1}}
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
		h.wantApart(round, wake, leaveAlone)
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
	if wait := begin(t, h.g, id, "woken").ask(nil); wait <= 0 || wait > h.in(id)+10*time.Second {
		t.Errorf("a woken task waits %s, want for its place in %s", wait, h.in(id))
	}
	ahead := func(q *gate.Request) { q.Rank = gate.Ahead }
	if wait := begin(t, h.g, cancelled.a.Keys.ID, "woken-too").ask(ahead); wait > time.Minute {
		t.Errorf("a woken task that goes ahead waits %s, want that nothing of the ban is left", wait)
	}

	h.wantOneResume("keys are mended")
	if _, err := m.Resume(ctx, "no-such", "ops", ""); !errors.Is(err, merchants.ErrNotFound) {
		t.Errorf("of a merchant of which nothing is known: %v", err)
	}
}

// wantApart: what is woken runs one interval apart, and what is left alone not before its time.
func (h *heldTasks) wantApart(round int, wake, leaveAlone []string) {
	t := h.t
	t.Helper()
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

// wantOneResume: the last of three entries of the audit says who resumed the merchant, and why.
func (h *heldTasks) wantOneResume(note string) {
	t := h.t
	t.Helper()
	var acts []ledger.AuditEntry
	for e, err := range ledger.New(h.rdb, time.Hour, time.Now).Audits(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		acts = append(acts, e)
	}
	if len(acts) != 3 || acts[2].Who != "ops" || acts[2].What != ledger.ActResume ||
		acts[2].MerchantID != "1" || acts[2].Owner() != "1" || acts[2].Note != note {
		t.Errorf("audit: %+v", acts)
	}
}

func TestOnlyWhatIsStillHeldIsInTheListOfHeldTasks(t *testing.T) {
	t.Parallel()
	h := newHeldTasks(t)
	ctx, m := t.Context(), merchants.New(h.rdb)
	count := func(what string, want int) {
		t.Helper()
		n, err := h.rdb.ZCard(ctx, record.KeysOf("1").Held).Result()
		if err != nil || int(n) != want {
			t.Errorf("%s: %d held, %v; want %d", what, n, err, want)
		}
	}
	id := h.add(held(ecpay.Denied), true)
	count("held", 1)
	again := begin(t, h.g, id, "again")
	count("running", 0)
	again.leave(held(ecpay.Denied))
	count("held again", 1)
	// It was deleted behind our back.
	h.rdb.ZRem(ctx, retryKey, id)
	wake := func() merchants.Woken {
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
	if w := wake(); w != (merchants.Woken{}) {
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
	g, rdb := newGate(t)
	ctx, m := t.Context(), merchants.New(rdb)
	for _, id := range []string{"2", "1", "3"} {
		beginOf(t, g, id, 0).ask(nil)
	}
	if err := m.Seen(ctx, []string{"1", "2", "3", "4"}); err != nil { // of 4 nothing is known any more
		t.Fatal(err)
	}
	rdb.ZAdd(ctx, record.MerchantsKey, redis.Z{Score: float64(time.Now().Add(-72 * time.Hour).UnixMilli()), Member: "3"})
	if err := m.Seen(ctx, []string{"1"}); err != nil {
		t.Fatal(err)
	}
	beginOf(t, g, "5", 0).refused(oldKeys)
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
	g, m, ctx := gate.New(rdb, redisx.Confirm{}), merchants.New(rdb), t.Context()
	exit := gate.NewEgress(rdb, "office", 0)
	ids := []string{"1000001", "1000002", "1000003"}
	for _, id := range ids {
		r := beginOf(t, g, id, 0)
		about(t, "the first request", r.ask(with(oldKeys)), 0)
		r.refused(oldKeys)
		r.leave(held(ecpay.Denied))
		if err := rdb.ZAdd(ctx, retryKey, redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: r.a.Keys.ID}).Err(); err != nil {
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
	m := merchants.New(person)
	pauses := 0
	pause := func() {
		pauses++
		r := beginOf(t, h.g, "1", pauses)
		about(t, "a request", r.ask(with(oldKeys)), 0)
		r.refused(oldKeys)
		r.leave(banned(30 * time.Minute))
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
