package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks"
)

// byGo is the Go client that the HTTP API is measured beside.
const byGo = "enqueue by Go"

// apiConnections is how many there are to the API at once.
const apiConnections = 16

// measureAPI measures intents that come by HTTP, one a request and many a request.
func measureAPI(ctx context.Context, l *lab) ([]Line, error) {
	single := fmt.Sprintf("%d connections", apiConnections)
	m, err := l.alternate(ctx, ", "+single, variant{ours, l.throughAPI(l.sizes.api)}, variant{byGo, l.throughGo(l.sizes.api)})
	if err != nil {
		return nil, err
	}
	lines := []Line{
		m.line("rate", "one a request, "+single, "/s", atLeast(0.6).times(byGo)),
		m.line("p99", "the same, p99 of a request under that load", "ms"),
	}
	if m, err = l.alternate(ctx, ", the API's own part, "+single, variant{ours, l.ownOfAPI(l.sizes.api)}); err != nil {
		return nil, err
	}
	lines = append(lines,
		m.line("own p50", "the same, p50 of the API's own part: its handler without Redis", "ms"),
		m.line("own p99", "the same, p99", "ms"))
	n := Number(float64(l.sizes.batch))
	if m, err = l.alternate(ctx, ", a batch of "+n, variant{ours, l.batchByAPI()}, variant{byGo, l.batchByGo()}); err != nil {
		return nil, err
	}
	return append(lines, m.line("rate", "a batch of "+n, "/s"), m.line("peak", "the same, peak memory of its process", "MiB")), nil
}

// throughAPI enqueues n intents by HTTP.
func (l *lab) throughAPI(n int) func(context.Context) (map[string]float64, error) {
	return func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
			p, stop, err := w.startAPI(ctx, false)
			if err != nil {
				return nil, err
			}
			defer stop()
			h := newHTTPProducer(p.URL)
			defer h.Close()
			return w.timed(ctx, h, n)
		})
	}
}

// throughGo enqueues them by the Go client, from as many goroutines.
func (l *lab) throughGo(n int) func(context.Context) (map[string]float64, error) {
	return func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
			p, err := newOurProducer(w.redis.URL())
			if err != nil {
				return nil, err
			}
			defer p.Close()
			return w.timed(ctx, p, n)
		})
	}
}

// timed enqueues n intents and notes how long each took.
func (w *world) timed(ctx context.Context, p producer, n int) (map[string]float64, error) {
	t := &timedProducer{producer: p}
	took, err := w.fillBy(ctx, t, 0, n, apiConnections)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"rate": float64(n) / took.Seconds(), "p99": quantile(t.took, 0.99)}, nil
}

type timedProducer struct {
	producer
	mu   sync.Mutex
	took []float64 // milliseconds
}

func (t *timedProducer) enqueue(ctx context.Context, i int, at time.Time) error {
	begun := time.Now()
	err := t.producer.enqueue(ctx, i, at)
	took := float64(time.Since(begun)) / float64(time.Millisecond)
	t.mu.Lock()
	t.took = append(t.took, took)
	t.mu.Unlock()
	return err
}

// startAPI starts the HTTP API in a process of its own; own has it measure its own part of requests.
func (w *world) startAPI(ctx context.Context, own bool) (*part, func(), error) {
	p, err := w.lab.start(ctx, partAPI, order{RedisURL: w.redis.URL(), Own: own})
	if err != nil {
		return nil, nil, err
	}
	return p, func() { _ = p.stop() }, nil
}

// startAPIPart runs the HTTP API in this process, as `ecpayq api` does.
func startAPIPart(o order) (ready, func(), error) {
	tokens, err := auth.NewTokens(nil)
	if err != nil {
		return ready{}, nil, err
	}
	log := zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	app.UseLogger(log)
	cfg := app.APIConfig{
		Enqueue: enqueue.Config{RedisURL: o.RedisURL, Interval: tasks.Every(0)}, Addr: "127.0.0.1:0", Tokens: tokens, Logger: log,
	}
	if o.Own {
		cfg.Enqueue.Hook, cfg.Around = waits{}, (&ownPart{}).around
	}
	a, err := app.StartAPI(cfg)
	if err != nil {
		return ready{}, nil, err
	}
	return ready{URL: a.URL()}, func() { _ = a.Stop() }, nil
}

