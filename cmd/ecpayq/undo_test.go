package main_test

import (
	"encoding/json"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// One call undoes an order, whether its invoice is issued by then or not.
func TestACancelWithAVoidReasonUndoesAnOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "UNDO1", RelateNumber: "UNDO1"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "UNDO2", RelateNumber: "UNDO2", Issued: true, InvoiceNo: "JU11000001"}))
	undo := func(tsr string) string {
		return b.enqueue("cancel-delay-issue", "--tsr", tsr, "--relate-number", tsr, "--void-reason", "訂單取消").ID
	}
	ids := []string{undo("UNDO1"), undo("UNDO2")}
	b.worker()
	for i, want := range []string{"cancelled", "voided"} {
		got := b.waitFor(ids[i], "completed")
		var result struct{ Undone, InvoiceNo string }
		b.must(json.Unmarshal(got.Result, &result))
		if result.Undone != want || (result.InvoiceNo == "JU11000001") != (want == "voided") {
			t.Errorf("%s: got %s, want %s", ids[i], got.Result, want)
		}
	}
	b.wantEffects("UNDO1", ecpaytest.EffectCancelled)
	b.wantEffects("JU11000001", ecpaytest.EffectVoided)
	r := b.run("enqueue", "cancel-delay-issue", "--tsr", "UNDO3", "--void-reason", "訂單取消")
	if r.code != 2 && r.code != 1 || r.stdout != "" {
		t.Errorf("without a RelateNumber: got %+v", r)
	}
}
