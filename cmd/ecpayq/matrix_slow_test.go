//go:build slow

package main_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// matrixWrite is one write of the matrix, with its subject.
type matrixWrite struct {
	samples.Case
	at                                   samples.At
	payload                              tasks.Payload
	operation, id, subject, relateNumber string
}

// cancels reports whether a second one changes nothing.
func (x matrixWrite) cancels() bool { return x.Row().SendUnasked }

// matrixWrites are the writes in the order of the table.
func matrixWrites() (all []matrixWrite) {
	for n, c := range matrix() {
		subject := c.Subject("MATRIX", n+1)
		at := samples.At{MerchantID: merchantID, Subject: subject, RelateNumber: "R" + subject, Date: invoiceDate}
		p := c.Payload(at)
		all = append(all, matrixWrite{
			Case: c, at: at, payload: p, operation: c.Row().Operation.Name,
			id: tasks.ID(p), subject: subject, relateNumber: at.RelateNumber,
		})
	}
	return all
}

// plot is how a trouble comes about.
type plot struct {
	// faults are ECPay's, for one write.
	faults func(matrixWrite) []ecpaytest.Fault
	// act plays the rest, beginning with the first worker. By default that one is
	// left to itself.
	act func(*world)
	env env
	// durable Redis keeps everything when it is killed.
	durable bool
	// asynqWaits: the tasks come back when asynq finds the lease of their dead worker
	// expired, a minute or two later.
	asynqWaits bool
}

func fixed(faults ...ecpaytest.Fault) func(matrixWrite) []ecpaytest.Fault {
	return func(matrixWrite) []ecpaytest.Fault { return faults }
}

// thenRefused refuses every later attempt of a write.
func thenRefused(first ecpaytest.Fault) func(matrixWrite) []ecpaytest.Fault {
	return func(x matrixWrite) []ecpaytest.Fault {
		return []ecpaytest.Fault{first, {RtnCode: x.Refusal, Times: -1}}
	}
}

// plots has one for each trouble, in their order.
func plots() []plot {
	return []plot{
		{faults: fixed(ecpaytest.Fault{Drop: true})},
		{faults: fixed(ecpaytest.Fault{Drop: true, AfterEffect: true})},
		// ECPay takes its time with the second cancel, until the first has landed.
		{faults: fixed(ecpaytest.Fault{EffectAfter: time.Second}, ecpaytest.Fault{Latency: 2500 * time.Millisecond})},
		{faults: fixed(ecpaytest.Fault{EffectAfter: lateEffect})},
		{faults: fixed(ecpaytest.Fault{Hang: true})},
		{faults: fixed(ecpaytest.Fault{Hang: true, AfterEffect: true})},
		{faults: fixed(ecpaytest.Fault{Garbage: true, AfterEffect: true})},
		{faults: fixed(ecpaytest.Fault{UnreadableData: true, AfterEffect: true})},
		{faults: fixed(ecpaytest.Fault{HTTPStatus: 500, AfterEffect: true})},
		{act: (*world).killBeforeTheBytes, asynqWaits: true},
		{act: (*world).killInMidCall, asynqWaits: true, faults: fixed(ecpaytest.Fault{Hang: true, AfterEffect: true})},
		{act: (*world).killWithTheAnswer, asynqWaits: true},
		{act: (*world).loseRedisBeforeTheRecord, durable: true, env: env{"ECPAYQ_TASK_TIMEOUT": "30s", "ECPAYQ_SHUTDOWN_TIMEOUT": "40s"}},
		{act: (*world).loseRedisForTheWholeAttempt, durable: true, env: env{"ECPAYQ_TASK_TIMEOUT": "7s"}},
		{act: (*world).loseRedisBeforeTheCompletion, durable: true},
		{faults: thenRefused(ecpaytest.Fault{Drop: true, AfterEffect: true})},
		{faults: thenRefused(ecpaytest.Fault{Drop: true})},
		{faults: fixed(ecpaytest.Fault{Drop: true}, ecpaytest.Fault{RtnCode: 9876543, Times: -1}), env: env{"ECPAYQ_MAX_ATTEMPTS": "2"}},
	}
}

// lateEffect is when a late effect comes about: after the first pause between
// attempts, within the fake's window, before the end of the fence.
const lateEffect = 6 * time.Second

// world is one trouble with all writes in it.
type world struct {
	*bench
	trouble
	proxy  *redisProxy
	client *enqueue.Client // past the proxy
	writes []matrixWrite
	ids    []string
	unsent bool // the first request of every write was marked and never left
}

