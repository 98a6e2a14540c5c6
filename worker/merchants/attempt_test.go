package merchants_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// newGate is a gate on a Redis of the test's own, whose scripts are real ones.
func newGate(t *testing.T) (*gate.Gate, *redis.Client) {
	t.Helper()
	rdb := redistest.New(t).Client()
	return gate.New(rdb, redisx.Confirm{}), rdb
}

// running is an attempt that runs.
type running struct {
	t *testing.T
	g *gate.Gate
	a gate.Attempt
}

func begin(t *testing.T, g *gate.Gate, id, token string) *running {
	t.Helper()
	now := time.Now()
	r := &running{t, g, gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Enqueued: now, Start: now, LockFor: time.Minute}}
	if _, err := g.Begin(t.Context(), r.a, now); err != nil {
		t.Fatalf("Begin %s: %v", token, err)
	}
	return r
}

// beginOf is a running attempt on a Tsr of its own.
func beginOf(t *testing.T, g *gate.Gate, merchant string, i int) *running {
	t.Helper()
	return begin(t, g, fmt.Sprintf("b2c.trigger_issue.%s.T%d", merchant, i), fmt.Sprintf("%s-%d", merchant, i))
}

// ask asks for a permission and returns how long to wait.
func (r *running) ask(change func(*gate.Request)) time.Duration {
	r.t.Helper()
	q := gate.Request{Name: "1", Write: true, Stamp: time.Now(), Now: time.Now(), Interval: time.Minute, InFlight: 8, Life: time.Minute}
	if change != nil {
		change(&q)
	}
	turn, err := r.g.Enter(r.t.Context(), r.a, q)
	if err != nil {
		r.t.Fatal(err)
	}
	return turn.Wait
}

// with makes a request of certain keys, at no pace.
func with(scope string) func(*gate.Request) {
	return func(q *gate.Request) { q.Scope, q.Interval, q.InFlight = scope, 0, 1000 }
}

// refused says that ECPay refuses keys.
func (r *running) refused(scope string) {
	r.t.Helper()
	if _, _, err := r.g.Answered(r.t.Context(), r.a, scope, gate.KeysRefused, "TriggerIssue: Denied: TransCode 110"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) leave(result gate.Result) {
	r.t.Helper()
	if err := r.g.Leave(r.t.Context(), r.a, result); err != nil {
		r.t.Fatalf("Leave %s: %v", r.a.Token, err)
	}
}

// banned ends an attempt with a 403.
func banned(d time.Duration) gate.Result {
	return gate.Result{State: record.Retry, Settled: true, Banned: d}
}

// about demands a time that is a little less than want, by what the test took.
func about(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-10*time.Second {
		t.Errorf("%s: got %s, want about %s", what, got, want)
	}
}
