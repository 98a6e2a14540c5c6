package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts tries of this process, and reads where the endpoints stand when it is asked.
type Metrics struct {
	tries    *prometheus.CounterVec
	duration *prometheus.HistogramVec

	admin *Admin
	mu    sync.Mutex
	list  []Endpoint
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"endpoint"}, labels...), nil)
}

var (
	disabledDesc = desc("ecpayq_webhook_disabled", "1 while nothing is sent to the endpoint until a person enables it.")
	failingDesc  = desc("ecpayq_webhook_failing_seconds", "Since when every try has failed; 0 after a delivery. At 72 hours it is disabled.")
	tasksDesc    = desc("ecpayq_webhook_deliveries", "Deliveries that are not done: sent next (pending), tried again later "+
		"or behind an earlier one (waiting), given up (dead).", "state")
	pausedDesc = desc("ecpayq_webhook_paused", "1 while a person has paused the queue of the endpoint.")
	missedDesc = desc("ecpayq_webhook_missed_total", "Outcomes that were no longer kept when they were to be delivered.")
)

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer, admin *Admin) (*Metrics, error) {
	m := &Metrics{
		admin: admin,
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_webhook_tries_total", Help: "Requests to endpoints by how they ended.",
		}, []string{"endpoint", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecpayq_webhook_duration_seconds", Help: "How long requests to endpoints took.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"endpoint"}),
	}
	for _, c := range []prometheus.Collector{m.tries, m.duration, m} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Set says which endpoints there are. Each has all its series from then on.
func (m *Metrics) Set(list []Endpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range list {
		for _, r := range Results() {
			m.tries.WithLabelValues(e.Name, string(r))
		}
		m.duration.WithLabelValues(e.Name)
	}
	m.list = list
}

// Try counts one.
func (m *Metrics) Try(endpoint string, a Answer) {
	m.tries.WithLabelValues(endpoint, string(a.Result)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(a.Took.Seconds())
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{disabledDesc, pausedDesc, failingDesc, tasksDesc, missedDesc} {
		ch <- d
	}
}

// scrapeTimeout keeps a scrape from waiting for Redis.
const scrapeTimeout = time.Second

// Collect implements [prometheus.Collector]. What cannot be read is absent.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	list := m.list
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, e := range list {
		wg.Go(func() {
			s, err := m.admin.Status(ctx, e)
			if err != nil {
				return
			}
			gauge := func(d *prometheus.Desc, v float64, labels ...string) {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{e.Name}, labels...)...)
			}
			disabled, paused, failing := 0.0, 0.0, 0.0
			switch s.State {
			case StateDisabled:
				disabled = 1
			case StatePaused:
				paused = 1
			}
			if s.FailingSince != nil {
				failing = time.Since(*s.FailingSince).Seconds()
			}
			gauge(disabledDesc, disabled)
			gauge(pausedDesc, paused)
			gauge(failingDesc, max(failing, 0))
			gauge(tasksDesc, float64(s.Pending), "pending")
			gauge(tasksDesc, float64(s.Waiting), "waiting")
			gauge(tasksDesc, float64(s.Dead), "dead")
			ch <- prometheus.MustNewConstMetric(missedDesc, prometheus.CounterValue, float64(s.Missed), e.Name)
		})
	}
	wg.Wait()
}
