package worker

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// world is a handler with a fake ECPay and a Redis whose clocks are the test's.
type world struct {
	t    *testing.T
	fake *ecpaytest.Server
	mr   *miniredis.Miniredis
	rdb  redis.UniversalClient
	h    *handler
	keys *testKeys
	base *url.URL

	mu  sync.Mutex
	now time.Time
}

type testKeys struct {
	merchant Merchant
	err      error
}

func (k *testKeys) Merchant(context.Context, string) (Merchant, error) { return k.merchant, k.err }

type keysFunc func(ctx context.Context, id string) (Merchant, error)

func (f keysFunc) Merchant(ctx context.Context, id string) (Merchant, error) { return f(ctx, id) }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	now := w.now
	w.mu.Unlock()
	w.mr.SetTime(now)
	w.mr.FastForward(d) // ends what has a TTL
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, mr: miniredis.RunT(t), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.mr.SetTime(w.now)
	w.rdb = redis.NewClient(&redis.Options{Addr: w.mr.Addr()})
	t.Cleanup(func() { _ = w.rdb.Close() })
	w.fake = ecpaytest.New(ecpaytest.Config{Now: w.clock})
	srv := httptest.NewServer(w.fake)
	t.Cleanup(srv.Close)
	t.Cleanup(w.fake.Close)
	base, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.base = base
	m, err := ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID, HashKey: ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keys = &testKeys{merchant: Merchant{Merchant: m}}
	client, err := enqueue.New(enqueue.Config{Redis: w.rdb, Now: w.clock, PayloadKeys: samples.PayloadKeys()})
	if err != nil {
		t.Fatal(err)
	}
	w.h = &handler{
		follower: &follower{client, ledger.New(w.rdb, time.Hour, w.clock).PayloadKeys(samples.PayloadKeys()), w.rdb},
		gate:     gate.New(w.rdb, redisx.Confirm{}), slots: newSlots(8, 8), keys: w.keys, policy: Policy{}.withDefaults(),
		timeout: 45 * time.Second, finishTTL: time.Hour, retention: time.Hour,
		now: w.clock, random: rand.Float64, log: zerolog.Nop(), observer: Observer{}.withDefaults(),
	}
	w.giveUpAfter(20 * time.Second) // no answer that comes is too late, however busy the machine is
	return w
}

// giveUpAfter makes the client to ECPay wait as long for an answer. Few tests have
// an ECPay that never answers.
func (w *world) giveUpAfter(d time.Duration) {
	w.t.Helper()
	client, err := ecpay.New(ecpay.Config{BaseURL: w.base, Timeout: d, Now: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	w.h.ecpay = client
}

func (w *world) job(p tasks.Payload) job {
	w.t.Helper()
	if err := p.Validate(); err != nil {
		w.t.Fatal(err)
	}
	b, err := tasks.Encode(p)
	if err != nil {
		w.t.Fatal(err)
	}
	h := tasks.Headers{Enqueued: w.clock(), Nonce: "N"}
	typ := tasks.TypeOf(p)
	return job{id: tasks.ID(p), typeName: typ.Name, queue: typ.Queue, payload: b, headers: h.Map()}
}

// once runs one attempt.
func (w *world) once(j job) Verdict {
	w.t.Helper()
	v, _, err := w.h.run(w.t.Context(), j)
	if err != nil {
		w.t.Fatalf("%s: %v", j.id, err)
	}
	if v.Wait() == WaitOther {
		w.t.Errorf("%s: held for %q, of which nothing says what it waits for", j.id, v.Reason)
	}
	return v
}

// toEnd runs attempts, each after the delay that the one before asked for, as
// asynq would, and returns the last verdict and their number.
func (w *world) toEnd(j job) (v Verdict, attempts int) {
	w.t.Helper()
	for attempts = 1; attempts <= 200; attempts++ {
		v = w.once(j)
		if v.Action == Done || v.Action == Dead {
			return v, attempts
		}
		w.advance(v.Delay + time.Second)
	}
	w.t.Fatalf("%s does not end", j.id)
	return v, attempts
}

func (w *world) record(j job) record.Record {
	w.t.Helper()
	r, err := record.Get(w.t.Context(), w.rdb, j.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}
