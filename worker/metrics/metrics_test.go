package metrics

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker"
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
					all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return all
}

func TestEverySweepIsCountedWithWhatItDid(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m, err := New(Config{Registerer: reg})
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

// held is a hold that waits for something.
func held(w worker.Wait) worker.Verdict {
	v := worker.Verdict{Action: worker.Hold}
	for _, v.Reason = range worker.Reasons() {
		if v.Wait() == w {
			break
		}
	}
	return v
}

func TestAttemptsLossesLeasesAndTheGateAreCounted(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m, err := New(Config{Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	o := m.Observer()
	attempt := func(typ string, v worker.Verdict, age float64, loss worker.Loss) {
		o.Attempt(t.Context(), worker.Finished{ID: "b2b.invalid.2000132.A", Type: typ, Verdict: v, Age: age, Loss: loss})
	}
	attempt("b2b:invalid", worker.Verdict{Action: worker.Done}, 2, worker.Recorded)
	attempt("b2b:invalid", worker.Verdict{Action: worker.Retry}, 0.6, worker.NotRecorded)
	attempt("b2b:invalid", worker.Verdict{Action: worker.Retry}, 0.05, worker.Superseded)
	attempt("not:ours", held(worker.WaitKeys), 3, worker.Recorded)
	attempt("b2b:invalid", held(worker.WaitOutage), 0.7, worker.Recorded)
	o.LeaseLost("b2b:invalid")
	o.LeaseLost("not:ours either")
	o.Lost(worker.NotCompleted)
	o.Gate("enter", 3*time.Millisecond)
	m.Exchange(t.Context(), ecpay.Exchange{Operation: ecpay.Operations()[0], Kind: ecpay.Stale, Duration: time.Second})
	want := map[string]float64{
		"ecpayq_task_attempts_total b2b:invalid done":  1,
		"ecpayq_task_attempts_total b2b:invalid retry": 2, "ecpayq_task_attempts_total other hold": 1,
		"ecpayq_task_attempts_total b2b:invalid hold": 1, "ecpayq_holds_total denied": 1,
		"ecpayq_holds_total outage": 1, "ecpayq_retry_age_ratio": 3,
		"ecpayq_unrecorded_attempts_total not_recorded": 1,
		"ecpayq_unrecorded_attempts_total superseded":   1, "ecpayq_unrecorded_attempts_total not_completed": 1,
		"ecpayq_lost_leases_total b2b:invalid": 1, "ecpayq_lost_leases_total other": 1,
		"ecpayq_gate_duration_seconds enter":                                      1,
		"ecpayq_ecpay_requests_total Stale " + ecpay.Operations()[0].String():     1,
		"ecpayq_ecpay_request_duration_seconds " + ecpay.Operations()[0].String(): 1,
	}
	got := map[string]float64{}
	for name, v := range series(t, reg, "ecpayq_task", "ecpayq_holds", "ecpayq_retry",
		"ecpayq_unrecorded", "ecpayq_lost", "ecpayq_gate", "ecpayq_ecpay") {
		if v != 0 {
			got[name] = v
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is not 0 (-want +got):\n%s", diff)
	}
}

func TestMerchantsHaveSeriesOnlyWhenAskedForAndSoManyAtMost(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		reg := prometheus.NewRegistry()
		m, err := New(Config{Registerer: reg, ByMerchant: asked})
		if err != nil {
			t.Fatal(err)
		}
		before, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		attempt := m.Observer().Attempt
		const more = 100
		for i := range MaxMerchants + more {
			attempt(t.Context(),
				worker.Finished{ID: fmt.Sprintf("b2b.invalid.%d.A", 1000000+i), Type: "b2b:invalid", Verdict: worker.Verdict{Action: worker.Dead}})
		}
		attempt(t.Context(), worker.Finished{ID: "by other means", Verdict: worker.Verdict{Action: worker.Dead}})
		after, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if asked {
			want = MaxMerchants + 1 // and "other"
		}
		if after-before != want {
			t.Errorf("asked for: %v: %d merchants made %d series, want %d", asked, MaxMerchants+more, after-before, want)
		}
		rest := series(t, reg, "ecpayq_merchant_task_attempts_total other")
		if asked && rest["ecpayq_merchant_task_attempts_total other dead"] != more+1 {
			t.Errorf("got %v, want %d of the other merchants", rest, more+1)
		}
	}
}

func TestTheSkewOfEachClockIsShownWithItsSign(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	must(t, WatchSkew(reg, func() ecpay.Skew {
		return ecpay.Skew{ECPay: time.Second, Reference: -2 * time.Second, Correction: 3 * time.Second}
	}))
	want := map[string]float64{
		"ecpayq_clock_skew_ecpay_seconds": 1, "ecpayq_clock_skew_redis_seconds": -2, "ecpayq_clock_correction_seconds": 3,
	}
	if diff := cmp.Diff(want, series(t, reg, "ecpayq_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
