package worker

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
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
	policy   Policy
	odds     odds

	events eventHeap
	wake   chan struct{}
	faulty atomic.Bool // until the faults stop
	away   atomic.Bool // ECPay cannot be reached
	wrong  bool        // some clock was wrong
	lossy  bool        // a failover loses writes

	failoverAt int // the run before which a replica falls behind, 0 for never
	// perform, when not nil, is run in the place of the handler.
	perform func(p *simProc, m message) error
	procs   []*simProc
	workers []*simProc // those that take tasks now
	runs    map[string]int
	seq     int

	mu      sync.Mutex
	sent    map[string]sending // by arrival
	bans    []ban
	tokens  map[string]*simProc
	intents []*simIntent
	queues  []string // those of the intents
	blame   []string // invariants that do not hold
}

// odds are the chances of trouble at each trip over the network, in thousandths.
type odds struct {
	crash, request, reply, late, freeze, connect, duplicate int
}

// sending is a request on its way.
type sending struct {
	proc  *simProc
	clock time.Time         // of the process, when it was sent
	locks map[string]string // who held each lock then, and until when
}

// ban is a pause that a task was given and that is recorded.
type ban struct {
	id          string
	from, until time.Time
}

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

// simProc is a process: a worker, a producer or a person's command line. Its
// goroutines run until it crashes.
type simProc struct {
	sim    *sim
	name   string
	mu     sync.Mutex
	dead   atomic.Bool
	cut    atomic.Bool  // it cannot reach redis any more
	drain  bool         // takes no new tasks
	frozen atomic.Int64 // until then it does nothing, in Unix nanoseconds
	offset atomic.Int64 // how far its clock is ahead, in nanoseconds
	conns  map[net.Conn]bool
	busy   map[int]message // what it runs

	rdb    *redis.Client
	h      *handler
	client *ecpay.Client
}

func (s *sim) newProc(name string) *simProc {
	s.mu.Lock()
	p := &simProc{
		sim: s, name: fmt.Sprintf("%s%d", name, len(s.procs)),
		conns: map[net.Conn]bool{}, busy: map[int]message{},
	}
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	p.rdb = newSimClient(p)
	return p
}

func (s *sim) everyProc() []*simProc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.procs)
}

// newWorker starts a worker process.
func (s *sim) newWorker() *simProc {
	p := s.newProc("worker")
	base, _ := url.Parse("http://127.0.0.1:1")
	var err error
	if p.client, err = ecpay.New(ecpay.Config{BaseURL: base, Now: p.now, Dial: p.dial}); err != nil {
		panic(err)
	}
	p.h = &handler{
		gate: gate.New(p.rdb, record.Confirm{}), ecpay: p.client, keys: &testKeys{merchant: s.merchant}, policy: s.policy,
		timeout: 45 * time.Second, finishTTL: 1080 * time.Hour, retention: 24 * time.Hour,
		now: p.now, log: zerolog.Nop(), observe: func(string, Verdict) {},
		random: func() float64 { return float64(p.roll("jitter")>>11) / (1 << 53) },
	}
	s.workers = append(s.workers, p)
	s.logf("%s starts", p.name)
	if s.lossy {
		s.watch(p)
	}
	return p
}

// watch lets a worker look for another replication id, as it does at its start and
// every 10 seconds; here no more often than there is one to find.
func (s *sim) watch(p *simProc) {
	done := p.work(message{})
	later := p.draw("later", 0, 5*time.Millisecond)
	go func() {
		defer done()
		time.Sleep(later)
		for p.h.gate.Watch(context.Background()) != nil {
			p.alive()
			time.Sleep(replicationCheck)
		}
	}()
}

// now is the process' wall clock. It has no monotonic part: that of a real one
// would not jump, so that what is measured here is worse than in reality.
func (p *simProc) now() time.Time { return time.Now().Round(0).Add(time.Duration(p.offset.Load())) }

