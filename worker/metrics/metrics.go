// Package metrics counts what workers do, in Prometheus' form. Every series is
// created at the start, so that a zero can be seen.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// Metrics is the set of a worker's series.
type Metrics struct {
	tasks    *prometheus.CounterVec
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	sweeps   *prometheus.CounterVec
	swept    *prometheus.CounterVec
	sweptAt  prometheus.Gauge
}

// New registers the series with reg.
func New(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_task_attempts_total", Help: "Finished attempts by task type and verdict.",
		}, []string{"type", "verdict"}),
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
			Help: "Dead tasks by what a sweep did: copied into the ledger (copied, orphaned), removed from asynq's archive because the ledger has them (trimmed), or put right (mended, dangling, settled).",
		}, []string{"action"}),
		sweptAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ecpayq_last_sweep_timestamp_seconds", Help: "When this process ended a sweep without an error, Unix time; 0 for never.",
		}),
	}
	for _, c := range []prometheus.Collector{m.tasks, m.requests, m.duration, m.sweeps, m.swept, m.sweptAt} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	for _, t := range tasks.Types() {
		for _, a := range []worker.Action{worker.Done, worker.Retry, worker.Hold, worker.Dead} {
			m.tasks.WithLabelValues(t.Name, a.String())
		}
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
	return m, nil
}

const (
	resultOK     = "ok"
	resultFailed = "failed"
)

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

// WatchLedger registers a gauge of the dead letters, read when it is asked for:
// every worker shows the same number. While Redis is away the gauge is absent,
// since no number would be true.
func WatchLedger(reg prometheus.Registerer, size func(context.Context) (int, error)) error {
	return reg.Register(ledger{
		desc: prometheus.NewDesc("ecpayq_dead_letters", "Dead tasks in the ledger that wait for a person or a replay; of the whole Redis.", nil, nil),
		size: size,
	})
}

// ledgerTimeout keeps a scrape from waiting for Redis.
const ledgerTimeout = time.Second

type ledger struct {
	desc *prometheus.Desc
	size func(context.Context) (int, error)
}

// Describe implements [prometheus.Collector].
func (l ledger) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

// Collect implements [prometheus.Collector].
func (l ledger) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTimeout)
	defer cancel()
	if n, err := l.size(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, float64(n))
	}
}

// Attempt counts a verdict. A type that is not in the table counts as "other",
// so that what is in Redis cannot grow the set of series.
func (m *Metrics) Attempt(typeName string, v worker.Verdict) {
	if _, ok := tasks.ByName(typeName); !ok {
		typeName = "other"
	}
	m.tasks.WithLabelValues(typeName, v.Action.String()).Inc()
}

// Exchange counts an HTTP exchange.
func (m *Metrics) Exchange(x ecpay.Exchange) {
	m.requests.WithLabelValues(x.Operation.String(), x.Kind.String()).Inc()
	m.duration.WithLabelValues(x.Operation.String()).Observe(x.Duration.Seconds())
}

// WatchSkew registers gauges of the clock's skew.
func WatchSkew(reg prometheus.Registerer, skew func() ecpay.Skew) error {
	for _, g := range []struct {
		name, help string
		value      func(ecpay.Skew) float64
	}{
		{"ecpayq_clock_skew_ecpay_seconds", "How far ECPay's clock is ahead of ours.", func(s ecpay.Skew) float64 { return s.ECPay.Seconds() }},
		{"ecpayq_clock_skew_redis_seconds", "How far Redis' clock is ahead of ours.", func(s ecpay.Skew) float64 { return s.Reference.Seconds() }},
		{"ecpayq_clock_correction_seconds", "What is added to our clock for request timestamps.", func(s ecpay.Skew) float64 { return s.Correction.Seconds() }},
	} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 { return g.value(skew()) })
		if err := reg.Register(gauge); err != nil {
			return err
		}
	}
	return nil
}
