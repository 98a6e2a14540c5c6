// Package worker carries tasks to ECPay: it runs asynq servers over the table of
// task types, makes a verdict of every attempt and keeps what must survive the
// process in Redis.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// Config configures a [Worker].
type Config struct {
	// Redis is the client of asynq's server. It should be patient (many retries
	// with short pauses), so that a completion survives a failover: asynq runs a
	// task again whose completion it could not write.
	Redis redis.UniversalClient
	// GateRedis is the client of the gate, which retries by itself.
	GateRedis redis.UniversalClient
	// Confirm says where a write's mark must be, beside the master's memory, before
	// the write is sent. The zero value asks for no more than Redis' own word.
	Confirm redisx.Confirm
	// ECPay sends the requests.
	ECPay *ecpay.Client
	// Keys finds each merchant's keys.
	Keys KeyProvider
	// PayloadKeys open payloads with data of buyers; nil for none. What is sealed with another key is
	// held.
	PayloadKeys *seal.Ring
	// Logger takes every log line, asynq's included.
	Logger zerolog.Logger

	// Egress names the address by which the requests of this process leave: processes with
	// one name share one pause when ECPay bans the address or answers nobody. Defaults
	// to [DefaultEgress], one for the fleet.
	Egress string
	// EgressRate is how many requests in a second may leave by it, of all processes
	// together; 0 is no limit.
	EgressRate float64
	// Policy is the budget and the pauses; zero fields get their defaults.
	Policy Policy
	// Concurrency is how many requests to ECPay there are at once. Defaults to
	// [DefaultConcurrency].
	Concurrency int
	// Sleepers is how many attempts may wait in place for their turn, beside those
	// that send. A merchant with a backlog has some ten, at 200 ms between its requests.
	// Defaults to 2048.
	Sleepers int
	// Servers is how many asynq Servers share Concurrency and Sleepers. Each fetches
	// one task per round trip to Redis, which is what bounds one alone. Defaults to
	// [DefaultServers].
	Servers int
	// TaskTimeout bounds one attempt; asynq may start a second run only long
	// after. Defaults to [DefaultTaskTimeout], at most 60 s.
	TaskTimeout time.Duration
	// ShutdownTimeout is how long Stop waits for attempts. Defaults to
	// [DefaultShutdownTimeout] and must be more than TaskTimeout.
	ShutdownTimeout time.Duration
	// Retention is how long the record of a finished task stays, its result with it.
	// Defaults to [tasks.DefaultRetention].
	Retention time.Duration
	// FinishTTL is how long a finished write is recognised. Defaults to
	// [tasks.DefaultFinishTTL].
	FinishTTL time.Duration
	// OutcomeRetention is how long the end of a task stays in the outcomes of its merchant.
	// Defaults to [tasks.DefaultOutcomeRetention].
	OutcomeRetention time.Duration
	// FetchInvoice makes workers ask ECPay for the number of an invoice whose issue they caused, once it
	// may be issued, where the answer to the write does not tell it: a question for each, at the end
	// of the merchant's line.
	FetchInvoice bool
	// ClockCheck is how often Redis' clock is compared with ours. Defaults to 1 min.
	ClockCheck time.Duration
	// Now is the clock. Defaults to [time.Now].
	Now func() time.Time
	// Observer is told what happens to tasks.
	Observer Observer
}

// What a field of [Config] or [Policy] is where it is zero.
const (
	// DefaultEgress is the name of the egress of all processes that give no other.
	DefaultEgress          = "default"
	DefaultConcurrency     = 32
	DefaultTaskTimeout     = 45 * time.Second
	DefaultShutdownTimeout = 60 * time.Second

	DefaultBackoffBase   = 5 * time.Second
	DefaultBackoffMax    = 15 * time.Minute
	DefaultMaxAttempts   = 25
	DefaultMaxAge        = 72 * time.Hour
	DefaultNotFoundGrace = 10 * time.Minute
	DefaultFence         = 11 * time.Minute
	DefaultBanPause      = 30 * time.Minute
	DefaultInFlight      = 8
)