// httpProducer enqueues by HTTP. It writes and reads no more than it must: the clients of shops run
// elsewhere, and take nothing of what the API has.
type httpProducer struct {
	addr string
	idle chan *httpConn
}

type httpConn struct {
	net.Conn
	in  *bufio.Reader
	buf []byte
}

func newHTTPProducer(url string) httpProducer {
	return httpProducer{strings.TrimPrefix(url, "http://"), make(chan *httpConn, apiConnections)}
}

func (p httpProducer) enqueue(_ context.Context, i int, _ time.Time) error {
	body := &bytes.Buffer{}
	if err := writeIntent(body, i); err != nil {
		return err
	}
	status, answer, err := p.post("/v1/intents", "application/json", body)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("POST /v1/intents: %d %s", status, answer)
	}
	return err
}

// Close implements io.Closer.
func (p httpProducer) Close() error {
	for len(p.idle) > 0 {
		_ = (<-p.idle).Close()
	}
	return nil
}

// post sends a request and returns the end of what comes back.
func (p httpProducer) post(path, contentType string, body *bytes.Buffer) (status int, last []byte, err error) {
	var c *httpConn
	select {
	case c = <-p.idle:
	default:
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			return 0, nil, err
		}
		c = &httpConn{conn, bufio.NewReaderSize(conn, 32<<10), make([]byte, 32<<10)}
	}
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		path, contentType, body.Len())
	if _, err := c.Write(append(head, body.Bytes()...)); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, nil, err
	}
	for {
		n, err := resp.Body.Read(c.buf)
		last = append(last, c.buf[:n]...)
		last = last[max(0, len(last)-1024):]
		switch {
		case err == io.EOF:
			p.idle <- c
			return resp.StatusCode, last, nil
		case err != nil:
			return resp.StatusCode, last, err
		}
	}
}

// writeIntent writes an intent as a shop sends it.
func writeIntent(w io.Writer, i int) error {
	p := intent(i)
	return json.NewEncoder(w).Encode(struct {
		Type string        `json:"type"`
		Data tasks.Payload `json:"data"`
	}{tasks.TypeOf(p).Name, p})
}

// batchByAPI sends a batch in one request.
func (l *lab) batchByAPI() func(context.Context) (map[string]float64, error) {
	return func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
			p, stop, err := w.startAPI(ctx, false)
			if err != nil {
				return nil, err
			}
			defer stop()
			var lines bytes.Buffer
			for i := range backlog(l.sizes.batch) {
				if err := writeIntent(&lines, i); err != nil {
					return nil, err
				}
			}
			numbers, err := w.batch(ctx, l.sizes.batch, func(context.Context, *world) error {
				h := newHTTPProducer(p.URL)
				defer h.Close()
				status, end, err := h.post("/v1/intents/batch", "application/x-ndjson", &lines)
				want := fmt.Appendf(nil, `"stored":%d,`, l.sizes.batch)
				if err == nil && (status != http.StatusOK || !bytes.Contains(end, want)) {
					err = fmt.Errorf("POST /v1/intents/batch: %d %s", status, end)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			numbers["peak"], _ = peakMiB(p.cmd.Process.Pid)
			return numbers, nil
		})
	}
}

// batchByGo enqueues the same by one call of Go, in this process.
func (l *lab) batchByGo() func(context.Context) (map[string]float64, error) {
	return func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
			numbers, err := w.batch(ctx, l.sizes.batch, byCall(ourSide, l.sizes.batch))
			if err == nil {
				numbers["peak"], _ = peakMiB(os.Getpid())
			}
			return numbers, err
		})
	}
}
