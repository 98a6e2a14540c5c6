package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

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
	// tripsLeft is how many commands to Redis it lives for; 0 is no such end.
	tripsLeft atomic.Int64
	begun     int // how many it began

	rdb    *redis.Client
	asynq  redis.UniversalClient // of asynq's server
	lapsed atomic.Int64          // when it was frozen last for longer than a lease, in Unix nanoseconds
	h      *handler
	client *ecpay.Client
	keys   *simKeys
}

// simKeys are those of a worker, which may change while it runs.
type simKeys struct {
	current atomic.Pointer[Merchant] // of testMerchant
	others  map[string]*Merchant
}

// Merchant implements [KeyProvider].
func (k *simKeys) Merchant(_ context.Context, id string) (Merchant, error) {
	if m := k.of(id); m != nil {
		return *m, nil
	}
	return Merchant{}, ErrUnknownMerchant
}

func (k *simKeys) of(id string) *Merchant {
	if m, ok := k.others[id]; ok {
		return m
	}
	return k.current.Load()
}

// key is the fingerprint of the keys that the worker has of a merchant.
func (k *simKeys) key(id string) string {
	if m := k.of(id); m != nil {
		return m.KeyFingerprint()
	}
	return gate.NoKeys
}

func (s *sim) newProc(name string) *simProc {
	s.mu.Lock()
	p := &simProc{
		sim: s, name: fmt.Sprintf("%s%d", name, len(s.procs)),
		conns: map[net.Conn]bool{}, busy: map[int]message{},
	}
	p.offset.Store(s.step.Load())
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	p.rdb, p.asynq = newSimClient(p, 1), newSimClient(p, 20)
	return p
}

func (s *sim) everyProc() []*simProc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.procs)
}

// newWorker starts a worker process.
func (s *sim) newWorker() *simProc {
	s.lookedLately()
	p := s.newProc("worker")
	base, _ := url.Parse("http://127.0.0.1:1")
	var err error
	if p.client, err = ecpay.New(ecpay.Config{BaseURL: base, Now: p.now, Dial: p.dial}); err != nil {
		panic(err)
	}
	p.keys = &simKeys{others: s.others}
	p.keys.current.Store(s.keysOf(len(s.workers)))
	client, err := enqueue.New(enqueue.Config{Redis: p.rdb, Now: p.now, PayloadKeys: samples.PayloadKeys()})
	if err != nil {
		panic(err)
	}
	p.h = &handler{
		follower: &follower{client, ledger.New(p.rdb, 24*time.Hour, p.now).PayloadKeys(samples.PayloadKeys()), p.rdb},
		gate:     gate.New(p.rdb, redisx.Confirm{}).Timed(p.now, monotonic(), s.policy.Fence),
		ecpay:    p.client, slots: newSlots(simConcurrency, simConcurrency), keys: p.keys, payloadKeys: samples.PayloadKeys(), policy: s.policy,
		resumer: newResumer(merchants.New(p.rdb), p.keys, zerolog.Nop()),
		egress:  newEgress(gate.NewEgress(p.rdb, DefaultEgress, 0), zerolog.Nop()),
		timeout: 45 * time.Second, finishTTL: 1080 * time.Hour, retention: 24 * time.Hour, fetches: s.fetches,
		now: p.now, log: zerolog.Nop(), observer: Observer{}.withDefaults(),
		random: func() float64 { return float64(p.roll("jitter")>>11) / (1 << 53) },
	}
	done := asynqx.NewCompleteClient(p.asynq, gate.LeaveAfter)
	p.h.completions, p.asynq = done, done
	if s.loose && len(s.workers)%2 == 1 {
		p.h.policy.Interval = 0
	}
	s.workers = append(s.workers, p)
	s.logf("%s starts", p.name)
	s.watch(p)
	return p
}

// keysOf are the keys that the n-th of the workers is started with.
func (s *sim) keysOf(n int) *Merchant {
	if s.rotated || n >= len(s.outdated) {
		return &s.merchant
	}
	return s.outdated[n]
}

// resumeHeld lets a worker look for held tasks that may go on, as it does every two
// seconds; here more rarely.
func (p *simProc) resumeHeld() {
	done := p.work(message{})
	later := p.draw("later", 0, 5*time.Millisecond)
	go func() {
		defer done()
		time.Sleep(later)
		err := p.h.resumer.look(context.Background())
		p.sim.logf("%s looks after held tasks: %v", p.name, err)
	}()
}

// watch lets a worker look for another replication id and for clocks that were set, as it
// does at its start and every 10 seconds; here no more often than there is one to find.
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
	p.begun++
	key := p.begun
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

// leaseOver reports whether the lease of what began at a time ended while the process was
// frozen: asynq, which could not extend it, then writes nothing about the task.
func (p *simProc) leaseOver(began time.Time) bool { return began.UnixNano() < p.lapsed.Load() }

func (p *simProc) freeze(d time.Duration) {
	p.sim.froze.Store(true)
	if d > asynqLease {
		p.lapsed.Store(time.Now().UnixNano())
	}
	p.frozen.Store(time.Now().Add(d).UnixNano())
}

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
	if p.tripsLeft.Load() > 0 && p.tripsLeft.Add(-1) == 0 {
		p.crash("before " + what)
	}
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

// seen notes the token of each attempt, from the commands that begin and end it: scripts
// with seven, eight or ten keys, of which the third is the lock. It counts the outcomes of what
// is done, which are recorded by one script with asynq's, of which the keys come first, or by
// themselves.
func (p *simProc) seen(cmd []string) []string {
	if len(cmd) < 12 {
		return cmd
	}
	n, _ := strconv.Atoi(cmd[2])
	switch {
	case strings.Contains(cmd[5], ":lock:") && (n == 7 || n == 8 || n == 10):
		p.sim.mu.Lock()
		defer p.sim.mu.Unlock()
		p.sim.tokens[cmd[3+n]] = p
		if cmd[4+n] == string(record.Done) {
			p.sim.alone[cmd[3+n]] = true
		}
	case strings.HasSuffix(cmd[3], ":active") && n > 7 && strings.Contains(cmd[9], ":lock:"):
		p.sim.mu.Lock()
		defer p.sim.mu.Unlock()
		p.sim.joint[cmd[6+n]] = true
	}
	return cmd
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
