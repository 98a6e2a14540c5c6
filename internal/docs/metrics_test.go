package docs_test

import (
	"context"
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
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/metrics"
)

// gatherAll is what a worker shows on /metrics, of ours.
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
		Overdue: func(context.Context) (map[string]time.Duration, error) {
			return map[string]time.Duration{"nightly": 0, "hourly": 0}, nil
		},
	}); err != nil {
		t.Fatal(err)
	}
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
