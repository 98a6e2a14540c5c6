package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// fullBench is a worker's configuration with a Redis that can be made full.
type fullBench struct {
	*testing.T
	cfg    app.WorkerConfig
	fake   *ecpaytest.Server
	rdb    *redis.Client
	client *enqueue.Client
}

func newFullBench(t *testing.T) *fullBench {
	t.Helper()
	cfg, fake, s := setup(t)
	cfg.Worker.Policy.InFlight = 64
	client, err := enqueue.New(enqueue.Config{RedisURL: s.URL(), Interval: tasks.Every(0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &fullBench{t, cfg, fake, s.Client(), client}
}

// full makes Redis full, or no longer.
func (b *fullBench) full(full bool) {
	b.Helper()
	limit := "0"
	if full {
		limit = "1" // byte
	}
	if err := b.rdb.ConfigSet(b.Context(), "maxmemory", limit).Err(); err != nil {
		b.Fatal(err)
	}
}

// triggers enqueues n of them, and stages what they trigger.
func (b *fullBench) triggers(name string, n int) (ids []string) {
	b.Helper()
	for i := range n {
		tsr := fmt.Sprint(name, i)
		if err := b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, b.trigger(tsr))
	}
	return ids
}

func (b *fullBench) trigger(tsr string) string {
	b.Helper()
	r, err := b.client.TriggerIssue(b.Context(), tasks.B2CTriggerIssue{
		MerchantID: ecpaytest.StageMerchantID, Tsr: tsr,
		RelateNumber: tsr, DelayDay: new(0),
	})
	if err != nil {
		b.Fatal(err)
	}
	return r.ID
}

// states counts tasks by their state.
func (b *fullBench) states(ids []string) map[string]int {
	b.Helper()
	got := map[string]int{}
	for _, id := range ids {
		task, err := b.client.Task(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		got[string(task.State)]++
	}
	return got
}

// await waits until the tasks are in these states.
func (b *fullBench) await(what string, ids []string, want map[string]int) {
	b.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for last := b.states(ids); !cmp.Equal(want, last); last = b.states(ids) {
		if time.Now().After(deadline) {
			b.Fatalf("%s: not within 30s: %v, want %v", what, last, want)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// wantOnce demands one write and one effect for each of n triggers.
func (b *fullBench) wantOnce(n int) {
	b.Helper()
	writes, effects := map[string]int{}, map[string]int{}
	for _, c := range b.fake.Calls() {
		if c.Operation == "TriggerIssue" {
			writes[c.Subject]++
		}
	}
	for _, e := range b.fake.Effects() {
		effects[e.Subject]++
	}
	if len(effects) != n {
		b.Errorf("%d invoices were issued, want %d", len(effects), n)
	}
	for subject, times := range effects {
		if times != 1 || writes[subject] != 1 {
			b.Errorf("%s: %d effects of %d writes, want one of one", subject, times, writes[subject])
		}
	}
}

func TestAWorkerStartedOnAFullRedisSendsNothingAndDoesAllOnceThereIsMemory(t *testing.T) {
	t.Parallel()
	b := newFullBench(t)
	ids := b.triggers("FULL", 20)
	b.full(true)
	start(t, b.cfg)
	refused := func() int64 {
		stats, err := b.rdb.InfoMap(t.Context(), "errorstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		_, _ = fmt.Sscanf(stats["Errorstats"]["errorstat_OOM"], "count=%d", &n)
		return n
	}
	eventually(t, "the worker asks for tasks and is refused", func() bool { return refused() > 8 })
	if got := b.states(ids); got["pending"] != len(ids) {
		t.Errorf("while Redis is full, the tasks are %v, want all pending", got)
	}
	if calls := b.fake.Calls(); len(calls) > 0 {
		t.Errorf("%d requests were sent while Redis was full", len(calls))
	}
	if _, err := b.client.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{
		MerchantID: ecpaytest.StageMerchantID, Tsr: "NOROOM",
	}); err == nil {
		t.Error("an enqueue into a full Redis succeeds")
	}
	b.full(false)
	b.await("after there is memory", ids, map[string]int{"completed": len(ids)})
	b.wantOnce(len(ids))
}

// holdTriggers keeps triggers from ECPay until release is called, and counts those that wait.
func (b *fullBench) holdTriggers() (waiting *atomic.Int64, release func()) {
	b.Helper()
	waiting, open := &atomic.Int64{}, make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/TriggerIssue") {
			waiting.Add(1)
			select {
			case <-open:
			case <-b.Context().Done():
			}
		}
		b.fake.ServeHTTP(w, r)
	}))
	b.Cleanup(web.Close)
	base, err := ecpay.ParseBaseURL(web.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.cfg.BaseURL = base
	release = sync.OnceFunc(func() { close(open) })
	b.Cleanup(release)
	return waiting, release
}

func TestWhatRunsWhileRedisFillsIsRecordedAndTheRestWaits(t *testing.T) {
	t.Parallel()
	b := newFullBench(t)
	waiting, release := b.holdTriggers()
	b.cfg.Worker.Concurrency, b.cfg.Worker.Policy.BanPause = 7, time.Second
	b.fake.Inject(ecpaytest.Match{Subject: "REFUSED0"}, ecpaytest.Fault{RtnCode: 2103005})
	b.fake.Inject(ecpaytest.Match{Subject: "BANNED0"}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	b.fake.Inject(ecpaytest.Match{Subject: "UNANSWERED0", Operation: "TriggerIssue"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	runs, refused, banned, unanswered := b.triggers("RUNS", 4), b.triggers("REFUSED", 1), b.triggers("BANNED", 1), b.triggers("UNANSWERED", 1)
	start(t, b.cfg)
	eventually(t, "seven requests are on their way", func() bool { return waiting.Load() == 7 })
	waits := b.triggers("WAITS", 10)
	b.full(true)
	release()

	b.await("what was done while Redis was full", runs, map[string]int{"completed": 4})
	b.await("what was refused", refused, map[string]int{"dead": 1})
	b.await("what was banned", banned, map[string]int{"held": 1})
	if task, err := b.client.Task(t.Context(), refused[0]); err != nil ||
		task.Kind == nil || *task.Kind != ecpay.Rejected || task.RtnCode != 2103005 {
		t.Errorf("the refused one: %+v, %v, want its kind and code", task, err)
	}
	if ban, err := b.rdb.HGet(t.Context(), record.KeysOfTask(banned[0]).Pace, "ban").Result(); err != nil || ban == "" {
		t.Errorf("the ban is not recorded: %v", err)
	}
	if got := b.states(waits); got["completed"]+got["dead"] > 0 {
		t.Errorf("those that waited: %v, want none at its end", got)
	}
	for _, c := range b.fake.Calls() {
		if strings.HasPrefix(c.Subject, "WAITS") {
			t.Errorf("a request of %s was sent while Redis was full", c.Subject)
		}
	}

	b.full(false)
	b.await("after there is memory", append(append(append(waits, banned...), unanswered...), runs...), map[string]int{"completed": 16})
	writes := map[string]int{}
	for _, c := range b.fake.Calls() {
		if c.Operation == "TriggerIssue" {
			writes[c.Subject]++
		}
	}
	for name, n := range map[string]int{"RUNS": 4, "BANNED": 1, "UNANSWERED": 1, "WAITS": 10} {
		for i := range n {
			subject, want := fmt.Sprint(name, i), 1
			if name == "BANNED" {
				want = 2 // a 403 is not executed
			}
			if effects := len(b.fake.EffectsOn(ecpaytest.StageMerchantID, subject)); effects != 1 || writes[subject] != want {
				t.Errorf("%s: %d effects of %d writes, want one of %d", subject, effects, writes[subject], want)
			}
		}
	}
}
