// Package app assembles the long-running parts of ecpayq and owns their
// lifecycle. It knows no flags and no signals, so that it can run in a test.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/metrics"
	"github.com/ecpayq/ecpayq/worker/schedule"
	"github.com/ecpayq/ecpayq/worker/tracing"
)

// WorkerConfig is what a worker process is made of.
type WorkerConfig struct {
	RedisURL string
	// Connections are those to Redis, of each of two clients.
	Connections Connections
	// LoadingTimeout is how long the start waits for a Redis that is loading its data, 0 for
	// not at all; Interrupted, when not nil, ends the wait.
	LoadingTimeout time.Duration
	Interrupted    <-chan struct{}
	BaseURL        *url.URL
	Keys           worker.KeyProvider
	// Merchants lists those that schedules compare; nil where nobody knows, and no schedule compares.
	Merchants   func() []worker.Merchant
	Codes       *ecpay.Codes
	HTTPTimeout time.Duration
	// Worker is filled in except for the parts that are assembled here.
	Worker worker.Config
	// Schedules are fired by this worker, or another one that has them.
	Schedules []schedule.Entry
	// Webhooks are the endpoints to which outcomes are delivered.
	Webhooks []webhook.Endpoint
	// Outbox is the table from which intents are relayed.
	Outbox Outbox
	// Interval is that of [deadletter.Config], for what they replay, and of what is relayed.
	Interval func(merchantID string) time.Duration
	// AdminAddr serves /livez, /readyz and /metrics; empty for none.
	AdminAddr string
	// MetricsByMerchant adds series with a MerchantID to /metrics.
	MetricsByMerchant bool
	// Traces takes the spans of tasks and requests; nil for none.
	Traces  trace.TracerProvider
	Logger  zerolog.Logger
	Version string
}

// Worker is a running worker process.
type Worker struct {
	log      zerolog.Logger
	admin    *admin
	core     atomic.Pointer[worker.Worker] // nil until it runs
	webhooks *webhooks
	draining atomic.Bool
	cleanups []cleanup
}

// cleanup is one step of stopping, run in reverse order of starting.
type cleanup struct {
	name string
	run  func() error
}

func (w *Worker) onStop(name string, run func() error) {
	w.cleanups = append(w.cleanups, cleanup{name, run})
}

// StartWorker starts everything and returns; on an error nothing is left running.
func StartWorker(cfg WorkerConfig) (w *Worker, err error) {
	w = &Worker{log: cfg.Logger}
	defer func(started *Worker) {
		if err != nil {
			_ = started.Stop()
		}
	}(w)
	limit := openFiles()
	wanted := workerFiles(cfg)
	share := wanted.fit(limit)
	if share != wanted {
		cfg.Logger.Warn().Msg(wanted.complain(limit))
		cfg.Connections.Pool, cfg.Worker.Concurrency = share.pool(cfg.RedisURL), share.ecpay
	}
	clients, err := openRedis(cfg.RedisURL, cfg.Worker.Confirm, cfg.Connections)
	if err != nil {
		return nil, err
	}
	// Last of all: asynq's server crashes when its client is closed under it.
	w.onStop("redis clients", clients.close)

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m, err := metrics.New(metrics.Config{Registerer: reg, Version: cfg.Version, ByMerchant: cfg.MetricsByMerchant})
	if err != nil {
		return nil, err
	}
	observer, exchange := observers(cfg, m)
	client, err := ecpay.New(ecpay.Config{
		BaseURL: cfg.BaseURL, Timeout: cfg.HTTPTimeout, Codes: cfg.Codes, Observe: exchange,
		MaxConns: min(max(64, cfg.Worker.Concurrency), 2*share.ecpay), Now: cfg.Worker.Now,
	})
	if err != nil {
		return nil, err
	}
	w.onStop("connections to ECPay", func() error { client.CloseIdleConnections(); return nil })
	if err := metrics.WatchSkew(reg, client.Skew); err != nil {
		return nil, err
	}

	probe := redishealth.NewProbe(clients.gate)
	if err := watchShared(reg, cfg, clients.gate, probe); err != nil {
		return nil, err
	}

	// The admin server outlives the worker, so that a drain can be watched, and so can a start that
	// waits for Redis.
	w.admin, err = startAdmin(cfg.AdminAddr, share.admin, reg, w.live, w.ready(probe), cfg.Logger)
	if err != nil {
		return nil, err
	}
	w.onStop("admin server", w.admin.stop)

	if err := w.awaitRedis(cfg, clients.gate); err != nil {
		return nil, err
	}

	sweeper := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: clients.gate,
		Logger: cfg.Logger.Hook(worker.QuietHook()), Observe: m.Sweep})
	sweeper.Start()
	w.onStop("sweeper of dead tasks", func() error { sweeper.Stop(); return nil })

	if w.webhooks, err = w.openWebhooks(cfg, reg); err != nil {
		return nil, err
	}
	wc := cfg.Worker
	wc.Redis, wc.GateRedis, wc.ECPay, wc.Keys, wc.Logger, wc.Observer = clients.asynq, clients.gate, client, cfg.Keys, cfg.Logger, observer
	if err := w.startCore(wc); err != nil {
		return nil, err
	}
	w.startSchedules(cfg, client, clients.gate)
	if err := w.startOutbox(cfg, clients.gate, reg); err != nil {
		return nil, err
	}
	if err := w.SetWebhooks(cfg.Webhooks); err != nil {
		return nil, err
	}
	cfg.Logger.Info().Str("version", cfg.Version).Str("ecpay", cfg.BaseURL.String()).Str("admin", w.AdminAddr()).Msg("worker is running")
	return w, nil
}