func newWorld(t *testing.T, x trouble, p plot) *world {
	t.Helper()
	w := &world{trouble: x, writes: matrixWrites()}
	w.bench = newBenchWithout(t, ecpaytest.Config{Window: 8 * time.Second}, env{
		"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_MERCHANT_IN_FLIGHT": "100", "ECPAYQ_FENCE": "12s",
		"ECPAYQ_NOT_FOUND_GRACE": "1s", "ECPAYQ_HTTP_TIMEOUT": "5s", "ECPAYQ_TASK_TIMEOUT": "10s",
		"ECPAYQ_SHUTDOWN_TIMEOUT": "20s", "ECPAYQ_LOG_LEVEL": "info",
		"ECPAYQ_CONCURRENCY": strconv.Itoa(len(matrix())), // some troubles strike all writes at once
	}.with(p.env))
	o := redistest.Options{AppendFsync: "no"}
	if p.durable {
		o = durable
	}
	w.useRedis(o)
	var err error
	w.client, err = enqueue.New(enqueue.Config{RedisURL: w.redis.URL(), Interval: tasks.Every(0), PayloadKeys: samples.PayloadKeys()})
	w.must(err)
	t.Cleanup(func() { _ = w.client.Close() })
	w.proxy = newRedisProxy(t, w.redis.Addr())
	w.env["ECPAYQ_REDIS_URL"] = w.proxy.URL()
	for _, x := range w.writes {
		w.must(x.Stage(w.fake, x.at))
		if p.faults != nil {
			w.fake.Inject(ecpaytest.Match{Operation: x.operation, Subject: x.subject}, p.faults(x)...)
		}
		w.ids = append(w.ids, x.id)
		_, err := w.client.Enqueue(t.Context(), x.payload)
		w.must(err)
	}
	return w
}

// killInMidCall kills the worker when ECPay has done what was asked and the
// answer is still to come.
func (w *world) killInMidCall() {
	victim := w.worker()
	w.eventually("every write has its effect", func() bool { return len(w.fake.Effects()) == len(w.writes) })
	victim.kill()
	for _, c := range w.sent() {
		if c.HTTPStatus != 0 {
			w.Errorf("%s of %s was answered before the worker died", c.Operation, c.Subject)
		}
	}
	w.worker()
}

// killWithTheAnswer kills the worker when it has read every answer and none has
// reached Redis.
func (w *world) killWithTheAnswer() {
	left := w.proxy.holdRequests(gateScript(w.T, "leave"), w.ids...)
	victim := w.worker()
	w.eventually("every answer is to be recorded", left.all)
	victim.kill()
	w.wantAnswered()
	w.proxy.release()
	w.worker()
}

// wantAnswered demands that every write was sent and answered once.
func (w *world) wantAnswered() {
	w.Helper()
	answered := 0
	for _, c := range w.sent() {
		if c.HTTPStatus == 200 && !c.Dropped {
			answered++
		}
	}
	if n := len(w.fake.Effects()); answered != len(w.writes) || n != len(w.writes) {
		w.Errorf("got %d answers and %d effects, want %d of both", answered, n, len(w.writes))
	}
}

// loseRedisBeforeTheRecord kills Redis when every answer is read and about to be
// recorded, and lets it come back while the attempts still last.
func (w *world) loseRedisBeforeTheRecord() {
	left := w.proxy.holdRequests(gateScript(w.T, "leave"), w.ids...)
	w.worker()
	w.eventually("every answer is to be recorded", left.all)
	w.wantAnswered()
	w.redis.Kill()
	w.proxy.release()
	pause(w.T, 3*time.Second)
	w.must(w.redis.Restart(w.Context()))
}

// loseRedisForTheWholeAttempt does the same and lets it come back when the
// attempts are over.
func (w *world) loseRedisForTheWholeAttempt() {
	left := w.proxy.holdRequests(gateScript(w.T, "leave"), w.ids...)
	worker := w.worker()
	w.eventually("every answer is to be recorded", left.all)
	w.wantAnswered()
	w.redis.Kill()
	w.proxy.release()
	w.eventually("every attempt gives up recording", func() bool {
		n := 0
		for _, line := range worker.logs() {
			if line["message"] == "attempt finished" && line["not_recorded"] != nil {
				n++
			}
		}
		return n >= len(w.writes)
	})
	w.must(w.redis.Restart(w.Context()))
}

