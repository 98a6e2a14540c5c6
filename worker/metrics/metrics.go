// Package metrics counts what workers do, in Prometheus' form, and reads what all
// of them share from Redis when it is asked. Every series that a worker counts is
// created at the start, so that a zero can be seen. What is in Redis cannot grow
// the set of series; only [Config.ByMerchant] lets MerchantIDs into it.
package metrics

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// Config configures a [Metrics].
type Config struct {
	// Registerer takes the series; the default one is never used.
	Registerer prometheus.Registerer
	// Version is that of the program, for ecpayq_build_info.
	Version string
	// ByMerchant adds series with a MerchantID, at most some for each of
	// [MaxMerchants]. The zero value has none: their number is that of the merchants.
	ByMerchant bool
}

// MaxMerchants bounds the merchants that have series of their own; the others
// share those of the merchant "other".
const MaxMerchants = 5000

// other stands for what is in no table of ours, so that what is in Redis cannot
// grow the set of series.
const other = "other"

// Metrics is the set of a worker's series.
type Metrics struct {
	tasks     *prometheus.CounterVec
	holds     *prometheus.CounterVec
	age       prometheus.Histogram
	losses    *prometheus.CounterVec
	leases    *prometheus.CounterVec
	gate      *prometheus.HistogramVec
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	sweeps    *prometheus.CounterVec
	swept     *prometheus.CounterVec
	sweptAt   prometheus.Gauge
	merchants *prometheus.CounterVec // nil unless they are asked for

	mu   sync.Mutex
	seen map[string]bool // the merchants that have series
}

// New registers the series.
func New(cfg Config) (*Metrics, error) {
	m := &Metrics{
		seen: map[string]bool{},
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_task_attempts_total", Help: "Finished attempts by task type and verdict.",
		}, []string{"type", "verdict"}),
		holds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_holds_total", Help: "Attempts that ended in a hold, by what the task waits for.",
		}, []string{"reason"}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ecpayq_retry_age_ratio",
			Help:    "Age of tasks that are to be tried again or wait for the end of an outage, as a part of ECPAYQ_MAX_AGE, at which they die.",
			Buckets: []float64{.01, .1, .25, .5, .75, .9, 1},
		}),
		losses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_unrecorded_attempts_total", Help: "Attempts whose verdict or completion could not be written " +
				"to Redis, or came too late; the task runs again, and ECPay is asked first.",
		}, []string{"reason"}),
		leases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_lost_leases_total", Help: "Tasks that asynq took back from a worker which died or stood still over them, by task type.",
		}, []string{"type"}),
		gate: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecpayq_gate_duration_seconds", Help: "Duration of the gate's steps in Redis, confirmation by replicas and disks included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"step"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_ecpay_requests_total", Help: "HTTP exchanges with ECPay by operation and kind of outcome.",
		}, []string{"operation", "kind"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecpayq_ecpay_request_duration_seconds", Help: "Duration of HTTP exchanges with ECPay.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"operation"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_sweeps_total", Help: "Sweeps of asynq's archive by this process, by result.",
		}, []string{"result"}),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_swept_tasks_total",
			Help: "Dead tasks by what a sweep did: copied into the ledger (copied, orphaned), removed from asynq's " +
				"archive because the ledger has them (trimmed), or put right (mended, dangling, settled).",
		}, []string{"action"}),
		sweptAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ecpayq_last_sweep_timestamp_seconds", Help: "When this process ended a sweep without an error, Unix time; 0 for never.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ecpayq_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": cfg.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	all := []prometheus.Collector{m.tasks, m.holds, m.age, m.losses, m.leases,
		m.gate, m.requests, m.duration, m.sweeps, m.swept, m.sweptAt, build}
	if cfg.ByMerchant {
		m.merchants = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_merchant_task_attempts_total", Help: "Finished attempts by merchant and verdict.",
		}, []string{"merchant_id", "verdict"})
		all = append(all, m.merchants)
	}
	for _, c := range all {
		if err := cfg.Registerer.Register(c); err != nil {
			return nil, err
		}
	}
	m.createAll()
	return m, nil
}

