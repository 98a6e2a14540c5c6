package main_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// ECPay wants some time between the calls of a merchant, whoever makes them.
func TestAllWorkersTogetherKeepTheIntervalOfAMerchant(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const n = 30
	ids := make([]string, n)
	for i := range ids {
		tsr := fmt.Sprintf("PACE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		ids[i] = b.enqueue("trigger-issue", "--tsr", tsr).ID
	}
	for range 3 {
		b.worker()
	}
	for i, id := range ids {
		b.waitFor(id, "completed")
		b.wantEffects(fmt.Sprintf("PACE%d", i), "issued")
	}
	calls := b.fake.Calls()
	if len(calls) != n {
		t.Fatalf("got %d calls, want %d", len(calls), n)
	}
	var gaps []time.Duration
	for i := 1; i < n; i++ {
		gaps = append(gaps, calls[i].At.Sub(calls[i-1].At))
	}
	// A request is permitted to the microsecond, and arrives some milliseconds later.
	if least := slices.Min(gaps); least < 150*time.Millisecond {
		t.Errorf("two calls came %s apart, want 200ms; all: %s", least, gaps)
	}
	if took := calls[n-1].At.Sub(calls[0].At); took > 3*n*200*time.Millisecond {
		t.Errorf("%d calls took %s, want about %s: the pace is also to be used", n, took, (n-1)*200*time.Millisecond)
	}
	b.wantFresh()
}

func TestABanOfAMerchantStopsAllItsTasksInAllWorkersAndNoOther(t *testing.T) {
	t.Parallel()
	other := ecpaytest.Merchant{MerchantID: "1000002", HashKey: "abcdefgh12345678", HashIV: "12345678abcdefgh"}
	stage := ecpaytest.Merchant{MerchantID: merchantID, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV}
	b := newBenchOf(t, ecpaytest.Config{Merchants: []ecpaytest.Merchant{stage, other}}, env{"ECPAYQ_BAN_PAUSE": "6s"})
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, t.TempDir()+"/merchants.yaml", "merchants:\n  - merchant_id: \"1000002\"\n    hash_key: abcdefgh12345678\n    hash_iv: 12345678abcdefgh\n")})
	b.fake.Inject(ecpaytest.Match{MerchantID: merchantID}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	var banned, free []string
	for i := range 6 {
		tsr := fmt.Sprintf("BANNED%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: merchantID, Tsr: tsr}))
		banned = append(banned, b.enqueue("trigger-issue", "--tsr", tsr).ID)
		tsr = fmt.Sprintf("FREE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: "1000002", Tsr: tsr}))
		free = append(free, b.enqueue("trigger-issue", "--merchant-id", "1000002", "--tsr", tsr).ID)
	}
	b.worker()
	b.worker()
	for _, id := range append(free, banned...) {
		b.waitFor(id, "completed")
	}
	var refused time.Time
	for _, c := range b.fake.Calls() {
		switch {
		case c.MerchantID != merchantID:
		case c.HTTPStatus == http.StatusForbidden:
			refused = c.At
		case refused.IsZero() || c.At.Sub(refused) < 6*time.Second:
			t.Errorf("%s came %s after the 403, want no call for 6s", c.Subject, c.At.Sub(refused))
		}
	}
	for _, c := range b.fake.Calls() {
		if c.MerchantID == "1000002" && c.At.Sub(refused) > 5*time.Second {
			t.Errorf("%s of another merchant waited %s for the ban", c.Subject, c.At.Sub(refused))
		}
	}
}
