package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const merchantID = ecpaytest.StageMerchantID

// env is an environment, or changes to one: an empty value removes.
type env map[string]string

// bench is one test's own world: a Redis, a fake ECPay, and the environment that
// ties ecpayq to them.
type bench struct {
	*testing.T
	redis  *redistest.Server
	reader *record.Reader // of look
	fake   *ecpaytest.Server
	web    *httptest.Server
	bodies *recorder
	env    env
}

// newBench starts a Redis and a fake for one test.
func newBench(t *testing.T, changes env) *bench {
	t.Helper()
	return newBenchOf(t, ecpaytest.Config{}, changes)
}

func newBenchOf(t *testing.T, cfg ecpaytest.Config, changes env) *bench {
	t.Helper()
	b := newBenchWithout(t, cfg, changes)
	// Nothing here depends on the disk, whose syncing is slow on a busy machine.
	b.useRedis(redistest.Options{AppendFsync: "no"})
	return b
}

func (b *bench) useRedis(o redistest.Options) {
	b.Helper()
	b.redis = redistest.New(b.T, o)
	b.env["ECPAYQ_REDIS_URL"] = b.redis.URL()
}

// newBenchWithout is newBench without a Redis, whose URL points nowhere.
func newBenchWithout(t *testing.T, cfg ecpaytest.Config, changes env) *bench {
	t.Helper()
	fake := ecpaytest.New(cfg)
	b := &bench{T: t, fake: fake, bodies: &recorder{next: fake}}
	b.web = httptest.NewServer(b.bodies)
	t.Cleanup(b.web.Close)
	t.Cleanup(fake.Close) // first, so that hanging answers end
	b.env = env{
		"HOME": t.TempDir(),
		// The race detector, if it is built in, makes a process sleep at its end.
		"GORACE":             "atexit_sleep_ms=0",
		"ECPAYQ_REDIS_URL":   "redis://127.0.0.1:1/0",
		"ECPAYQ_ECPAY_URL":   b.web.URL,
		"ECPAYQ_MERCHANT_ID": merchantID,
		"ECPAYQ_HASH_KEY":    ecpaytest.StageHashKey,
		"ECPAYQ_HASH_IV":     ecpaytest.StageHashIV,
		"ECPAYQ_ADMIN_ADDR":  "127.0.0.1:0",
		// Short pauses: asynq itself looks for retries once a second.
		"ECPAYQ_BACKOFF_BASE": "200ms",
		"ECPAYQ_LOG_LEVEL":    "debug",
		// Many tests count the requests of a write; those about invoices have this on.
		"ECPAYQ_FETCH_INVOICE": "off",
	}
	b.env["ECPAYQ_PAYLOAD_KEY_FILE"] = writeFile(t, filepath.Join(t.TempDir(), "payload_keys"), samples.PayloadKeyFile)
	b.set(changes)
	return b
}

func (b *bench) set(changes env) { b.env = b.env.with(changes) }

