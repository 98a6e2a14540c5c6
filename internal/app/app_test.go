package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/metrics"
)

// keys knows the merchant of ECPay's stage environment.
type keys struct{ m worker.Merchant }

func (k keys) Merchant(_ context.Context, id string) (worker.Merchant, error) {
	if id != ecpaytest.StageMerchantID {
		return worker.Merchant{}, worker.ErrUnknownMerchant
	}
	return k.m, nil
}

// setup is a worker's configuration with a fake ECPay and a Redis of its own.
func setup(t *testing.T) (app.WorkerConfig, *ecpaytest.Server, *redistest.Server) {
	t.Helper()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"})
	fake := ecpaytest.New(ecpaytest.Config{})
	web := httptest.NewServer(fake)
	t.Cleanup(web.Close)
	t.Cleanup(fake.Close)
	base, err := ecpay.ParseBaseURL(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID,
		HashKey:    ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		t.Fatal(err)
	}
	return app.WorkerConfig{
		RedisURL: rdb.URL(), BaseURL: base, Keys: keys{worker.Merchant{Merchant: m}}, AdminAddr: "127.0.0.1:0",
		Worker: worker.Config{Policy: worker.Policy{BackoffBase: 200 * time.Millisecond}},
		Logger: zerolog.Nop(), Version: "test",
	}, fake, rdb
}

func start(t *testing.T, cfg app.WorkerConfig) *app.Worker {
	t.Helper()
	w, err := app.StartWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return w
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}

// connections counts the clients of a Redis beside the one that asks.
func connections(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	list, err := rdb.ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(list, "\n") - 1
}

func status(url string) int {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A clock that is 20 minutes off makes every stamp wrong until ECPay and Redis
// agree about it.
func TestAWrongClockCostsAtMostOneRefusedRequest(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			cfg, fake, rdb := setup(t)
			cfg.Worker.Concurrency = 20
			cfg.Worker.Now = func() time.Time { return time.Now().Add(off) }
			client, err := enqueue.New(enqueue.Config{Redis: rdb.Client()})
			if err != nil {
				t.Fatal(err)
			}
			const n = 20
			ids := make([]string, n)
			for i := range n {
				tsr := fmt.Sprintf("CLOCK%d", i)
				if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}); err != nil {
					t.Fatal(err)
				}
				r, err := client.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{MerchantID: ecpaytest.StageMerchantID, Tsr: tsr})
				if err != nil {
					t.Fatal(err)
				}
				ids[i] = r.ID
			}
			start(t, cfg)
			for i, id := range ids {
				eventually(t, id+" is completed", func() bool {
					task, err := client.Task(t.Context(), id)
					if err == nil && task.State == record.StateDead {
						t.Fatalf("%s died: %s", id, task.Reason)
					}
					return err == nil && task.State == record.StateCompleted
				})
				if got := fake.EffectsOn(ecpaytest.StageMerchantID, fmt.Sprintf("CLOCK%d", i)); len(got) != 1 {
					t.Errorf("%s: got %d effects, want 1", id, len(got))
				}
			}
			refused := 0
			for _, c := range fake.Calls() {
				if c.TransCode == 104 {
					refused++
					continue
				}
				if age := c.At.Sub(time.Unix(c.Timestamp, 0)); age < -2*time.Second || age > 3*time.Second {
					t.Errorf("%s: the timestamp was %s old on arrival", c.Subject, age)
				}
			}
			if refused > 1 {
				t.Errorf("%d requests were refused with 104, want at most 1", refused)
			}
		})
	}
}

func TestAStartThatFailsReturnsItsErrorAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	rows := []struct {
		name   string
		change func(*app.WorkerConfig)
		want   string
	}{
		{"a Redis URL that is none", func(c *app.WorkerConfig) { c.RedisURL = "x" }, "redis"},
		{"nobody at the Redis URL", func(c *app.WorkerConfig) { c.RedisURL = "redis://" + free.Addr().String() }, "redis"},
		{"an admin address that is taken", func(c *app.WorkerConfig) { c.AdminAddr = taken.Addr().String() },
			"listen on " + taken.Addr().String() + ": another program has this port"},
		{"a worker configuration that does not fit together", func(c *app.WorkerConfig) { c.Worker.TaskTimeout = time.Hour }, "TaskTimeout"},
		{"no keys", func(c *app.WorkerConfig) { c.Keys = nil }, "Keys"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cfg, _, rdb := setup(t)
			row.change(&cfg)
			client := rdb.Client()
			w, err := startSafely(cfg)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one that says %q", err, row.want)
			}
			if w != nil {
				t.Errorf("got a worker beside the error")
			}
			eventually(t, "every connection to Redis is closed", func() bool { return connections(t, client) == 0 })
		})
	}
}

// startSafely turns a panic into an error, so that the other rows run too.
func startSafely(cfg app.WorkerConfig) (w *app.Worker, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return app.StartWorker(cfg)
}

func TestStopEndsEverythingAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	cfg, _, rdb := setup(t)
	client := rdb.Client()
	w, err := app.StartWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + w.AdminAddr()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/": 404} {
		if got := status(base + path); got != want {
			t.Errorf("GET %s: got status %d, want %d", path, got, want)
		}
	}
	request, err := http.NewRequest(http.MethodGet, base+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, err := http.DefaultClient.Do(request); err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("GET /metrics for another site's page: got %v and %v, want 403", resp, err)
	}
	for range 2 {
		if err := w.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	if got := status(base + "/livez"); got != 0 {
		t.Errorf("GET /livez after Stop: got status %d, want no answer", got)
	}
	eventually(t, "every connection to Redis is closed", func() bool { return connections(t, client) == 0 })
}

func TestAWorkerWithoutAnAdminAddressServesNone(t *testing.T) {
	t.Parallel()
	cfg, _, _ := setup(t)
	cfg.AdminAddr = ""
	if got := start(t, cfg).AdminAddr(); got != "" {
		t.Errorf("got admin address %q, want none", got)
	}
}

func TestEveryMetricOfTasksAndRequestsIsThereFromTheStart(t *testing.T) {
	t.Parallel()
	cfg, _, _ := setup(t)
	body := scrape(t, start(t, cfg))
	var want []string
	for _, typ := range tasks.Types() {
		for _, verdict := range []string{"done", "retry", "hold", "dead"} {
			want = append(want, fmt.Sprintf("ecpayq_task_attempts_total{type=%q,verdict=%q} 0", typ.Name, verdict))
		}
	}
	for _, op := range ecpay.Operations() {
		for _, kind := range ecpay.Kinds() {
			want = append(want, fmt.Sprintf("ecpayq_ecpay_requests_total{kind=%q,operation=%q} 0", kind, op))
		}
	}
	for _, wait := range worker.Waits() {
		want = append(want, fmt.Sprintf("ecpayq_holds_total{reason=%q} 0", wait))
	}
	for _, loss := range worker.Losses() {
		want = append(want, fmt.Sprintf("ecpayq_unrecorded_attempts_total{reason=%q} 0", loss))
	}
	for _, step := range gate.Steps() {
		want = append(want, fmt.Sprintf("ecpayq_gate_duration_seconds_count{step=%q} 0", step))
	}
	for _, typ := range tasks.Types() {
		want = append(want, fmt.Sprintf("ecpayq_lost_leases_total{type=%q} 0", typ.Name))
	}
	for _, queue := range tasks.QueueNames() {
		for _, state := range []string{"pending", "active", "scheduled", "retry", "archived", "completed"} {
			want = append(want, fmt.Sprintf("ecpayq_queue_tasks{queue=%q,state=%q} 0", queue, state))
		}
		for _, state := range []string{"pending", "scheduled", "retry", "archived"} {
			want = append(want, fmt.Sprintf("ecpayq_queue_oldest_age_seconds{queue=%q,state=%q} 0", queue, state))
		}
		want = append(want, fmt.Sprintf("ecpayq_queue_paused{queue=%q} 0", queue), fmt.Sprintf("ecpayq_queue_stranded_tasks{queue=%q} 0", queue))
	}
	for _, condition := range metrics.Conditions() {
		want = append(want, fmt.Sprintf("ecpayq_redis_durable{condition=%q} ", condition))
	}
	for _, purpose := range metrics.Purposes() {
		want = append(want, fmt.Sprintf("ecpayq_redis_memory_bytes{purpose=%q} ", purpose))
	}
	want = append(want, fmt.Sprintf("ecpayq_build_info{goversion=%q,version=%q} 1", runtime.Version(), "test"),
		"ecpayq_redis_up 1", "ecpayq_redis_used_memory_bytes ", "ecpayq_redis_max_memory_bytes 0",
		"ecpayq_redis_evicted_keys_total 0", "ecpayq_retry_age_ratio_count 0")
	for _, line := range append(want, "ecpayq_clock_skew_ecpay_seconds", "ecpayq_clock_skew_redis_seconds", "ecpayq_clock_correction_seconds",
		"ecpayq_dead_letters 0", `ecpayq_sweeps_total{result="failed"} 0`,
		`ecpayq_sweeps_total{result="ok"} `, "ecpayq_last_sweep_timestamp_seconds ",
		`ecpayq_swept_tasks_total{action="copied"} 0`,
		`ecpayq_swept_tasks_total{action="orphaned"} 0`, `ecpayq_swept_tasks_total{action="trimmed"} 0`,
		`ecpayq_swept_tasks_total{action="mended"} 0`, `ecpayq_swept_tasks_total{action="dangling"} 0`,
		`ecpayq_swept_tasks_total{action="settled"} 0`) {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("/metrics has no line %q", line)
		}
	}
}

