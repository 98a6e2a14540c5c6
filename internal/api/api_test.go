package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/api"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/redistest"
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
	cfg := enqueue.Config{RedisURL: b.redis.URL(), Interval: tasks.Every(0)}
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
		Ledger: deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}),
		Ready:  func(ctx context.Context) error { return rdb.Ping(ctx).Err() },
		Logger: zerolog.New(b.log),
	})
	b.must(err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
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
	b.check(req, body, resp, all)
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

// description is openapi.yaml with a router for it.
var description = sync.OnceValues(func() (routers.Router, error) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // any
	return legacy.NewRouter(doc)
})

// check holds a request that was taken, and every answer, to openapi.yaml.
func (b *bench) check(req *http.Request, body string, resp *http.Response, answer []byte) {
	b.Helper()
	router, err := description()
	b.must(err)
	route, params, err := router.FindRoute(req)
	if err != nil || strings.HasSuffix(req.URL.Path, "/") { // which the router takes for the path without it
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed && resp.StatusCode != http.StatusForbidden {
			b.Errorf("%s %s: status %d, and openapi.yaml has no such route: %v", req.Method, req.URL.Path, resp.StatusCode, err)
		}
		return
	}
	again := req.Clone(b.Context())
	again.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
	}}
	if resp.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(b.Context(), in); err != nil {
			b.Errorf("%s %s was answered with %d and is none that openapi.yaml describes: %v", req.Method, req.URL, resp.StatusCode, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options,
	}
	out.SetBodyBytes(answer)
	if req.Method == http.MethodHead {
		return
	}
	if err := openapi3filter.ValidateResponse(b.Context(), out); err != nil {
		b.Errorf("%s %s: the answer %d is none that openapi.yaml describes: %v", req.Method, req.URL, resp.StatusCode, err)
	}
	if resp.Header.Get("Content-Type") == "application/x-ndjson" {
		b.checkLines(answer)
	}
}

// checkLines holds the lines of a batch's answer to their schemas.
func (b *bench) checkLines(text []byte) {
	b.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	b.must(err)
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines[max(0, len(lines)-50):] { // of very many, the last ones
		name := "BatchLine"
		if bytes.Contains(line, []byte(`"summary"`)) {
			name = "BatchSummary"
		}
		var v any
		b.must(json.Unmarshal(line, &v))
		if err := doc.Components.Schemas[name].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			b.Errorf("line %d, %s: %v", i+1, line, err)
		}
	}
}

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
				if strings.Contains(path, "{id}") { // of a task that can be cancelled, or that is dead
					tsr := strings.TrimPrefix(path, "/v1/tasks/{id}/")
					id := b.enqueued(strings.Replace(later, "ORDER1001", tsr, 1))
					if strings.HasSuffix(path, "resolve") {
						b.dies(id)
					}
					path = strings.Replace(path, "{id}", id, 1)
				}
				seen++
				if a := b.post(path, string(text)); a.StatusCode >= 300 {
					t.Errorf("%s, %s: got %d and %s", path, name, a.StatusCode, a.body)
				}
			}
		}
	}
	if seen < 4 {
		t.Errorf("only %d examples were found", seen)
	}
}
