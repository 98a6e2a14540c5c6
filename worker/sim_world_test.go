package worker

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// sim is one schedule of a simulation: processes that carry tasks from a Redis to
// a fake ECPay, and everything that can go wrong between them. It runs in a
// bubble of testing/synctest, so that hours pass in no time. What happens is
// decided by the seed alone.
type sim struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand // of the driver
	start time.Time
	trace io.Writer // nil for none

	redis    *simRedis
	asynq    simAsynq
	fake     *ecpaytest.Server
	web      *http.Server
	listener *simListener
	merchant Merchant
	// wrongMerchant is the same with keys that ECPay does not take.
	wrongMerchant Merchant
	// outdated are the keys of the first workers until they are rotated: wrong ones, or
	// nil for none.
	outdated []*Merchant
	rotated  bool
	others   map[string]*Merchant // whose keys are always right
	fetches  bool                 // workers ask for invoices
	many     bool                 // they have intents too
	stops    *stops
	policy   Policy
	odds     odds
	window   time.Duration // for which ECPay takes a request after its stamp

	events eventHeap
	poked  chan struct{}
	faulty atomic.Bool  // until the faults stop
	away   atomic.Bool  // ECPay cannot be reached
	wrong  bool         // some clock was wrong
	lossy  bool         // a failover loses writes
	froze  atomic.Bool  // some process was frozen
	loose  bool         // some workers have no interval, and others have
	step   atomic.Int64 // by how much all clocks were set
	lostAt time.Time    // when a failover lost the last writes, by Redis' clock
	setAt  int64        // when they were set last, by Redis' clock, in milliseconds

	words, again, steps atomic.Int64 // how often a person gave a word, a shop called again, and clocks were set

	failoverAt int // the run before which a replica falls behind, 0 for never
	// perform, when not nil, is run in the place of the handler.
	perform func(p *simProc, m message) error
	procs   []*simProc
	workers []*simProc // those that take tasks now
	runs    map[string]int
	seq     int
	running sync.WaitGroup // of handlers

	mu     sync.Mutex
	sent   map[string]simRequest // by arrival
	bans   []ban
	tokens map[string]*simProc
	// joint and alone are the attempts of which the outcome, that the task is done, was recorded
	// with asynq's, and by itself.
	joint, alone map[string]bool
	intents      []*simIntent
	queues       []string // those of the intents
	blame        []string // invariants that do not hold
}

// odds are the chances of trouble at each trip over the network, in thousandths.
type odds struct {
	crash, request, reply, late, freeze, connect int
}

// simRequest is a request on its way.
type simRequest struct {
	proc  *simProc
	at    time.Time         // when it was sent
	clock time.Time         // of the process then
	locks map[string]string // who held each lock then, and until when
}

// ban is a pause that is recorded, of a merchant or of all; scope is what it is for when
// ECPay refused keys, and empty when it asked for it.
type ban struct {
	from, until     time.Time
	merchant, scope string
}

// otherMerchants are there beside [testMerchant].
var otherMerchants = []string{"1000001", "1000002", "1000003"}

const (
	otherKey = "abcdefgh12345678"
	otherIV  = "12345678abcdefgh"
)

type event struct {
	at   time.Time
	seq  int
	name string
	run  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// at plans an event.
func (s *sim) at(d time.Duration, name string, run func()) {
	s.seq++
	heap.Push(&s.events, event{time.Now().Add(d), s.seq, name, run})
}

func (s *sim) logf(format string, args ...any) {
	if s.trace == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.trace, "%12s  %s\n", time.Since(s.start).Round(time.Millisecond), fmt.Sprintf(format, args...))
}

func (s *sim) violated(format string, args ...any) {
	s.logf("VIOLATED: "+format, args...)
	s.blame = append(s.blame, fmt.Sprintf(format, args...))
}

// within draws a duration to the nanosecond, so that two things hardly ever happen
// at the same moment, where their order would be the scheduler's and not the seed's.
func within(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)+1))
}

