package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/api"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/openapitest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/internal/web"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// bench is an API with a Redis of its own. What is asked of it, and what it answers, is held to
// openapi.yaml.
type bench struct {
	testing.TB
	redis *redistest.Server
	rdb   *redis.Client
	queue *enqueue.Client
	api   *api.API
	url   string
	// log has what the API logged.
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFuzzBench(f *testing.F) *bench {
	f.Helper()
	return benchWith(f, func(*enqueue.Config) {})
}

func newBench(t *testing.T, list ...auth.Token) *bench {
	t.Helper()
	return benchWith(t, func(*enqueue.Config) {}, list...)
}

func benchWith(t testing.TB, change func(*enqueue.Config), list ...auth.Token) *bench {
	t.Helper()
	b := &bench{TB: t, redis: redistest.New(t, redistest.Options{AppendFsync: "no"}), log: &lockedBuffer{}}
	b.rdb = b.redis.Client()
	tokens, err := auth.NewTokens(list)
	b.must(err)
	cfg := enqueue.Config{RedisURL: b.redis.URL(), Interval: tasks.Every(0), PayloadKeys: samples.PayloadKeys()}
	change(&cfg)
	b.queue, err = enqueue.New(cfg)
	b.must(err)
	t.Cleanup(func() { _ = b.queue.Close() })
	o, err := enqueue.ParseRedisURL(b.redis.URL())
	b.must(err)
	o.ContextTimeoutEnabled, o.DialTimeout, o.MaxRetries = true, time.Second, -1
	rdb := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	reg := prometheus.NewRegistry()
	b.api, err = api.New(api.Config{
		Client: b.queue, Redis: rdb, Tokens: tokens, Registerer: reg,
		Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), Traced: cfg.Trace != nil,
		Ledger: deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0), PayloadKeys: cfg.PayloadKeys}),
		Ready:  func(ctx context.Context) error { return rdb.Ping(ctx).Err() },
		Logger: zerolog.New(b.log),
	})
	b.must(err)
	ln, err := web.Listen("127.0.0.1:0", 4096)
	b.must(err)
	s := web.NewServer(b.api, web.WriteLimit)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() {
		b.api.Stop()
		_ = s.Close()
	})
	b.url = "http://" + ln.Addr().String()
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// answer is what came.
type answer struct {
	*http.Response
	body []byte
}

// problem reads a problem, and checks that it is one.
func (b *bench) problem(a answer) api.Problem {
	b.Helper()
	var p api.Problem
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		b.Errorf("status %d has Content-Type %q and %s, want a problem", a.StatusCode, got, a.body)
		return p
	}
	b.must(json.Unmarshal(a.body, &p))
	if p.Status != a.StatusCode || p.Detail == "" || p.DetailZh == "" || p.Title == "" {
		b.Errorf("status %d has %s", a.StatusCode, a.body)
	}
	return p
}

// into reads a body.
func (b *bench) into(a answer, v any) {
	b.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		b.Errorf("status %d has %s: %v", a.StatusCode, a.body, err)
	}
}

// call sends a request, with a token unless it is empty. The headers are name and value in turn.
func (b *bench) call(method, path, token, body string, headers ...string) answer {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	b.must(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(path, "/batch") {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	resp, err := client.Do(req)
	b.must(err)
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	b.must(err)
	d, err := description()
	b.must(err)
	if err := d.Check(req, body, resp.StatusCode, resp.Header, all); err != nil {
		b.Error(err)
	}
	return answer{resp, all}
}

// client follows nothing, as a receiver of redirects would.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (b *bench) post(path, body string, headers ...string) answer {
	b.Helper()
	return b.call("POST", path, "", body, headers...)
}

func (b *bench) get(path string) answer {
	b.Helper()
	return b.call("GET", path, "", "")
}

// enqueued stores an intent by the API and returns its id.
func (b *bench) enqueued(body string) string {
	b.Helper()
	a := b.post("/v1/intents", body)
	var r enqueue.Receipt
	if b.into(a, &r); a.StatusCode != http.StatusCreated {
		b.Fatalf("%s: got %d and %s", body, a.StatusCode, a.body)
	}
	return r.ID
}

// quiet drops what the client of Redis says of connections that tests break.
type quiet struct{}

// Printf implements go-redis' logger.
func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	os.Exit(m.Run())
}

var description = sync.OnceValues(func() (*openapitest.Description, error) { return openapitest.Load("openapi.yaml") })

func TestTheDescriptionIsValidAndServed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.get("/openapi.yaml")
	doc, err := openapi3.NewLoader().LoadFromData(a.body)
	b.must(err)
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	var types []any
	for _, typ := range tasks.Types() {
		types = append(types, typ.Name)
	}
	if got := doc.Components.Schemas["Intent"].Value.Properties["type"].Value.Enum; !sameSet(got, types) {
		t.Errorf("the types are %v, want %v", got, types)
	}
}

func sameSet(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || x == y
		}
		if !found {
			return false
		}
	}
	return true
}

// Every example of a request in the description is taken.
func TestTheExamplesOfTheDescriptionAreTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	b.must(err)
	seen := 0
	for path, item := range doc.Paths.Map() {
		if item.Post == nil {
			continue
		}
		for _, media := range item.Post.RequestBody.Value.Content {
			for name, example := range media.Examples {
				text, err := json.Marshal(example.Value.Value)
				b.must(err)
				if s, ok := example.Value.Value.(string); ok {
					text = []byte(s)
				}
				path := path
				if strings.Contains(path, "{id}") { // of a task that can be cancelled, or that is dead
					tsr := strings.TrimPrefix(path, "/v1/tasks/{id}/")
					id := b.enqueued(strings.Replace(later, "ORDER1001", tsr+strings.ReplaceAll(name, " ", ""), 1))
					if !strings.HasSuffix(path, "cancel") {
						b.dies(id)
					}
					path = strings.Replace(path, "{id}", id, 1)
				}
				seen++
				if a := b.post(path, string(text)); a.StatusCode >= 300 || strings.Contains(string(a.body), `"error"`) {
					t.Errorf("%s, %s: got %d and %s", path, name, a.StatusCode, a.body)
				}
			}
		}
	}
	// What the first example of docs/http-api.md stores is the same as that of the description.
	page, err := os.ReadFile("../../docs/http-api.md")
	b.must(err)
	_, first, _ := strings.Cut(string(page), "-d '")
	first, _, _ = strings.Cut(first, "'")
	if a := b.post("/v1/intents", first); a.StatusCode != http.StatusOK {
		t.Errorf("%s: got %d and %s, want a duplicate", first, a.StatusCode, a.body)
	}
	if seen < 7 {
		t.Errorf("only %d examples were found", seen)
	}
}