func TestTheStepsOfTheGateOfARealTaskAreMeasured(t *testing.T) {
	t.Parallel()
	cfg, fake, rdb := setup(t)
	client, err := enqueue.New(enqueue.Config{Redis: rdb.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: "GATE1"}); err != nil {
		t.Fatal(err)
	}
	r, err := client.TriggerIssue(t.Context(), trigger("GATE1"))
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, cfg)
	eventually(t, "it is completed", func() bool {
		task, err := client.Task(t.Context(), r.ID)
		return err == nil && task.State == record.StateCompleted
	})
	for _, step := range []string{"begin", "leave"} { // the other one may be done without a round trip of its own
		name := fmt.Sprintf("ecpayq_gate_duration_seconds_count{step=%q}", step)
		if body := scrape(t, w); !strings.Contains(body, "\n"+name+" ") || strings.Contains(body, "\n"+name+" 0\n") {
			t.Errorf("no %s was measured", step)
		}
	}
}

// scrape reads /metrics, which must answer.
func scrape(t *testing.T, w *app.Worker) string {
	t.Helper()
	resp, err := http.Get("http://" + w.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: status %d, %v\n%s", resp.StatusCode, err, body)
	}
	return string(body)
}

func TestMetricsShowTheLedgerAndTheSweepsAndAnswerWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	cfg, _, rdb := setup(t)
	client, err := enqueue.New(enqueue.Config{Redis: rdb.Client()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{MerchantID: ecpaytest.StageMerchantID, Tsr: "LEDGER1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := asynq.NewInspectorFromRedisClient(rdb.Client()).ArchiveTask(r.Queue, r.ID); err != nil {
		t.Fatal(err)
	}
	w := start(t, cfg)
	var body string
	eventually(t, "the first sweep has ended", func() bool {
		body = scrape(t, w)
		return strings.Contains(body, `ecpayq_sweeps_total{result="ok"} 1`)
	})
	for _, line := range []string{"ecpayq_dead_letters 1",
		`ecpayq_swept_tasks_total{action="copied"} 1`, "ecpayq_last_sweep_timestamp_seconds 1."} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("/metrics has no line %q", line)
		}
	}
	rdb.Kill()
	begin := time.Now()
	if body := scrape(t, w); strings.Contains(body, "\necpayq_dead_letters") {
		t.Error("/metrics tells the number of dead letters while Redis is away")
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("/metrics took %s while Redis is away, want 3s at most", took)
	}
	if err := rdb.Restart(t.Context()); err != nil { // so that the worker can be stopped
		t.Fatal(err)
	}
}

func TestTheDashboardRefusesAPublicAddressAndStopsCleanly(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"})
	client := rdb.Client()
	if _, err := app.StartDashboard(app.DashboardConfig{RedisURL: rdb.URL(), Addr: "0.0.0.0:0"}); !errors.Is(err, dashboard.ErrPublicAddress) {
		t.Errorf("0.0.0.0:0: got error %v, want ErrPublicAddress", err)
	}
	d, err := app.StartDashboard(app.DashboardConfig{RedisURL: rdb.URL(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(d.URL()); got != 200 {
		t.Errorf("GET %s: got status %d, want 200", d.URL(), got)
	}
	if err := d.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	eventually(t, "every connection to Redis is closed", func() bool { return connections(t, client) == 0 })
}

func TestDurabilityNamesWhatLosesTasks(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		in   app.Durability
		want []string // what each problem begins with
	}{
		{"as shipped", app.Durability{AppendOnly: "yes", AppendFsync: "always", Policy: "noeviction"}, nil},
		{"no AOF", app.Durability{AppendOnly: "no", AppendFsync: "always", Policy: "noeviction"}, []string{"appendonly is no"}},
		{"every second", app.Durability{AppendOnly: "yes", AppendFsync: "everysec", Policy: "noeviction"}, []string{"appendfsync is everysec"}},
		{"eviction", app.Durability{AppendOnly: "yes", AppendFsync: "always", Policy: "volatile-lru"},
			[]string{"maxmemory-policy is volatile-lru"}},
		{"both", app.Durability{AppendOnly: "no", Policy: "allkeys-lru"}, []string{"appendonly is no", "maxmemory-policy is allkeys-lru"}},
		{"not told", app.Durability{}, nil},
		{"told in part", app.Durability{AppendOnly: "no"}, []string{"appendonly is no"}},
	}
	for _, row := range rows {
		got := row.in.Problems()
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], ":")
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"appendfsync", "maxmemory-policy"}, app.Durability{AppendOnly: "no"}.Unknown()); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

func TestAVersionOfRedisIsComparedByItsNumbers(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"5.0.14": true, "6.0.16": true, "6.1.999": true, "6.2.0": false, "6.2": false, "6.10.1": false, "7.0.15": false,
		"10.0.0": false, "255.255.255": false, "2.8.24": true, "": false,
	} {
		if got := (app.Durability{Version: version}).TooOld(); got != want {
			t.Errorf("%q: got too old %v, want %v", version, got, want)
		}
	}
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestTheLogSaysHowFarTheClockIsOff(t *testing.T) {
	t.Parallel()
	cfg, _, _ := setup(t)
	var log syncBuffer
	cfg.Logger = zerolog.New(&log)
	cfg.Worker.Now = func() time.Time { return time.Now().Add(-20 * time.Minute) }
	start(t, cfg)
	if !strings.Contains(log.String(), "our clock differs from Redis' clock") {
		t.Errorf("got log %s, want a warning about the clock", log.String())
	}
}