func chance(rng *rand.Rand, thousandths int) bool { return rng.IntN(1000) < thousandths }

type procKey struct{}

// arrival names a request: no two arrive in the same nanosecond.
func arrival(at time.Time, path string) string { return strconv.FormatInt(at.UnixNano(), 10) + path }

// front stands before the fake ECPay and notes who sent what, and when by the
// sender's clock.
func (s *sim) front(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it broke off on its way: nothing has arrived
	}
	p, _ := r.Context().Value(procKey{}).(*simProc)
	if p != nil {
		from := simRequest{proc: p, at: time.Now(), clock: p.now(), locks: map[string]string{}}
		for _, key := range s.redis.list("KEYS", "ecpayq:*:lock:*") {
			from.locks[key] = s.redis.text("GET", key)
		}
		var env struct{ Data string } // what differs between requests, and not between runs of a seed
		_ = json.Unmarshal(body, &env)
		time.Sleep(p.draw(r.URL.Path+env.Data, time.Millisecond, 50*time.Millisecond)) // on its way
		s.mu.Lock()
		s.sent[arrival(time.Now(), r.URL.Path)] = from
		s.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.fake.ServeHTTP(w, r)
}

// newSim makes the world of a schedule, without workers yet. It must be called
// in a bubble.
func newSim(t *testing.T, seed uint64, trace io.Writer) *sim {
	s := &sim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), start: time.Now(), trace: trace,
		redis: newSimRedis(), stops: newStops(), poked: make(chan struct{}, 1),
		listener: &simListener{conns: make(chan net.Conn), closed: make(chan struct{})},
		sent:     map[string]simRequest{}, tokens: map[string]*simProc{}, joint: map[string]bool{},
		alone: map[string]bool{}, runs: map[string]int{}, policy: Policy{}.withDefaults(),
	}
	s.faulty.Store(true)
	s.asynq = simAsynq{s.redis}
	// Most have an ECPay that forgets a request sooner, and a fence that is as much
	// longer: fewer questions, and the rest is the same.
	s.window = 10 * time.Minute
	if chance(s.rng, 800) {
		s.window = 2 * time.Minute
		s.policy.Fence = s.window + time.Minute
	}
	if chance(s.rng, 300) {
		s.policy.Interval = 200 * time.Millisecond
		s.loose = chance(s.rng, 400)
	}
	known := []ecpaytest.Merchant{{MerchantID: testMerchant, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV}}
	s.others = map[string]*Merchant{}
	for _, id := range otherMerchants {
		known = append(known, ecpaytest.Merchant{MerchantID: id, HashKey: otherKey, HashIV: otherIV})
		m, err := ecpay.NewMerchant(ecpay.MerchantConfig{MerchantID: id, HashKey: ecpay.NewSecret(otherKey), HashIV: ecpay.NewSecret(otherIV)})
		if err != nil {
			panic(err)
		}
		s.others[id] = &Merchant{Merchant: m}
	}
	s.fake = ecpaytest.New(ecpaytest.Config{Window: s.window, Merchants: known})
	s.web = &http.Server{
		Handler: http.HandlerFunc(s.front),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, procKey{}, c.(*simPipe).proc)
		},
	}
	go func() { _ = s.web.Serve(s.listener) }()
	m, err := ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID, HashKey: ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		panic(err)
	}
	s.merchant = Merchant{Merchant: m}
	m, err = ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID, HashKey: ecpay.NewSecret("WrongHashKey0000"), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		panic(err)
	}
	s.wrongMerchant = Merchant{Merchant: m}
	return s
}

// close ends every goroutine of the world.
func (s *sim) close() {
	for _, p := range s.everyProc() {
		p.kill("at the end")
	}
	s.running.Wait()
	for _, p := range s.everyProc() {
		_, _ = p.rdb.Close(), p.asynq.Close()
	}
	s.fake.Close()
	_ = s.web.Close()
	_ = s.listener.Close()
	s.redis.close()
}