// loseRedisBeforeTheCompletion kills Redis when every outcome is recorded and
// asynq is about to learn of it.
func (w *world) loseRedisBeforeTheCompletion() {
	completed := w.proxy.holdRequests(completion, w.ids...)
	w.worker()
	w.eventually("every task is to be completed", completed.all)
	w.wantAnswered()
	w.redis.Kill()
	w.proxy.release()
	pause(w.T, 3*time.Second)
	w.must(w.redis.Restart(w.Context()))
}

// hasEffect reports whether ECPay carries out the first request, now or later.
func (w *world) hasEffect() bool {
	return !slices.Contains([]samples.Aftermath{samples.Absent, samples.AbsentRefused, samples.AbsentUnknown}, w.leaves)
}

// inFlight is when a write went out about which nothing is proven.
func (w *world) inFlight(x matrixWrite) time.Time {
	w.Helper()
	r, err := record.Get(w.Context(), w.redis.Client(), x.id)
	w.must(err)
	return r.InFlight
}

// rest waits until a task has ended, or is held for longer than anything here lasts.
func (w *world) rest(x matrixWrite) record.Task {
	w.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last record.Task
	for deadline := time.Now().Add(4 * time.Minute); ; <-tick.C {
		if got, err := w.client.Task(w.Context(), x.id); err == nil {
			last = got
		}
		waits := last.State == record.StateHeld && last.NextAt != nil && time.Until(*last.NextAt) > time.Hour
		if last.Ended() || waits {
			return last
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: still %s: %s", x.Title, last.State, last.Reason)
		}
	}
}

// sent are all writes that reached ECPay.
func (w *world) sent() []ecpaytest.Call {
	return slices.DeleteFunc(w.fake.Calls(), func(c ecpaytest.Call) bool {
		return !slices.ContainsFunc(w.writes, func(x matrixWrite) bool { return x.operation == c.Operation })
	})
}

// calls are ECPay's about a write and the questions about it.
func (w *world) calls(x matrixWrite) []ecpaytest.Call {
	return slices.DeleteFunc(w.fake.Calls(), func(c ecpaytest.Call) bool { return c.Subject != x.subject && c.Subject != x.relateNumber })
}

// cell says what became of a write, in the words of the matrix.
func (w *world) cell(x matrixWrite) string {
	w.Helper()
	task := w.rest(x)
	switch task.State {
	case record.StateDead:
		return "dead (`" + task.Kind.String() + "`)"
	case record.StateCompleted:
	default:
		return task.State
	}
	words := map[string]string{x.operation: "sent again"}
	for _, question := range x.AllQuestions() {
		words[question] = "asked"
	}
	var steps []string
	for _, c := range w.calls(x) {
		steps = append(steps, words[c.Operation])
	}
	if x.Looks() && len(steps) > 0 && steps[0] == "asked" {
		steps = steps[1:] // what was there before
	}
	if !w.unsent && len(steps) > 0 && steps[0] == "sent again" {
		steps = steps[1:] // the first time it was just sent
	}
	return strings.Join(append([]string{samples.Done}, slices.Compact(steps)...), ", ")
}

// landsLate reports whether a call was taken from the worker and is still to be
// processed.
func landsLate(c ecpaytest.Call) bool {
	return strings.HasSuffix(c.Fault, "effect later") && c.TransCode == 0
}

// wantOnce demands what holds of every write, whatever its outcome.
func (w *world) wantOnce(x matrixWrite, outcome string) {
	w.Helper()
	var effects []ecpaytest.Effect
	names := []string{}
	for _, e := range w.fake.EffectsOn(merchantID, x.subject) {
		effects, names = append(effects, e), append(names, e.Name)
	}
	want := []string{}
	if w.hasEffect() || strings.HasPrefix(outcome, samples.Done) {
		want = append(want, x.Effect)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		w.Errorf("%s: effects (-want +got):\n%s", x.Title, diff)
		return
	}
	var asks, writes []ecpaytest.Call
	for _, c := range w.calls(x) {
		if c.Operation == x.operation {
			writes = append(writes, c)
		} else {
			asks = append(asks, c)
		}
	}
	if x.Looks() && len(asks) > 0 {
		asks = asks[1:] // about what was there before
	}
	if len(x.Questions()) == 0 && len(asks) > 0 {
		w.Errorf("%s: got %d questions about what nobody can ask about", x.Title, len(asks))
	}
	for _, c := range writes {
		if len(effects) > 0 && c.Seq != effects[0].CallSeq && c.At.After(effects[0].At) && !x.cancels() {
			w.Errorf("%s: sent again %s after its effect", x.Title, c.At.Sub(effects[0].At))
		}
	}
	open := outcome == samples.Held || outcome == samples.Ambiguous
	limit := 1
	if strings.Contains(x.Outcomes[samples.Absent], "sent again") {
		limit++ // it can be found out that the first one has no effect, or a second one does no harm
	}
	if w.unsent {
		limit--
	}
	if len(writes) > limit {
		w.Errorf("%s: sent %d times, want at most %d", x.Title, len(writes), limit)
	}
	if at := w.inFlight(x); at.IsZero() == open {
		w.Errorf("%s is %s: the mark of a write in flight is of %s, want one: %t", x.Title, outcome, at, open)
	}
	if w.leaves == samples.Late {
		w.wantLate(x, writes, asks, effects[0])
	}
}

