package docs_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/api"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/metrics"
)

// gatherAll is what a worker and an HTTP API show on /metrics, of ours.
func gatherAll(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "everysec"}).Client()
	reg := prometheus.NewRegistry()
	m, err := metrics.New(metrics.Config{Registerer: reg, ByMerchant: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := metrics.WatchSkew(reg, func() ecpay.Skew { return ecpay.Skew{} }); err != nil {
		t.Fatal(err)
	}
	if err := metrics.WatchShared(reg, metrics.SharedConfig{
		Redis: rdb, ByMerchant: true,
		Reconciled: func(context.Context) (map[string]reconcile.Tally, error) {
			return map[string]reconcile.Tally{"nightly": {}, "hourly": {}}, nil
		},
		Overdue: func(context.Context) (map[string]time.Duration, error) {
			return map[string]time.Duration{"nightly": 0, "hourly": 0}, nil
		},
	}); err != nil {
		t.Fatal(err)
	}
	database, err := relay.ParseURL("postgres://localhost/shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := relay.NewMetrics(reg, relay.NewAdmin(database, sql.OpenDB(emptyOutbox{}))); err != nil {
		t.Fatal(err)
	}
	served, err := api.New(api.Config{
		Registerer: reg, Redis: rdb, Tokens: new(auth.Tokens), Logger: zerolog.Nop(),
		Ready: func(context.Context) error { return errors.New("not now") },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "http://127.0.0.1/readyz", nil), httptest.NewRequest("GET", "http://127.0.0.1/nowhere", nil),
		httptest.NewRequest("POST", "http://127.0.0.1/v1/intents", strings.NewReader("{")),
	} {
		served.ServeHTTP(httptest.NewRecorder(), r)
	}
	hooks, err := webhook.NewMetrics(reg, webhook.NewAdmin(rdb))
	if err != nil {
		t.Fatal(err)
	}
	hooks.Set([]webhook.Endpoint{{Name: "shop", URL: &url.URL{}}, {Name: "erp", URL: &url.URL{}}})
	m.Observer().Attempt(context.Background(), worker.Finished{})
	if _, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Logger: zerolog.Nop()}).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// emptyOutbox is a database that answers whatever it is asked with how an empty outbox stands.
type emptyOutbox struct{ driver.Conn }

func (e emptyOutbox) Connect(context.Context) (driver.Conn, error) { return e, nil }
func (emptyOutbox) Driver() driver.Driver                          { return nil }
func (emptyOutbox) Close() error                                   { return nil }

func (emptyOutbox) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{}, nil
}

type oneRow struct{ read bool }

func (*oneRow) Columns() []string { return []string{"waiting", "wrong", "last", "oldest"} }
func (*oneRow) Close() error      { return nil }

func (r *oneRow) Next(into []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, into[0], into[1], into[2], into[3] = true, int64(0), int64(0), int64(0), 0.0
	return nil
}

// metricLabels are the labels of each metric of a worker, sorted.
func metricLabels(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, f := range gatherAll(t) {
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		all[f.GetName()] = labels
	}
	return all
}

// That no family is missing is shown by the table below.
func TestMetricsPassPromlint(t *testing.T) {
	t.Parallel()
	problems, err := promlint.NewWithMetricFamilies(gatherAll(t)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheTableOfMetricsIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	want := metricLabels(t)
	for _, name := range readmes {
		got := map[string][]string{}
		for _, row := range readPage(t, name).tableWith(t, "ecpayq_task_attempts_total", 3)[1:] {
			labels := []string{}
			if row[1] != "–" {
				for l := range strings.SplitSeq(row[1], ", ") {
					labels = append(labels, strings.Trim(l, "`"))
				}
			}
			slices.Sort(labels)
			got[strings.Trim(row[0], "`")] = labels
			if row[2] == "" {
				t.Errorf("%s: %s is not explained", name, row[0])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
