package relay

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what relays of this process do, and reads where the table stands when it is asked.
type Metrics struct {
	relayed *prometheus.CounterVec
	errors  *prometheus.CounterVec
	lag     prometheus.Histogram
	admin   *Admin
}

var (
	rowsDesc = prometheus.NewDesc("ecpayq_outbox_rows",
		"Rows that wait to be relayed (waiting) or are wrong and wait for a person (wrong), of the first 100,000 and the last 1,000.",
		[]string{"state"}, nil)
	oldestDesc = prometheus.NewDesc("ecpayq_outbox_oldest_seconds",
		"For how long the oldest of the rows that wait has been in the outbox; 0 without one.", nil, nil)
)

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer, admin *Admin) (*Metrics, error) {
	m := &Metrics{
		admin: admin,
		relayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_outbox_relayed_total", Help: "Rows that Redis had and that were deleted, by what their intents were to it.",
		}, []string{"result"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_outbox_errors_total",
			Help: "Rows that were found to be wrong, by kind; claims that failed, by whether the database or Redis did.",
		}, []string{"kind"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ecpayq_outbox_lag_seconds", Help: "From the insertion of a row, before its commit, until Redis had its intent.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 120, 600, 3600},
		}),
	}
	for _, r := range []string{"stored", "replaced", "duplicate"} {
		m.relayed.WithLabelValues(r)
	}
	for _, k := range append(Kinds(), databaseError, redisError) {
		m.errors.WithLabelValues(string(k))
	}
	for _, c := range []prometheus.Collector{m.relayed, m.errors, m.lag, m} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Claim counts one, for Config.Observe.
func (m *Metrics) Claim(c Claim, err error) {
	if err == nil || c.why != nil { // else the claim was not committed
		m.relayed.WithLabelValues("stored").Add(float64(c.Stored))
		m.relayed.WithLabelValues("replaced").Add(float64(c.Replaced))
		m.relayed.WithLabelValues("duplicate").Add(float64(c.Duplicate))
		for k, n := range c.Wrong {
			m.errors.WithLabelValues(string(k)).Add(float64(n))
		}
		for _, lag := range c.Lags {
			m.lag.Observe(lag.Seconds())
		}
	}
	switch {
	case err == nil:
	case c.why != nil:
		m.errors.WithLabelValues(string(redisError)).Inc()
	default:
		m.errors.WithLabelValues(string(databaseError)).Inc()
	}
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- rowsDesc
	ch <- oldestDesc
}

// scrapeTimeout keeps a scrape from waiting for the database.
const scrapeTimeout = time.Second

// Collect implements [prometheus.Collector]. What cannot be read is absent.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s, err := m.admin.State(ctx)
	if err != nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(rowsDesc, prometheus.GaugeValue, float64(s.Waiting), "waiting")
	ch <- prometheus.MustNewConstMetric(rowsDesc, prometheus.GaugeValue, float64(s.Wrong), "wrong")
	ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, s.Oldest)
}