// work keeps the process busy with a task until the func it returns is called.
func (p *simProc) work(m message) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sim.mu.Lock()
	p.sim.seq++
	key := p.sim.seq
	p.sim.mu.Unlock()
	p.busy[key] = m
	return func() {
		p.mu.Lock()
		delete(p.busy, key)
		p.mu.Unlock()
		p.sim.poke()
	}
}

func (p *simProc) tasks() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]message, 0, len(p.busy))
	for _, m := range p.busy {
		all = append(all, m)
	}
	return all
}

// stands reports whether the process neither ended nor is frozen.
func (p *simProc) stands() bool {
	return !p.dead.Load() && !p.cut.Load() && time.Now().UnixNano() >= p.frozen.Load()
}

func (p *simProc) freeze(d time.Duration) { p.frozen.Store(time.Now().Add(d).UnixNano()) }

// roll is a number for something that the process does at this moment. It is no
// next one of a sequence: then the order of two goroutines would decide.
func (p *simProc) roll(what string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.name + what))
	x := h.Sum64() ^ p.sim.seed*0x9e3779b97f4a7c15 ^ uint64(time.Since(p.sim.start))*0xbf58476d1ce4e5b9
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dice has something go wrong, as long as there are faults.
func (p *simProc) dice(what string, thousandths int) bool {
	return p.sim.faulty.Load() && int(p.roll(what)%1000) < thousandths
}

func (p *simProc) draw(what string, from, to time.Duration) time.Duration {
	return from + time.Duration(p.roll(what)%uint64(to-from+1))
}

// alive ends the goroutine of a process that has crashed, and waits while it is
// frozen.
func (p *simProc) alive() {
	for {
		if p.dead.Load() {
			runtime.Goexit()
		}
		d := time.Until(time.Unix(0, p.frozen.Load()))
		if d <= 0 {
			return
		}
		time.Sleep(d + p.draw("wake", 0, time.Millisecond)) // not all of them at the same moment
	}
}

// trip is one command of a process to Redis: time passes, and everything may go
// wrong before and after it.
func (p *simProc) trip(what string, do func()) error {
	s := p.sim
	p.alive()
	if p.dice("freeze", s.odds.freeze) {
		d := p.draw("freeze for", 0, 3*time.Minute)
		s.logf("%s freezes for %s before %s", p.name, d, what)
		p.freeze(d)
	}
	time.Sleep(p.draw("there", 100*time.Microsecond, 20*time.Millisecond))
	p.alive()
	switch {
	case s.redis.down.Load(), p.cut.Load():
		time.Sleep(p.draw("down", time.Millisecond, 2*time.Second))
		p.alive()
		return errBroken
	case p.dice("crash before", s.odds.crash):
		p.crash("before " + what)
	case p.dice("request", s.odds.request):
		s.logf("%s: %s does not arrive", p.name, what)
		return errBroken
	case p.dice("late", s.odds.late):
		d := p.draw("late by", 0, 2*time.Minute)
		s.logf("%s: %s breaks, and arrives %s later", p.name, what, d)
		master := s.redis.replID.Load()
		go func() {
			time.Sleep(d)
			if !s.redis.down.Load() && s.redis.replID.Load() == master {
				do()
			}
		}()
		return errBroken
	}
	do()
	if p.dice("crash after", s.odds.crash) {
		p.crash("after " + what)
	}
	time.Sleep(p.draw("back", 100*time.Microsecond, 20*time.Millisecond))
	p.alive()
	if p.dice("reply", s.odds.reply) {
		s.logf("%s: the reply to %s is lost", p.name, what)
		return errBroken
	}
	return nil
}

// crash ends a process from one of its own goroutines.
func (p *simProc) crash(when string) {
	p.kill(when)
	runtime.Goexit()
}

