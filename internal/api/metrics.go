package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what was served. No label has anything of a request but its route.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	lines    *prometheus.CounterVec
	cut      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_api_requests_total",
			Help: "Requests to the HTTP API, by route and status; route none is no path that there is, " +
				"or a request refused before its path was looked at.",
		}, []string{"route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecpayq_api_request_duration_seconds", Help: "Time from the header of a request to the end of its answer, waits included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		lines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_api_batch_lines_total", Help: "Lines of batches, by what became of them: stored, duplicate or failed.",
		}, []string{"result"}),
		cut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecpayq_api_batch_answers_cut_total",
			Help: "Answers to batches that were not taken to their end: the client was gone, or stalled for a minute.",
		}, []string{"reason"}),
	}
	for _, result := range []string{"stored", "duplicate", "failed"} {
		m.lines.WithLabelValues(result)
	}
	for _, reason := range []string{"gone", "stalled"} {
		m.cut.WithLabelValues(reason)
	}
	for _, c := range []prometheus.Collector{m.requests, m.took, m.lines, m.cut} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) served(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route).Observe(took.Seconds())
}