// createAll makes every series of the tables.
func (m *Metrics) createAll() {
	for _, typ := range typeNames() {
		m.leases.WithLabelValues(typ)
		for _, a := range actions {
			m.tasks.WithLabelValues(typ, a.String())
		}
	}
	for _, w := range worker.Waits() {
		m.holds.WithLabelValues(string(w))
	}
	for _, l := range worker.Losses() {
		m.losses.WithLabelValues(l.String())
	}
	for _, step := range gate.Steps() {
		m.gate.WithLabelValues(step)
	}
	for _, op := range ecpay.Operations() {
		m.duration.WithLabelValues(op.String())
		for _, k := range ecpay.Kinds() {
			m.requests.WithLabelValues(op.String(), k.String())
		}
	}
	for _, result := range []string{resultOK, resultFailed} {
		m.sweeps.WithLabelValues(result)
	}
	m.countSwept(deadletter.Report{})
}

var actions = []worker.Action{worker.Done, worker.Retry, worker.Hold, worker.Dead}

// typeNames are the values of the label type.
func typeNames() []string {
	var names []string
	for _, t := range tasks.Types() {
		names = append(names, t.Name)
	}
	return append(names, other)
}

func typeLabel(name string) string {
	if _, ok := tasks.ByName(name); !ok {
		return other
	}
	return name
}

const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// Observer is what counts for a worker.
func (m *Metrics) Observer() worker.Observer {
	return worker.Observer{
		Attempt:   func(_ context.Context, f worker.Finished) { m.attempt(f) },
		LeaseLost: func(typ string) { m.leases.WithLabelValues(typeLabel(typ)).Inc() },
		Lost:      func(l worker.Loss) { m.losses.WithLabelValues(l.String()).Inc() },
		Gate:      func(step string, d time.Duration) { m.gate.WithLabelValues(step).Observe(d.Seconds()) },
	}
}

func (m *Metrics) attempt(f worker.Finished) {
	m.tasks.WithLabelValues(typeLabel(f.Type), f.Verdict.Action.String()).Inc()
	switch f.Verdict.Action {
	case worker.Hold:
		wait := f.Verdict.Wait()
		m.holds.WithLabelValues(string(wait)).Inc()
		if wait == worker.WaitOutage { // of all holds the one that brings a task nearer to its end
			m.age.Observe(f.Age)
		}
	case worker.Retry:
		m.age.Observe(f.Age)
	}
	if f.Loss != worker.Recorded {
		m.losses.WithLabelValues(f.Loss.String()).Inc()
	}
	if m.merchants != nil {
		m.merchants.WithLabelValues(m.merchant(record.Owner(f.ID)), f.Verdict.Action.String()).Inc()
	}
}

// merchant is a merchant's label.
func (m *Metrics) merchant(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case id == record.NoOwner:
		return other
	case m.seen[id]:
	case len(m.seen) >= MaxMerchants:
		return other
	}
	m.seen[id] = true
	return id
}

// Exchange counts an HTTP exchange.
func (m *Metrics) Exchange(_ context.Context, x ecpay.Exchange) {
	m.requests.WithLabelValues(x.Operation.String(), x.Kind.String()).Inc()
	m.duration.WithLabelValues(x.Operation.String()).Observe(x.Duration.Seconds())
}

// Sweep counts the end of a sweep. What one did before it failed counts too.
func (m *Metrics) Sweep(r deadletter.Report, err error) {
	m.countSwept(r)
	if err != nil {
		m.sweeps.WithLabelValues(resultFailed).Inc()
		return
	}
	m.sweeps.WithLabelValues(resultOK).Inc()
	m.sweptAt.SetToCurrentTime()
}

func (m *Metrics) countSwept(r deadletter.Report) {
	for action, n := range map[string]int{
		"copied": r.Copied, "orphaned": r.Orphans, "trimmed": r.Trimmed, "mended": r.Mended, "dangling": r.Dangling, "settled": r.Settled,
	} {
		m.swept.WithLabelValues(action).Add(float64(n))
	}
}

// WatchSkew registers gauges of the clock's skew.
func WatchSkew(reg prometheus.Registerer, skew func() ecpay.Skew) error {
	for _, g := range []struct {
		name, help string
		value      func(ecpay.Skew) float64
	}{
		{"ecpayq_clock_skew_ecpay_seconds", "How far ECPay's clock is ahead of ours.", func(s ecpay.Skew) float64 { return s.ECPay.Seconds() }},
		{"ecpayq_clock_skew_redis_seconds", "How far Redis' clock is ahead of ours.",
			func(s ecpay.Skew) float64 { return s.Reference.Seconds() }},
		{"ecpayq_clock_correction_seconds", "What is added to our clock for request timestamps.",
			func(s ecpay.Skew) float64 { return s.Correction.Seconds() }},
	} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 { return g.value(skew()) })
		if err := reg.Register(gauge); err != nil {
			return err
		}
	}
	return nil
}