// startCore starts what carries tasks to ECPay. It stops together with what delivers outcomes: an
// endpoint that hangs does not keep it taking tasks.
func (w *Worker) startCore(cfg worker.Config) error {
	core, err := worker.New(cfg)
	if err != nil {
		return err
	}
	if err := core.Start(); err != nil {
		return err
	}
	w.onStop("worker", func() error {
		var wg sync.WaitGroup
		wg.Go(w.webhooks.service.Stop)
		core.Stop()
		wg.Wait()
		return nil
	})
	w.core.Store(core)
	return nil
}

// observers are told of every attempt and of every request: the metrics, and traces where there are some.
func observers(cfg WorkerConfig, m *metrics.Metrics) (worker.Observer, func(context.Context, ecpay.Exchange)) {
	if cfg.Traces == nil {
		return m.Observer(), m.Exchange
	}
	t := tracing.New(cfg.Traces, cfg.BaseURL)
	return t.Observer(m.Observer()), func(ctx context.Context, x ecpay.Exchange) {
		m.Exchange(ctx, x)
		t.Exchange(ctx, x)
	}
}

// watchShared registers what is read from Redis, the same for every worker.
func watchShared(reg *prometheus.Registry, cfg WorkerConfig, rdb redis.UniversalClient, probe *redishealth.Probe) error {
	shared := metrics.SharedConfig{Redis: rdb, Probe: probe, ByMerchant: cfg.MetricsByMerchant, Egress: cfg.Worker.Egress}
	if len(cfg.Schedules) > 0 {
		shared.Overdue = func(ctx context.Context) (map[string]time.Duration, error) {
			return schedule.Overdue(ctx, rdb, cfg.Schedules)
		}
	}
	var compare []string
	for _, e := range cfg.Schedules {
		if e.Do == schedule.Reconcile {
			compare = append(compare, e.Name)
		}
	}
	if len(compare) > 0 {
		shared.Reconciled = func(ctx context.Context) (map[string]reconcile.Tally, error) {
			return reconcile.Tallies(ctx, rdb, compare)
		}
	}
	return metrics.WatchShared(reg, shared)
}

// awaitRedis waits while Redis loads its data, and then looks whether it is one that a worker can use.
func (w *Worker) awaitRedis(cfg WorkerConfig, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if cfg.Interrupted != nil {
		go func() {
			select {
			case <-cfg.Interrupted:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	log := loggedLoading(cfg.Logger.With().Str("admin", w.AdminAddr()).Logger(), cfg.LoadingTimeout)
	if err := AwaitLoaded(ctx, rdb, cfg.LoadingTimeout, log); err != nil {
		return err
	}
	check, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return checkRedis(check, rdb, cfg.Logger)
}

func (w *Worker) startSchedules(cfg WorkerConfig, client *ecpay.Client, rdb redis.UniversalClient) {
	if len(cfg.Schedules) == 0 {
		return
	}
	s := schedule.NewScheduler(schedule.Config{
		Redis: rdb, Entries: cfg.Schedules, Logger: cfg.Logger, Reconcile: reconciler(cfg, client, rdb),
		Ledger: deadletter.New(deadletter.Config{
			Redis: rdb, Retention: cfg.Worker.Retention, Interval: cfg.Interval, PayloadKeys: cfg.Worker.PayloadKeys,
		}),
	})
	s.Start()
	w.onStop("schedules", func() error { s.Stop(); return nil })
}

// AdminAddr is the address of the admin server, empty without one.
func (w *Worker) AdminAddr() string {
	if w.admin == nil {
		return ""
	}
	return w.admin.addr
}

// live reports why a restart would help, nil when it would not.
func (w *Worker) live() error {
	if core := w.core.Load(); core != nil {
		return core.Alive()
	}
	return nil
}

// ready reports why the worker is not ready, nil when it is. ECPay being away
// does not make a worker unready: that must not block a deployment.
func (w *Worker) ready(redis *redishealth.Probe) func(context.Context) error {
	return func(ctx context.Context) error {
		switch {
		case w.draining.Load():
			return errors.New("draining")
		case w.core.Load() == nil:
			return errors.New("starting")
		}
		if err := redis.Check(ctx); err != nil {
			return redishealth.Explain(err)
		}
		return nil
	}
}

// Stop drains: unready first, then the worker, then what it stands on. It is
// bounded by the worker's ShutdownTimeout and may be called more than once.
func (w *Worker) Stop() error {
	w.draining.Store(true)
	var errs []error
	for len(w.cleanups) > 0 {
		last := w.cleanups[len(w.cleanups)-1]
		w.cleanups = w.cleanups[:len(w.cleanups)-1]
		if err := last.run(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