func (e env) with(changes env) env {
	out := maps.Clone(e)
	for k, v := range changes {
		if v == "" {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

func (e env) list() []string {
	list := []string{} // not nil: nil would inherit
	for k, v := range e {
		list = append(list, k+"="+v)
	}
	return list
}

// recorder keeps the bodies of requests, since the fake's ledger has Data in the
// clear only, and can keep requests waiting.
type recorder struct {
	next http.Handler

	mu     sync.Mutex
	bodies []string
	gates  map[string]chan struct{} // by path
}

// hold keeps requests to these paths from the fake until release is called.
func (r *recorder) hold(paths ...string) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gates = map[string]chan struct{}{}
	open := make(chan struct{})
	for _, p := range paths {
		r.gates[p] = open
	}
	return sync.OnceFunc(func() { close(open) })
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	if err == nil && len(body) > 0 {
		r.bodies = append(r.bodies, string(body))
	}
	gate := r.gates[req.URL.Path]
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-req.Context().Done():
		}
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.next.ServeHTTP(w, req)
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

// receipt is what enqueue prints.
type receipt struct {
	ID, Type, Queue, State string
	Duplicate, Replaced    bool
	Differs                []string
}

// task is what task show and task wait print.
type task struct {
	ID, Type, Queue, State, Kind string
	MerchantID                   string `json:"merchant_id"`
	Attempts                     int
	RtnCode                      int64           `json:"rtn_code"`
	RtnMsg                       string          `json:"rtn_msg"`
	TransCode                    int             `json:"trans_code"`
	HTTPStatus                   int             `json:"http_status"`
	Reason                       string          `json:"reason"`
	ReasonZh                     string          `json:"reason_zh"`
	Result                       json.RawMessage `json:"result"`
	Invoice                      *tasks.Invoice  `json:"invoice"`
	EnqueuedAt                   time.Time       `json:"enqueued_at"`
	LastAt                       time.Time       `json:"last_at"`
	NextAt                       time.Time       `json:"next_at"`
	ecpay.Deadlines
}

// oneLine decodes what must be exactly one line of JSON without unknown fields.
func oneLine[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Fatalf("got %q on stdout, want one line", text)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("stdout is not what it should be: %v\n%s", err, text)
	}
	return v
}

// enqueue runs ecpayq enqueue, which must succeed.
func (b *bench) enqueue(args ...string) receipt {
	b.Helper()
	r := b.run(append([]string{"enqueue"}, args...)...)
	if r.code != 0 {
		b.Fatalf("ecpayq enqueue %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return oneLine[receipt](b.T, r.stdout)
}

// waitFor runs ecpayq task wait and demands the state and the exit code that
// belongs to it.
func (b *bench) waitFor(id, state string) task {
	b.Helper()
	r := b.run("task", "wait", id, "--timeout", "60s")
	got := oneLine[task](b.T, r.stdout)
	want := map[string]int{"completed": 0, "dead": 1}[state]
	if got.State != state || r.code != want {
		b.Fatalf("task wait %s: got state %s and exit code %d, want %s and %d\n%s%s", id, got.State, r.code, state, want, r.stdout, r.stderr)
	}
	return got
}

// show runs ecpayq task show, which must succeed.
func (b *bench) show(id string) task {
	b.Helper()
	r := b.run("task", "show", id)
	if r.code != 0 {
		b.Fatalf("task show %s: exit code %d\n%s", id, r.code, r.stderr)
	}
	return oneLine[task](b.T, r.stdout)
}

// await waits until task show says that the task is in the state.
func (b *bench) await(id, state string) task {
	b.Helper()
	var got task
	b.eventually(id+" is "+state, func() bool {
		if b.look(id).State != state {
			return false
		}
		got = b.show(id)
		return got.State == state
	})
	return got
}

// look reads what task show would show, without a process: for those who look often.
func (b *bench) look(id string) record.Task {
	b.Helper()
	if b.reader == nil {
		b.reader = record.NewReader(b.redis.Client())
	}
	t, err := b.reader.Get(b.Context(), id)
	b.must(err)
	return t
}

// patience is for what takes a moment on an idle machine.
const patience = time.Minute

// eventually polls until ok, and fails the test when that takes too long.
// client is one of Go's own, which spreads nothing.
func (b *bench) client() *enqueue.Client {
	b.Helper()
	client, err := enqueue.New(enqueue.Config{RedisURL: b.env["ECPAYQ_REDIS_URL"], Interval: tasks.Every(0)})
	b.must(err)
	b.Cleanup(func() { _ = client.Close() })
	return client
}

func (b *bench) eventually(what string, ok func() bool) {
	b.Helper()
	eventually(b.T, what, ok)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// must fails the test on an error of its own making.
func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// callsOn is the part of the ledger about one subject, in order of arrival.
func (b *bench) callsOn(subject string) []ecpaytest.Call {
	var on []ecpaytest.Call
	for _, c := range b.fake.Calls() {
		if c.Subject == subject {
			on = append(on, c)
		}
	}
	return on
}

// operations names the calls about a subject, in order of arrival.
func (b *bench) operations(subject string) []string {
	names := []string{}
	for _, c := range b.callsOn(subject) {
		names = append(names, c.Operation)
	}
	return names
}

// wantEffects demands exactly these effects on a subject, in order.
func (b *bench) wantEffects(subject string, want ...string) {
	b.Helper()
	got := []string{}
	for _, e := range b.fake.EffectsOn(merchantID, subject) {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		b.Errorf("effects on %s (-want +got):\n%s", subject, diff)
	}
}

// wantFresh demands that every request that ECPay got was stamped less than two
// seconds before it arrived, and not in the future.
func (b *bench) wantFresh() {
	b.Helper()
	calls := b.fake.Calls()
	if len(calls) == 0 {
		b.Error("no request arrived, so no timestamp was checked")
	}
	for _, c := range calls {
		// A stamp is cut to whole seconds, which only makes it look older.
		if age := c.At.Sub(time.Unix(c.Timestamp, 0)); age < 0 || age >= 2*time.Second {
			b.Errorf("%s %s: the timestamp was %s old on arrival, want less than 2s", c.Operation, c.Subject, age)
		}
	}
}