// kill ends a process: its connections break, and none of its goroutines gets
// any further than its next step.
func (p *simProc) kill(when string) {
	if p.dead.Swap(true) {
		return
	}
	p.sim.logf("%s crashes %s", p.name, when)
	p.mu.Lock()
	open := slices.Collect(maps.Keys(p.conns))
	p.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
	p.sim.poke()
}

// seen notes the token of each attempt, from the command that begins it: a script
// with four keys, of which the third is the lock.
func (p *simProc) seen(cmd []string) []string {
	if len(cmd) > 7 && cmd[2] == "4" && strings.Contains(cmd[5], ":lock:") {
		p.sim.mu.Lock()
		p.sim.tokens[cmd[7]] = p
		p.sim.mu.Unlock()
	}
	return cmd
}

// poke lets the driver look again.
func (s *sim) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// simPipe is one end of a connection to ECPay, from the loopback address.
type simPipe struct {
	net.Conn
	proc *simProc
}

func (c *simPipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (c *simPipe) Close() error {
	c.proc.mu.Lock()
	delete(c.proc.conns, c)
	c.proc.mu.Unlock()
	return c.Conn.Close()
}

// dial connects to ECPay.
func (p *simProc) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s := p.sim
	time.Sleep(p.draw("dial", time.Millisecond, 50*time.Millisecond))
	if s.away.Load() || p.dead.Load() || p.dice("connect", s.odds.connect) {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	c := &simPipe{ours, p}
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
	select {
	case s.listener.conns <- &simPipe{theirs, p}:
		return c, nil
	case <-s.listener.closed:
		return nil, net.ErrClosed
	}
}

type simListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *simListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *simListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

type procKey struct{}

// arrival names a request: no two arrive in the same nanosecond.
func arrival(at time.Time, path string) string { return strconv.FormatInt(at.UnixNano(), 10) + path }

// front stands before the fake ECPay and notes who sent what, and when by the
// sender's clock.
func (s *sim) front(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p, _ := r.Context().Value(procKey{}).(*simProc)
	if err == nil && p != nil {
		from := sending{p, p.now(), map[string]string{}}
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
		redis: newSimRedis(), wake: make(chan struct{}, 1),
		listener: &simListener{conns: make(chan net.Conn), closed: make(chan struct{})},
		sent:     map[string]sending{}, tokens: map[string]*simProc{}, runs: map[string]int{}, policy: Policy{}.withDefaults(),
	}
	s.faulty.Store(true)
	s.asynq = simAsynq{s.redis}
	s.fake = ecpaytest.New(ecpaytest.Config{})
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
	return s
}

// close ends every goroutine of the world.
func (s *sim) close() {
	for _, p := range s.everyProc() {
		p.kill("at the end")
		_ = p.rdb.Close()
	}
	s.fake.Close()
	_ = s.web.Close()
	_ = s.listener.Close()
	s.redis.close()
}

// run lets asynq's model drive the workers until nothing is left to do. It
// reports whether that came within the limit of virtual time.
func (s *sim) run(limit time.Duration) bool {
	end := time.Now().Add(limit)
	recoverAt := time.Now()
	for deliveries := 0; time.Now().Before(end) && deliveries < 5000; {
		if !s.redis.down.Load() {
			for _, q := range s.queues {
				s.asynq.forward(q)
				if !time.Now().Before(recoverAt) {
					s.heartbeat()
					s.asynq.recover(q)
				}
			}
			if !time.Now().Before(recoverAt) {
				recoverAt = time.Now().Add(within(s.rng, 10*time.Second, 60*time.Second))
			}
			deliveries += s.dispatch()
		}
		if s.settled() {
			return true
		}
		next := recoverAt
		if !s.active() {
			next = end
		}
		for _, q := range s.queues {
			if at, ok := s.asynq.next(q); ok && at.Before(next) {
				next = at
			}
		}
		if len(s.events) > 0 && s.events[0].at.Before(next) {
			next = s.events[0].at
		}
		timer := time.NewTimer(max(time.Millisecond, time.Until(next)) + within(s.rng, 0, time.Second))
		select {
		case <-timer.C:
		case <-s.wake:
			time.Sleep(within(s.rng, 100*time.Microsecond, 50*time.Millisecond))
		}
		timer.Stop()
		for len(s.events) > 0 && !s.events[0].at.After(time.Now()) {
			e := heap.Pop(&s.events).(event)
			s.logf("-- %s", e.name)
			e.run()
		}
	}
	return false
}

// active reports whether asynq takes a task for running.
func (s *sim) active() bool {
	for _, q := range s.queues {
		if s.redis.number("LLEN", asynqKey(q, "active")) > 0 {
			return true
		}
	}
	return false
}

// settled reports whether nothing happens any more.
func (s *sim) settled() bool {
	if s.faulty.Load() || len(s.events) > 0 {
		return false
	}
	for _, q := range s.queues {
		if s.asynq.waiting(q) > 0 {
			return false
		}
	}
	for _, p := range s.everyProc() {
		if !p.dead.Load() && len(p.tasks()) > 0 {
			return false
		}
	}
	return true
}

// heartbeat extends the leases of what runs in a process that lives.
func (s *sim) heartbeat() {
	for _, p := range s.everyProc() {
		if !p.stands() {
			continue
		}
		for _, m := range p.tasks() {
			if m.id != "" {
				s.asynq.extend(m.queue, m.id)
			}
		}
	}
}

const simConcurrency = 4

// dispatch hands pending tasks to workers.
func (s *sim) dispatch() (n int) {
	for _, q := range s.queues {
		for {
			p := s.free()
			if p == nil {
				return n
			}
			if s.failoverAt == s.seqRuns()+1 {
				s.failover()
			}
			m, ok := s.asynq.dequeue(q)
			if !ok {
				break
			}
			s.deliver(p, m)
			n++
		}
	}
	return n
}

func (s *sim) seqRuns() (n int) {
	for _, r := range s.runs {
		n += r
	}
	return n
}

// failover lets a replica fall behind now, and take over from the master in a
// moment. What is written in between is lost. It waits until the shops are done:
// an enqueue that a failover loses is lost, unless a replica confirmed it.
func (s *sim) failover() {
	// A Redis that no worker has met is not missed when it is gone.
	met := s.redis.number("EXISTS", record.ReplicationKey(nil, "")) == 1
	if !met || !s.faulty.Load() || slices.ContainsFunc(s.intents, func(i *simIntent) bool { return !i.stored.Load() }) {
		s.failoverAt++
		return
	}
	s.failoverAt = 0
	behind := s.redis.snapshot()
	s.logf("the replica falls behind")
	s.at(within(s.rng, 20*time.Millisecond, 2*time.Second), "the master dies", func() {
		s.redis.down.Store(true)
		s.at(within(s.rng, time.Second, 5*time.Second), "the replica takes over", func() {
			s.redis.promote(behind)
			s.redis.down.Store(false)
			s.at(within(s.rng, 0, replicationCheck), "workers look at redis", func() {
				for _, p := range s.workers {
					s.watch(p)
				}
			})
		})
	})
}

// free picks a worker that takes tasks.
func (s *sim) free() *simProc {
	var able []*simProc
	for _, p := range s.workers {
		if p.stands() && !p.drain && len(p.tasks()) < simConcurrency {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[s.rng.IntN(len(able))]
}

// deliver runs the handler on a task in a process.
func (s *sim) deliver(p *simProc, m message) {
	done := p.work(m)
	s.runs[m.id]++
	s.logf("%s runs %s (run %d)", p.name, m.id, s.runs[m.id])
	if s.wrong {
		p.client.ObserveReference(s.redis.now().Sub(p.now()))
	}
	later := within(s.rng, 0, 5*time.Millisecond)
	go func() {
		defer done()
		time.Sleep(later)
		if s.perform != nil {
			s.finish(p, m, s.perform(p, m))
			return
		}
		v, text, err := p.h.run(context.Background(), job{id: m.id, typeName: m.typeName, queue: m.queue, payload: m.payload, headers: m.headers})
		s.logf("%s: %s is %s(%s) next in %s: %s %v", p.name, m.id, v.Action, v.Kind, v.Delay, text, err)
		if v.Action == Hold && v.Kind == ecpay.Throttled && err == nil {
			// As it is recorded: the process may have been frozen since.
			next, _ := strconv.ParseInt(s.redis.text("HGET", record.TaskKey(m.id), record.FieldNext), 10, 64)
			s.mu.Lock()
			s.bans = append(s.bans, ban{m.id, time.Now(), time.UnixMilli(next)})
			s.mu.Unlock()
		}
		s.finish(p, m, toAsynq(v, text, err))
	}()
}

// finish tells asynq, whose client is patient; but what it cannot write within the
// lease is lost, and the task runs again.
func (s *sim) finish(p *simProc, m message, result error) {
	p.alive()
	for end := time.Now().Add(25 * time.Second); ; {
		err := p.trip("completion", func() {
			switch {
			case result == nil:
				s.asynq.complete(m)
			case errors.Is(result, asynq.SkipRetry), m.retried >= m.retry:
				s.asynq.archive(m, result.Error())
			default:
				s.asynq.retryAt(m, time.Now().Add(retryDelay(int(m.retried), result, nil)), result.Error(), isFailure(result))
			}
		})
		if err == nil || time.Now().After(end) {
			return
		}
		time.Sleep(p.draw("again", 50*time.Millisecond, time.Second))
	}
}

// steal gives a running task to another worker while it runs, as a server does
// whose clock is a minute ahead.
func (s *sim) steal() {
	for _, q := range s.queues {
		for _, id := range s.redis.list("LRANGE", asynqKey(q, "active"), 0, -1) {
			if raw, ok := s.redis.direct("HGET", asynqKey(q, "t:"+id), "msg").(string); ok && s.rng.IntN(2) == 0 {
				s.logf("%s is given to another worker", id)
				s.asynq.retryAt(decodeMessage(raw), time.Now(), "asynq: task lease expired", true)
			}
		}
	}
}

// ledger is the ledger of dead letters as a process sees it.
func (s *sim) ledger(p *simProc) *deadletter.Ledger {
	return deadletter.New(deadletter.Config{Redis: p.rdb, Now: p.now})
}

func (s *sim) sweep(p *simProc) error {
	_, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: p.rdb, Queues: s.queues, ScanEvery: time.Nanosecond, Logger: zerolog.Nop()}).Sweep(context.Background())
	return err
}

// background runs f as a process of its own, which may crash.
func (s *sim) background(name string, f func(p *simProc)) {
	p := s.newProc(name)
	done := p.work(message{})
	later := p.draw("later", 0, 5*time.Millisecond)
	go func() {
		defer done()
		time.Sleep(later)
		f(p)
	}()
}

// accept enqueues an intent as a shop does: until it is told that it is stored. A
// shop that crashed looks into its own database and calls again.
func (s *sim) accept(i *simIntent) {
	s.background("shop", func(p *simProc) {
		defer func() {
			if p.dead.Load() && !i.stored.Load() {
				time.Sleep(p.draw("another shop", time.Second, time.Minute))
				s.accept(i)
			}
		}()
		for {
			client, err := enqueue.New(enqueue.Config{Redis: p.rdb, Now: p.now})
			if err != nil {
				panic(err)
			}
			r, err := client.Enqueue(context.Background(), i.payload())
			if err == nil {
				s.logf("%s: %s is stored: %s, duplicate %t", p.name, r.ID, r.State, r.Duplicate)
				i.stored.Store(true)
				return
			}
			s.logf("%s: %s", p.name, strings.ReplaceAll(err.Error(), "\n", " "))
			p.alive()
			time.Sleep(p.draw("call again", time.Second, 10*time.Second))
		}
	})
}