// wantLate demands that the effect was late: that somebody had asked before it,
// or that the second cancel was there first.
func (w *world) wantLate(x matrixWrite, writes, asks []ecpaytest.Call, effect ecpaytest.Effect) {
	w.Helper()
	switch {
	case x.cancels():
		refusal := ecpaytest.CodeNothingToCancel
		if x.Row().RefusedIsDone {
			refusal = ecpaytest.CodeRelateNumberDup
		}
		if effect.CallSeq != writes[1].Seq || writes[0].RtnCode != refusal {
			w.Errorf("%s: the first one did not land after the second", x.Title)
		}
	case len(x.Questions()) > 0:
		if len(asks) == 0 || !asks[0].At.Before(effect.At) {
			w.Errorf("%s: nobody asked before the effect", x.Title)
		}
	}
}

// wantIssuedOnTheDay lets three days go by at ECPay and runs the held tasks: an
// invoice that was scheduled is issued and shown by now.
func (w *world) wantIssuedOnTheDay(heldTasks []matrixWrite) {
	w.Helper()
	w.fake.Advance(3 * 24 * time.Hour)
	inspector := asynq.NewInspectorFromRedisClient(w.redis.Client())
	for _, x := range heldTasks {
		before := len(w.calls(x))
		task := w.rest(x)
		w.must(inspector.RunTask(task.Queue, x.id))
		w.eventually(x.Title+" is asked about on its day", func() bool { return len(w.calls(x)) > before })
		want, effects := record.StateHeld, []string{}
		if w.hasEffect() {
			want, effects = record.StateCompleted, []string{x.Effect, ecpaytest.EffectIssued}
		}
		if got := w.rest(x); got.State != want {
			w.Errorf("%s: got state %s on the day of its issue, want %s", x.Title, got.State, want)
		}
		w.wantEffects(x.subject, effects...)
		writes := slices.DeleteFunc(w.calls(x), func(c ecpaytest.Call) bool { return c.Operation != x.operation })
		if len(writes) > 1 {
			w.Errorf("%s: sent %d times until the day of its issue, want once", x.Title, len(writes))
		}
	}
}

// TestSlowEveryWriteEndsInEveryTroubleAsTheReadmeSays has one world for each
// trouble, with one task of every kind of write in it.
func TestSlowEveryWriteEndsInEveryTroubleAsTheReadmeSays(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	outcomes := map[string]map[string]string{} // by trouble and write
	// Those that wait for asynq's leases do nothing for a minute, so they are all
	// under way from the start; of the busy ones a few at a time.
	busy := make(chan struct{}, 3)
	start := time.Now()
	t.Run("trouble", func(t *testing.T) {
		all := troubles()
		for i, p := range plots() {
			x := all[i]
			t.Run(x.name, func(t *testing.T) {
				t.Parallel()
				if !p.asynqWaits {
					busy <- struct{}{}
					defer func() { <-busy }()
				}
				w := newWorld(t, x, p)
				if p.act == nil {
					p.act = func(w *world) { w.worker() }
				}
				p.act(w)
				want, got := map[string]string{}, map[string]string{}
				var heldTasks []matrixWrite
				for _, x := range w.writes {
					want[x.Title], got[x.Title] = x.Outcomes[w.leaves], w.cell(x)
					if got[x.Title] == samples.Held {
						heldTasks = append(heldTasks, x)
					}
				}
				mu.Lock()
				outcomes[x.name] = got
				mu.Unlock()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				w.eventually("late effects have landed", func() bool { return !slices.ContainsFunc(w.fake.Calls(), landsLate) })
				for _, x := range w.writes {
					w.wantOnce(x, got[x.Title])
				}
				w.wantIssuedOnTheDay(heldTasks)
				w.wantFresh()
			})
		}
	})
	t.Logf("%d troubles in %s\n%s", len(outcomes), time.Since(start).Round(time.Second),
		grid("What goes wrong", titles(), names(), func(row, column int) string { return outcomes[names()[row]][titles()[column]] }))
}
