package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ownPath is where an API that measures its own part tells it.
const ownPath = "/bench/own"

// ownOfAPI enqueues n intents by HTTP, by runs of their own: what reads the clock takes nothing of the rate.
func (l *lab) ownOfAPI(n int) func(context.Context) (map[string]float64, error) {
	return func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
			p, stop, err := w.startAPI(ctx, true)
			if err != nil {
				return nil, err
			}
			defer stop()
			h := newHTTPProducer(p.URL)
			defer h.Close()
			if _, err := w.fillBy(ctx, h, 0, n, apiConnections); err != nil {
				return nil, err
			}
			return askOwn(ctx, p.URL, n)
		})
	}
}

// askOwn asks the API for its own part of n requests.
func askOwn(ctx context.Context, url string, n int) (map[string]float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+ownPath, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var own ownSummary
	if err := json.NewDecoder(resp.Body).Decode(&own); err != nil {
		return nil, fmt.Errorf("own part: %w", err)
	}
	if own.Requests != n || own.Blind > 0 {
		return nil, fmt.Errorf("own part: %d requests were timed, %d of them without Redis; want %d and none", own.Requests, own.Blind, n)
	}
	return map[string]float64{"own p50": own.P50, "own p99": own.P99}, nil
}

// ownPart measures what of the time of an intent's request is the API's own: that in its handler, without that in
// calls of the Redis client. Not in it is what net/http does outside of the handler: it reads the head of the request
// before, and sends the answer after. Time for which there is no free processor is in whichever of them it falls into.
type ownPart struct {
	mu    sync.Mutex
	took  []float64 // milliseconds
	blind int
}

// ownSummary is what it tells.
type ownSummary struct {
	Requests int
	// Blind are those in which no call to Redis was seen; each makes at least one.
	Blind    int
	P50, P99 float64 // milliseconds
}

// around times the requests of intents that a handler serves.
func (o *ownPart) around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case ownPath:
			_ = json.NewEncoder(w).Encode(o.summary())
		case "/v1/intents":
			var inRedis atomic.Int64
			r = r.WithContext(context.WithValue(r.Context(), waits{}, &inRedis))
			begun := time.Now()
			h.ServeHTTP(w, r)
			o.add(time.Since(begun), time.Duration(inRedis.Load()))
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func (o *ownPart) add(took, inRedis time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took = append(o.took, float64(took-inRedis)/float64(time.Millisecond))
	if inRedis == 0 {
		o.blind++
	}
}

func (o *ownPart) summary() ownSummary {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := ownSummary{Requests: len(o.took), Blind: o.blind}
	if s.Requests > 0 {
		s.P50, s.P99 = quantile(o.took, 0.5), quantile(o.took, 0.99)
	}
	return s
}

// waits is a [redis.Hook] that adds the time in calls of the client, which includes waiting for a connection, to that
// of the request in whose context they are made. It is the key of that time, too.
type waits struct{}

func (waits) spent(ctx context.Context, begun time.Time) {
	if inRedis, ok := ctx.Value(waits{}).(*atomic.Int64); ok {
		inRedis.Add(int64(time.Since(begun)))
	}
}

// DialHook implements [redis.Hook]. A call waits for the connection that it needs, and counts that.
func (waits) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (h waits) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer h.spent(ctx, time.Now())
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (h waits) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		defer h.spent(ctx, time.Now())
		return next(ctx, cmds)
	}
}