func (p Policy) withDefaults() Policy {
	p.BackoffBase = cmp.Or(p.BackoffBase, DefaultBackoffBase)
	p.BackoffMax = cmp.Or(p.BackoffMax, DefaultBackoffMax)
	p.MaxAttempts = cmp.Or(p.MaxAttempts, DefaultMaxAttempts)
	p.MaxAge = cmp.Or(p.MaxAge, DefaultMaxAge)
	p.NotFoundGrace = cmp.Or(p.NotFoundGrace, DefaultNotFoundGrace)
	p.Fence = cmp.Or(p.Fence, DefaultFence)
	p.BanPause = cmp.Or(p.BanPause, DefaultBanPause)
	p.InFlight = cmp.Or(p.InFlight, DefaultInFlight)
	return p
}

func (c Config) withDefaults() Config {
	c.Policy = c.Policy.withDefaults()
	c.Egress = cmp.Or(c.Egress, DefaultEgress)
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.Sleepers = cmp.Or(c.Sleepers, 2048)
	c.Servers = cmp.Or(c.Servers, DefaultServers(c.Concurrency))
	c.TaskTimeout = cmp.Or(c.TaskTimeout, DefaultTaskTimeout)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.Retention = cmp.Or(c.Retention, tasks.DefaultRetention)
	c.FinishTTL = cmp.Or(c.FinishTTL, tasks.DefaultFinishTTL)
	c.OutcomeRetention = cmp.Or(c.OutcomeRetention, tasks.DefaultOutcomeRetention)
	c.ClockCheck = cmp.Or(c.ClockCheck, time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Observer = c.Observer.withDefaults()
	return c
}

func (c Config) validate() error {
	switch {
	case c.Redis == nil || c.GateRedis == nil || c.ECPay == nil || c.Keys == nil:
		return errors.New("worker: Redis, GateRedis, ECPay and Keys are required")
	case c.Concurrency < 1:
		return fmt.Errorf("worker: Concurrency is %d, want at least 1", c.Concurrency)
	case c.Sleepers < 1 || c.Policy.InFlight < 1 || c.Policy.Interval < 0:
		return fmt.Errorf("worker: Sleepers %d and InFlight %d must be at least 1, Interval %s not negative",
			c.Sleepers, c.Policy.InFlight, c.Policy.Interval)
	case c.Retention%time.Second != 0:
		return fmt.Errorf("worker: Retention is %s; it must be whole seconds, because asynq drops what is less", c.Retention)
	case c.EgressRate < 0 || strings.ContainsAny(c.Egress, "{}"):
		return fmt.Errorf("worker: EgressRate %g must not be negative, and Egress %q have no braces", c.EgressRate, c.Egress)
	case c.Servers < 1 || c.Servers > c.Concurrency:
		return fmt.Errorf("worker: Servers is %d, want 1 to Concurrency, which is %d", c.Servers, c.Concurrency)
	case c.TaskTimeout+asynqMargin > asynqx.Timeout:
		return fmt.Errorf("worker: TaskTimeout is %s, at most %s is allowed: asynq must not give a task up first",
			c.TaskTimeout, asynqx.Timeout-asynqMargin)
	case c.ShutdownTimeout <= c.TaskTimeout:
		return fmt.Errorf("worker: ShutdownTimeout %s must be more than TaskTimeout %s: an attempt must be able to end",
			c.ShutdownTimeout, c.TaskTimeout)
	case c.Policy.BackoffMax < c.Policy.BackoffBase:
		return fmt.Errorf("worker: BackoffMax %s is less than BackoffBase %s", c.Policy.BackoffMax, c.Policy.BackoffBase)
	case c.Policy.MaxAttempts < 1:
		return fmt.Errorf("worker: MaxAttempts is %d, want at least 1", c.Policy.MaxAttempts)
	}
	return nil
}

const asynqMargin = 30 * time.Second

// DefaultServers is how many asynq Servers a worker runs: one for every 8 requests
// at once, at most 4, since more of them do not make it faster.
func DefaultServers(concurrency int) int { return min(4, max(1, concurrency/8)) }

// Worker runs until it is stopped.
type Worker struct {
	cfg     Config
	redis   *asynqx.DequeueClient
	silent  func() time.Duration   // how long nobody has asked for a task
	done    *asynqx.CompleteClient // nil on a cluster
	servers []*asynq.Server
	h       *handler
	quiet   zerolog.Logger // for what is logged again and again

	mu      sync.Mutex
	started bool
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	stop    sync.Once
}

// New checks the configuration and returns a Worker that does not run yet.
func New(cfg Config) (*Worker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	follow, err := enqueue.New(enqueue.Config{
		Redis: cfg.GateRedis, Confirm: cfg.Confirm, Retention: cfg.Retention, PayloadKeys: cfg.PayloadKeys, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	w := &Worker{
		cfg: cfg, quiet: cfg.Logger.Hook(QuietHook()),
		h: &handler{
			gate:  gate.New(cfg.GateRedis, cfg.Confirm).Observed(cfg.Observer.Gate).Timed(cfg.Now, monotonic(), cfg.Policy.Fence),
			ecpay: cfg.ECPay, slots: newSlots(cfg.Concurrency, cfg.Sleepers), keys: cfg.Keys, policy: cfg.Policy,
			timeout: cfg.TaskTimeout, finishTTL: cfg.FinishTTL, retention: cfg.Retention, outcomesFor: cfg.OutcomeRetention,
			now: cfg.Now, random: rand.Float64, log: cfg.Logger, observer: cfg.Observer, repeats: &logRepeats{},
			intervals: newIntervalWarning(cfg.Logger), payloadKeys: cfg.PayloadKeys, fetches: cfg.FetchInvoice,
			follower: &follower{follow, ledger.New(cfg.GateRedis, cfg.Retention, cfg.Now).PayloadKeys(cfg.PayloadKeys), cfg.GateRedis},
			resumer:  newResumer(merchants.New(cfg.GateRedis), cfg.Keys, cfg.Logger.Hook(QuietHook())),
			egress:   newEgress(gate.NewEgress(cfg.GateRedis, cfg.Egress, cfg.EgressRate), cfg.Logger.With().Str("egress", cfg.Egress).Logger()),
		},
	}
	rdb := cfg.Redis
	if redisx.TopologyOf(rdb).Single() {
		w.done = asynqx.NewCompleteClient(rdb, gate.LeaveAfter)
		rdb, w.h.completions = w.done, w.done
	}
	rdb = asynqx.NewSubscribeClient(rdb, w.cannotSubscribe)
	rdb = asynqx.NewLeaseClient(rdb, cfg.Observer.LeaseLost)
	rdb = asynqx.NewForwardClient(rdb, tasks.Queues(), delayedTaskCheck/2)
	w.redis = asynqx.NewDequeueClient(rdb, tasks.Queues(), w.h.slots.admit)
	w.silent = w.redis.Silent
	log := asynqLogger{cfg.Logger.With().Str("component", "asynq").Logger().Hook(QuietHook()), cfg.Observer.Lost}
	for i := range cfg.Servers {
		w.servers = append(w.servers, w.newServer(i, log))
	}
	return w, nil
}

func (w *Worker) cannotSubscribe(err error) {
	w.quiet.Warn().Err(err).Msg("redis refuses SUBSCRIBE: a task that runs cannot be cancelled on asynq's pages; all else works")
}

// newServer returns the i-th of the Servers, with its share of the attempts. Only the first does
// often what one of them has to do for the whole process.
func (w *Worker) newServer(i int, log asynq.Logger) *asynq.Server {
	attempts := w.cfg.Concurrency + w.cfg.Sleepers
	c := asynq.Config{
		Concurrency:              attempts / w.cfg.Servers,
		Queues:                   tasks.Queues(),
		RetryDelayFunc:           retryApart,
		IsFailure:                asynqx.Counts,
		Logger:                   log,
		LogLevel:                 asynq.InfoLevel,
		ShutdownTimeout:          w.cfg.ShutdownTimeout,
		TaskCheckInterval:        taskCheck,
		DelayedTaskCheckInterval: delayedTaskCheck,
	}
	if i < attempts%w.cfg.Servers {
		c.Concurrency++
	}
	if i > 0 {
		c.DelayedTaskCheckInterval, c.JanitorInterval = seldom, seldom
	}
	return asynq.NewServerFromRedisClient(w.redis, c)
}

// How often asynq looks for work. It asks for tasks by way of [asynqx.DequeueClient], which
// knows when there is none. Tasks whose time has come are found by looking alone: asynq's
// default lets one wait for five seconds.
const (
	taskCheck        = 2 * time.Millisecond
	delayedTaskCheck = 200 * time.Millisecond
	seldom           = time.Minute
)

// Start begins to run tasks and returns. It fails when Redis is not reachable.
func (w *Worker) Start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started {
		return errors.New("worker: started twice")
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.checkClock(ctx) // before the first request, so that a wrong clock is known
	w.checkReplication(ctx)
	w.redis.Start()
	for i, s := range w.servers {
		if err := s.Start(asynq.HandlerFunc(w.h.serve)); err != nil {
			cancel()
			w.shutdown(w.servers[:i])
			return fmt.Errorf("worker: %w", err)
		}
	}
	w.started, w.cancel = true, cancel
	w.wg.Go(func() { every(ctx, w.cfg.ClockCheck, w.checkClock) })
	w.wg.Go(func() { every(ctx, replicationCheck, w.checkReplication) })
	w.wg.Go(func() { w.h.resumer.run(ctx) })
	w.wg.Go(func() { every(ctx, egressLook, w.checkEgress) })
	return nil
}

// Stop takes no new tasks, waits for running attempts up to ShutdownTimeout and
// gives the rest back to the queue. It may be called more than once and before
// Start.
func (w *Worker) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started {
		return
	}
	w.stop.Do(func() {
		close(w.h.slots.stopping) // who waits for a turn goes back to the queue
		w.shutdown(w.servers)
		w.cancel()
		w.wg.Wait()
	})
}

// longestSilence is far longer than Servers that work do not ask for a task: while as many
// attempts run as may, and during 21 tries of five dials of 5 s each while Redis is out of
// reach.
const longestSilence = 15 * time.Minute

// Alive returns an error when no Server has asked for a task for longer than load and
// Redis can explain, so that a restart would help. A worker that is not started or
// that stops is alive; this waits for neither.
func (w *Worker) Alive() error {
	if d := w.silent(); d > longestSilence {
		return fmt.Errorf("nobody has asked for a task for %s", d.Round(time.Second))
	}
	return nil
}

// shutdown stops Servers, all at once: each waits for its own attempts.
func (w *Worker) shutdown(servers []*asynq.Server) {
	w.redis.Stop() // or they would wait for tasks
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
	w.done.Stop()
}

// replicationCheck bounds how long after a failover it is noticed, and how long a clock that
// was set is known to one process alone.
const replicationCheck = 10 * time.Second

// checkReplication notices a failover or a restart of Redis, and clocks that were set. Redis
// being away is reported where it matters.
func (w *Worker) checkReplication(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = w.h.gate.Watch(ctx)
	if ago, set := w.h.gate.ClockSet(); set && ago < replicationCheck {
		w.quiet.Warn().Msg("the clocks were set, or no worker looked at Redis for 30 seconds: unanswered writes wait for the whole fence again")
	}
}

// monotonic returns a clock that nobody sets: how long the process runs, about.
func monotonic() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// checkEgress keeps what is known of the egress young. Redis being away is reported
// where it matters.
func (w *Worker) checkEgress(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, _ = w.h.egress.look(ctx)
}

// every calls f from time to time until ctx ends.
func every(ctx context.Context, d time.Duration, f func(context.Context)) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// checkClock tells the ECPay client how far Redis' clock is ahead of ours: the
// second source without which a wrong clock is not corrected.
func (w *Worker) checkClock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	before := w.cfg.Now()
	at, err := w.cfg.GateRedis.Time(ctx).Result()
	if err != nil {
		return // Redis being away is reported where it matters
	}
	took := w.cfg.Now().Sub(before)
	offset := at.Sub(before.Add(took / 2).Round(0))
	w.cfg.ECPay.ObserveReference(offset)
	if offset.Abs() > clockWarning {
		w.quiet.Warn().Stringer("offset", offset).Msg("our clock differs from Redis' clock; check NTP")
	}
}

const clockWarning = 5 * time.Second
