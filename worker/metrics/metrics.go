// Package metrics counts what workers do, in Prometheus' form. Every series is
// created at the start, so that a zero can be seen.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker"
)

// Metrics is the set of a worker's series.
type Metrics struct {
	tasks    *prometheus.CounterVec
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
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
	}
	for _, c := range []prometheus.Collector{m.tasks, m.requests, m.duration} {
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
	return m, nil
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
