package dashboard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

func TestTheLastComparisonIsShownWithWhatToDo(t *testing.T) {
	t.Parallel()
	e, err := schedule.NewReconcile("night", "30 4 1 1 *", nil, "", 4)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(cfg *dashboard.Config) { cfg.Schedules = []schedule.Entry{e} })
	wantText(t, "before any", w.get("/reconcile"), []string{"No schedule has compared anything yet."})
	wantText(t, "schedules", w.get("/schedules"), []string{`<a href="/reconcile">`, "days: 4"}, "Run now", "Rejected")

	day := time.Date(2026, 11, 29, 0, 0, 0, 0, ecpay.Taipei)
	until := ecpay.VoidDeadline(day)
	save := func(merchant string, problem string, findings int) {
		t.Helper()
		r := reconcile.Result{MerchantID: merchant, Day: "2026-11-29", Invoices: 900}
		for n := range findings {
			r.Findings = append(r.Findings, reconcile.Finding{
				Kind: reconcile.Unexpected, MerchantID: merchant, Day: "2026-11-29", InvoiceNumber: fmt.Sprintf("AA%08d", n), RelateNumber: "<b>R",
				InvoiceDate: "2026-11-29 12:00:00", Deadlines: ecpay.Deadlines{VoidUntil: &until}, Detail: "look at it", DetailZh: "請查看",
			})
		}
		s := reconcile.Stored{MerchantID: merchant, At: day.Add(28 * time.Hour), Error: problem}
		if findings > 0 {
			s.Numbers = []reconcile.LowNumbers{{Of: "B2C 115-6 07", Warning: "few are left", WarningZh: "所剩不多"}}
		}
		s.Add(r)
		w.must(reconcile.Save(t.Context(), w.redis.Client(), s))
	}
	save("1000001", "", 0)
	save("1000002", "", 53)
	save("1000003", "ECPay wants a pause", 0)
	wantText(t, "in English", w.get("/reconcile?lang=en"), []string{
		"Merchant 1000001", "All agrees.", "2026-11-29: invoices 900, findings 53", "AA00000049", "look at it", "2027-01-13 23:59:59",
		"Invoice numbers B2C 115-6 07: few are left", "3 more; ecpayq reconcile lists all.",
		"It could not be compared: ECPay wants a pause", "&lt;b&gt;R",
	}, "AA00000050", "<b>R", "請查看")
	wantText(t, "in Chinese", w.get("/reconcile?lang=zh-TW"), []string{"對帳", "請查看", "完全一致。", "無法比對：", "作廢期限", "所剩不多"}, "look at it")

	w.must(w.redis.Client().Del(t.Context(), record.ReconciledKey).Err())
	w.must(w.redis.Client().HSet(t.Context(), record.ReconciledKey, "1000001", "of another version").Err())
	wantText(t, "what cannot be read", w.get("/reconcile"), []string{"No schedule has compared anything yet."})
}
