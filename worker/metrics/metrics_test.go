package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// series returns the values of what begins with one of the names, labels included.
func series(t *testing.T, reg *prometheus.Registry, names ...string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			for _, want := range names {
				if strings.HasPrefix(name, want) {
					all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return all
}

func TestEverySweepIsCountedWithWhatItDid(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m, err := New(reg)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"ecpayq_sweeps_total ok": 0, "ecpayq_sweeps_total failed": 0, "ecpayq_last_sweep_timestamp_seconds": 0}
	for _, action := range []string{"copied", "orphaned", "trimmed", "mended", "dangling", "settled"} {
		want["ecpayq_swept_tasks_total "+action] = 0
	}
	names := []string{"ecpayq_sweeps_total", "ecpayq_swept_tasks_total", "ecpayq_last_sweep"}
	if diff := cmp.Diff(want, series(t, reg, names...)); diff != "" {
		t.Errorf("before the first sweep (-want +got):\n%s", diff)
	}

	m.Sweep(deadletter.Report{Copied: 1}, errors.New("redis is away"))
	want["ecpayq_sweeps_total failed"], want["ecpayq_swept_tasks_total copied"] = 1, 1
	if diff := cmp.Diff(want, series(t, reg, names...)); diff != "" {
		t.Errorf("after one that failed (-want +got):\n%s", diff)
	}

	before := float64(time.Now().Unix())
	m.Sweep(deadletter.Report{Copied: 2, Orphans: 3, Trimmed: 4, Mended: 5, Dangling: 6, Settled: 7}, nil)
	for i, action := range []string{"orphaned", "trimmed", "mended", "dangling", "settled"} {
		want["ecpayq_swept_tasks_total "+action] = float64(3 + i)
	}
	want["ecpayq_swept_tasks_total copied"], want["ecpayq_sweeps_total ok"] = 3, 1
	got := series(t, reg, names...)
	if at := got["ecpayq_last_sweep_timestamp_seconds"]; at < before || at > before+60 {
		t.Errorf("the last sweep was at %v, want now, %v", at, before)
	}
	want["ecpayq_last_sweep_timestamp_seconds"] = got["ecpayq_last_sweep_timestamp_seconds"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after one that did everything (-want +got):\n%s", diff)
	}
}

func TestTheGaugeOfDeadLettersIsAbsentWhileTheirNumberIsNotKnown(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	size, err := 0, error(nil)
	if rerr := WatchLedger(reg, func(ctx context.Context) (int, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("a scrape has no deadline")
		}
		return size, err
	}); rerr != nil {
		t.Fatal(rerr)
	}
	for _, row := range []struct {
		size int
		err  error
		want map[string]float64
	}{
		{0, nil, map[string]float64{"ecpayq_dead_letters": 0}},
		{7, nil, map[string]float64{"ecpayq_dead_letters": 7}},
		{3, errors.New("redis is away"), map[string]float64{}},
		{8, nil, map[string]float64{"ecpayq_dead_letters": 8}},
	} {
		size, err = row.size, row.err
		if diff := cmp.Diff(row.want, series(t, reg, "ecpayq_dead_letters")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fmt.Sprint(row.size, row.err), diff)
		}
	}
}
