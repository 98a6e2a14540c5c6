package metrics

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/reconcile"
)

func TestWhatSchedulesFoundIsShownWithZeros(t *testing.T) {
	t.Parallel()
	var err error
	reg, rdb, _ := shared(t, nil)
	must(t, reconcile.SaveTally(t.Context(), rdb, "night", reconcile.Tally{
		Findings: map[reconcile.Kind]int{reconcile.Unexpected: 2}, LowNumbers: 1, Failed: 3,
	}))
	if got := series(t, reg, "ecpayq_reconcile"); len(got) != 0 {
		t.Errorf("without a schedule that compares: got %v", got)
	}
	reg, _, _ = shared(t, func(c *SharedConfig) {
		c.Reconciled = func(ctx context.Context) (map[string]reconcile.Tally, error) {
			if err != nil {
				return nil, err
			}
			return reconcile.Tallies(ctx, rdb, []string{"night", "not run yet"})
		}
	})
	want := map[string]float64{"ecpayq_reconcile_findings failed night": 3}
	for _, k := range reconcile.Kinds() {
		want["ecpayq_reconcile_findings "+string(k)+" night"] = 0
	}
	want["ecpayq_reconcile_findings unexpected night"] = 2
	if diff := cmp.Diff(want, series(t, reg, "ecpayq_reconcile")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"ecpayq_invoice_numbers_low night": 1}, series(t, reg, "ecpayq_invoice_numbers")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err = context.DeadlineExceeded; len(series(t, reg, "ecpayq_reconcile")) != 0 {
		t.Error("shown although it is not known")
	}
}
