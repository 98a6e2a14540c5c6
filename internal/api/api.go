// Package api is the HTTP API by which shops in any language enqueue intents, look at tasks,
// act on them and follow their outcomes. openapi.yaml describes it, and tests hold every
// answer to that.
package api

import (
	"context"
	_ "embed"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// Config configures an [API].
type Config struct {
	// Client stores intents. It is not closed.
	Client *enqueue.Client
	// Redis is used for everything else, and not closed.
	Redis redis.UniversalClient
	// Ledger acts on dead tasks.
	Ledger *deadletter.Ledger
	// Tokens are accepted. Without any, nobody needs one, everybody may do everything, and
	// requests to loopback names only are answered.
	Tokens *auth.Tokens
	// Traced means that Client begins a trace for every task.
	Traced bool
	// Ready says why nothing can be stored, in words for anybody.
	Ready func(context.Context) error
	// Registerer gets the metrics, which Metrics serves.
	Registerer prometheus.Registerer
	Metrics    http.Handler
	Logger     zerolog.Logger
}

// API is an [http.Handler].
type API struct {
	cfg     Config
	tokens  atomic.Pointer[auth.Tokens]
	reader  *record.Reader
	routes  *http.ServeMux
	metrics *metrics
	// Batches that are read, by the name of the token and in all.
	batchLock  sync.Mutex
	batchCount map[string]int
	batchTotal int
	waits      chan struct{} // those who wait for something
	notices    chan struct{} // callbacks of ECPay that are looked at
	untaken    time.Duration
	// stopping ends when the API does: whoever waits is answered then.
	stopping context.Context
	stop     context.CancelFunc
}

const (
	maxBatches, maxBatchesEach = 16, 8
	maxWaits                   = 512
	// busyAfter is when to come again, in seconds, and awayAfter when Redis refuses.
	busyAfter, awayAfter = 2, 5
)

//go:embed openapi.yaml
var openAPI []byte

// New returns an API.
func New(cfg Config) (*API, error) {
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	a := &API{
		cfg: cfg, reader: record.NewReader(cfg.Redis), routes: http.NewServeMux(), metrics: m,
		batchCount: map[string]int{}, waits: make(chan struct{}, maxWaits), notices: make(chan struct{}, maxNotices),
		untaken: untaken,
	}
	a.stopping, a.stop = context.WithCancel(context.Background())
	a.tokens.Store(cfg.Tokens)
	a.handle("POST /v1/intents", auth.Enqueue, a.postIntent)
	a.handle("POST /v1/intents/batch", auth.Enqueue, a.postBatch)
	a.handle("GET /v1/tasks", auth.Read, a.listTasks)
	a.handle("GET /v1/tasks/{id}", auth.Read, a.getTask)
	a.handle("POST /v1/tasks/{id}/cancel", auth.Operate, a.cancel)
	a.handle("POST /v1/tasks/{id}/replay", auth.Operate, a.replay)
	a.handle("POST /v1/tasks/{id}/resolve", auth.Operate, a.resolve)
	a.handle("GET /v1/outcomes", auth.Read, a.outcomes)
	a.handle("GET /metrics", "", func(w http.ResponseWriter, r *http.Request, _ auth.Token) *Problem {
		cfg.Metrics.ServeHTTP(w, r)
		return nil
	})
	a.open("POST /v1/ecpay/notify/{merchant_id}", a.notify)
	a.open("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(openAPI)
	})
	a.open("GET /livez", func(w http.ResponseWriter, _ *http.Request) { ok(w) })
	a.open("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		ok(w)
	})
	return a, nil
}

// clientGone is the status under which a request is counted whose client did not wait for the answer.
const clientGone = 499

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// SetTokens replaces the tokens that are accepted.
func (a *API) SetTokens(t *auth.Tokens) { a.tokens.Store(t) }

// Stop answers those who wait, and ends the reading of batches. What was read is stored and
// answered.
func (a *API) Stop() { a.stop() }

// handler answers, or returns why it cannot.
type handler func(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem

// handle serves a route to those who have a right; with none, to all who have a token.
func (a *API) handle(pattern string, right auth.Right, h handler) {
	a.open(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, p := a.admit(r, right)
		if p == nil && r.Method == http.MethodPost && r.URL.RawQuery != "" {
			p = newProblem(unknownField, record.Text{En: "this path takes no parameters", Zh: "此路徑沒有參數"})
		}
		if p == nil {
			p = h(w, r, who)
		}
		if p != nil {
			a.refuse(w, r, p)
		}
	})
}

// open serves a route to everybody.
func (a *API) open(pattern string, h http.HandlerFunc) {
	_, route, _ := strings.Cut(pattern, " ")
	a.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		c := &counted{ResponseWriter: w}
		defer func() {
			if c.status == 0 || c.status >= http.StatusInternalServerError && r.Context().Err() != nil {
				c.status = clientGone
			}
			a.metrics.served(route, c.status, time.Since(begun))
		}()
		h(c, r)
	})
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if p := a.guard(r); p != nil {
		a.metrics.served(noRoute, p.Status, 0)
		a.refuse(w, r, p)
		return
	}
	// Nothing is redirected: clients make a GET of a POST then, and take the token elsewhere.
	handler, pattern := a.routes.Handler(r)
	if pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		c := &counted{ResponseWriter: discard{http.Header{}}}
		if pattern == "" {
			handler.ServeHTTP(c, r)
		}
		p := notFound(record.Text{En: "there is nothing at this path; GET /openapi.yaml lists what there is",
			Zh: "此路徑沒有內容；GET /openapi.yaml 列出所有路徑"})
		route := noRoute
		if allow := c.Header().Get("Allow"); c.status == http.StatusMethodNotAllowed {
			route = a.routeOf(r, allow)
			h.Set("Allow", allow)
			p = newProblem(methodNotAllowed, record.Text{En: "this path takes " + allow, Zh: "此路徑只接受 " + allow})
		}
		a.metrics.served(route, p.Status, 0)
		a.refuse(w, r, p)
		return
	}
	a.routes.ServeHTTP(w, r)
}

// noRoute is the route of requests that have none.
const noRoute = "none"

// routeOf is the route of a path, by one of the methods that it takes.
func (a *API) routeOf(r *http.Request, allow string) string {
	method, _, _ := strings.Cut(allow, ",")
	_, pattern := a.routes.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
	if _, route, ok := strings.Cut(pattern, " "); ok {
		return route
	}
	return noRoute
}

// counted remembers the status of an answer.
type counted struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (c *counted) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (c *counted) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

// Header implements [http.ResponseWriter].
func (d discard) Header() http.Header { return d.header }

// Write implements [http.ResponseWriter].
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements [http.ResponseWriter].
func (discard) WriteHeader(int) {}
