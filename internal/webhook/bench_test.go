package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const (
	shop  = "2000132"
	other = "3002599"
	// secret has 32 bytes.
	secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// bench is a Redis with outcomes, and receivers.
type bench struct {
	*testing.T
	rdb   redis.UniversalClient
	admin *webhook.Admin
	seq   map[string]int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOn(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Client())
}

func newBenchOn(t *testing.T, rdb redis.UniversalClient) *bench {
	return &bench{T: t, rdb: rdb, admin: webhook.NewAdmin(rdb), seq: map[string]int64{}}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// baseMS is when the outcomes of tests begin.
var baseMS = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).UnixMilli()

// ends appends an outcome as ended.lua does, and returns its webhook-id.
func (b *bench) ends(merchant, tsr, state string) string {
	b.Helper()
	return b.appends(merchant, "b2c.trigger_issue."+merchant+"."+tsr, state)
}

// appends appends an outcome of a task.
func (b *bench) appends(merchant, id, state string) string {
	b.Helper()
	b.seq[merchant]++
	seq := b.seq[merchant]
	since := int64(1)
	if seq == 1 {
		since = baseMS + 1
	}
	b.must(b.rdb.XAdd(b.Context(), &redis.XAddArgs{
		Stream: record.OwnerOutcomesKey(merchant), ID: fmt.Sprintf("%d-%d", baseMS+seq, seq),
		Values: []any{"id", id, "state", state, "kind", "OK", "rtn_code", "1", "rtn_msg", "",
			"reason", "", "reason_zh", "", "result", "", "since", since, "off", "0"},
	}).Err())
	b.must(b.rdb.SAdd(b.Context(), record.OutcomeOwnersKey, merchant).Err())
	return fmt.Sprintf("out_%s_%d_%d", merchant, seq, baseMS+seq)
}

// got is one request that a receiver had.
type got struct {
	record.Outcome
	webhookID, signature string
	at                   time.Time
	status               int // what it was answered
}

// What a receiver may do instead of answering a status.
const (
	dropped  = -iota
	hung     // until the sender has had enough
	dripping // one byte of a header after the other, for as long
)

// hangUp answers nothing that is one, until the sender closes the connection.
func hangUp(w http.ResponseWriter, q *http.Request, drip bool) {
	if !drip {
		<-q.Context().Done()
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	text := "HTTP/1.1 200 OK\r\nX-Drip: " + strings.Repeat("x", 10_000)
	for i := range text {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// receiver is a shop's address, which verifies by the library of Standard Webhooks.
type receiver struct {
	*bench
	server *httptest.Server
	mu     sync.Mutex
	all    []got
	answer func(g got, n int) int // n counts the requests from 1
	// retryAfter is a header of the answers that are not 2xx.
	retryAfter string
}

func (b *bench) receiver(answer func(g got, n int) int) *receiver {
	b.Helper()
	r := &receiver{bench: b, answer: answer}
	verifier, err := standardwebhooks.NewWebhook(secret)
	b.must(err)
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err == nil {
			err = verifier.Verify(body, q.Header)
		}
		g := got{webhookID: q.Header.Get("webhook-id"), signature: q.Header.Get("webhook-signature"), at: time.Now()}
		if err == nil {
			err = json.Unmarshal(body, &g.Outcome)
		}
		if err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/json" {
			b.Errorf("got %s of %s with %v: %v", q.Method, q.Header.Get("Content-Type"), q.Header, err)
		}
		r.mu.Lock()
		r.all = append(r.all, g)
		n := len(r.all)
		r.mu.Unlock()
		status := http.StatusNoContent
		if r.answer != nil {
			status = r.answer(g, n)
		}
		r.mu.Lock()
		r.all[n-1].status = status
		r.mu.Unlock()
		switch status {
		case dropped:
			panic(http.ErrAbortHandler)
		case hung, dripping:
			hangUp(w, q, status == dripping)
			return
		}
		if r.retryAfter != "" && status >= 300 {
			w.Header().Set("Retry-After", r.retryAfter)
		}
		w.WriteHeader(status)
	}))
	b.Cleanup(r.server.Close)
	return r
}

func (r *receiver) got() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// endpoint is one for all merchants, with an address under that of the receiver.
func (r *receiver) endpoint(name string) webhook.Endpoint {
	r.Helper()
	u, err := webhook.ParseURL(r.server.URL+"/hook", true)
	r.must(err)
	key, err := webhook.ParseKey(secret)
	r.must(err)
	return webhook.Endpoint{Name: name, URL: u, Secrets: []webhook.Key{key}, Merchants: []string{webhook.AllMerchants}, AllowPrivate: true}
}

// serve delivers to endpoints until the test ends, and has met them when it returns.
func (b *bench) serve(list ...webhook.Endpoint) *webhook.Service {
	b.Helper()
	s := webhook.New(webhook.Config{Redis: b.rdb, Logger: zerolog.New(zerolog.NewTestWriter(b.T)), Agent: "test"})
	b.Cleanup(s.Stop)
	b.must(webhook.Check(list, true))
	b.must(s.Set(list))
	for _, e := range list {
		b.adopted(e)
	}
	return s
}

// adopted waits until an endpoint has positions.
func (b *bench) adopted(e webhook.Endpoint) {
	b.Helper()
	b.eventually("the endpoint "+e.Name+" is begun", func() bool {
		n, err := b.rdb.HLen(b.Context(), record.WebhookKeysOf(e.Queue()).Positions).Result()
		b.must(err)
		return n > 0
	})
}

func (b *bench) eventually(what string, is func() bool) {
	b.Helper()
	b.within(30*time.Second, what, is)
}

func (b *bench) within(limit time.Duration, what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not so after %s: %s", limit, what)
		}
	}
}

func (b *bench) status(e webhook.Endpoint) webhook.Status {
	b.Helper()
	s, err := b.admin.Status(b.Context(), e)
	b.must(err)
	return s
}

// idle waits until nothing of an endpoint is in the queue but what was given up.
func (b *bench) idle(e webhook.Endpoint) {
	b.Helper()
	b.eventually("nothing waits for "+e.Name, func() bool {
		s := b.status(e)
		return s.Pending+s.Waiting == 0
	})
	if n, err := b.rdb.ZCard(b.Context(), record.WebhookKeysOf(e.Queue()).Open).Result(); err != nil || n != 0 {
		b.Errorf("%d deliveries are still open, %v", n, err)
	}
}

// ids are the webhook-ids that were received, in order.
func (r *receiver) ids() string {
	var ids []string
	for _, g := range r.got() {
		ids = append(ids, g.webhookID)
	}
	return strings.Join(ids, " ")
}

// enable sends at once what waits.
func (b *bench) enable(e webhook.Endpoint) {
	b.Helper()
	_, err := b.admin.Enable(context.WithoutCancel(b.Context()), e)
	b.must(err)
}

// failingSince sets back since when an endpoint fails.
func (b *bench) failingSince(e webhook.Endpoint, at time.Time) {
	b.Helper()
	b.must(b.rdb.HSet(b.Context(), record.WebhookKeysOf(e.Queue()).State, "failing_since", at.UnixMilli()).Err())
}

// tryAgain sends at once what waits, and changes nothing else.
func (b *bench) tryAgain(e webhook.Endpoint) {
	b.Helper()
	_, err := asynq.NewInspectorFromRedisClient(b.rdb).RunAllRetryTasks(e.Queue())
	b.must(err)
}
