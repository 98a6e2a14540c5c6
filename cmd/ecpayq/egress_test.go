package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// fourMerchants is a bench with as many, whose ids it returns.
func fourMerchants(t *testing.T, changes env) (*bench, []string) {
	t.Helper()
	const key, iv = "abcdefgh12345678", "12345678abcdefgh"
	ids := []string{"1000001", "1000002", "1000003", "1000004"}
	var known []ecpaytest.Merchant
	yaml := "merchants:\n"
	for _, id := range ids {
		known = append(known, ecpaytest.Merchant{MerchantID: id, HashKey: key, HashIV: iv})
		yaml += fmt.Sprintf("  - {merchant_id: %q, hash_key: %s, hash_iv: %s}\n", id, key, iv)
	}
	b := newBenchOf(t, ecpaytest.Config{Merchants: known}, noMerchant)
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, t.TempDir()+"/merchants.yaml", yaml)})
	b.set(changes)
	return b, ids
}

// trigger stages and enqueues a trigger of a merchant.
func (b *bench) trigger(merchant, tsr string) string {
	b.Helper()
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: merchant, Tsr: tsr}))
	return b.enqueue("trigger-issue", "--merchant-id", merchant, "--tsr", tsr).ID
}

func TestA403ForThreeMerchantsStopsAllOthersInAllWorkersAndOneGoesFirst(t *testing.T) {
	t.Parallel()
	const pause = 20 * time.Second // commands are to end within it on a slow machine too
	b, merchants := fourMerchants(t, env{"ECPAYQ_BAN_PAUSE": pause.String()})
	workers := []*child{b.worker(), b.worker()}
	var ids []string
	for _, id := range merchants[:3] {
		b.fake.Inject(ecpaytest.Match{MerchantID: id}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
		ids = append(ids, b.trigger(id, "BANNED"+id))
	}
	for _, w := range workers {
		w.awaitLog("ECPay bans the address: nothing is sent")
	}
	var last time.Time // of the refused calls
	for _, c := range b.fake.Calls() {
		last = c.At
	}
	free := b.trigger(merchants[3], "FREE0")
	b.eventually("a merchant who met no 403 waits for the address", func() bool {
		for _, l := range append(workers[0].logs(), workers[1].logs()...) {
			if reason, _ := l["reason"].(string); l["task_id"] == free && l["verdict"] == "hold" &&
				l["kind"] == "Throttled" && strings.Contains(reason, "ECPay bans the address") {
				return true
			}
		}
		return false
	})
	if r := b.run("merchant", "list"); r.code != 0 || !strings.Contains(r.stderr, "egress default: ECPay bans the address") {
		t.Errorf("merchant list: exit code %d and %q, want that it says what keeps all merchants", r.code, r.stderr)
	}
	ids = append(ids, free)
	for i := range 3 {
		ids = append(ids, b.trigger(merchants[3], fmt.Sprintf("FREE%d", 1+i)))
	}
	for _, id := range ids {
		b.waitFor(id, "completed")
	}
	calls := b.fake.Calls()[3:]
	if len(calls) != len(ids) {
		t.Errorf("%d calls after the ban, want %d", len(calls), len(ids))
	}
	if early := calls[0].At.Sub(last); early < pause-100*time.Millisecond {
		t.Errorf("%s of %s came %s after the third 403, want no call for %s", calls[0].Subject, calls[0].MerchantID, early, pause)
	}
	for _, w := range workers {
		w.awaitLog("ECPay answers again")
	}
}

func TestWhenECPayAnswersNobodyTheOthersHoldUntilOneIsAnswered(t *testing.T) {
	t.Parallel()
	b, merchants := fourMerchants(t, nil)
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001, Times: -1})
	w := b.worker()
	var ids []string
	for _, id := range merchants[:3] {
		ids = append(ids, b.trigger(id, "AWAY"+id))
	}
	w.awaitLog("ECPay answers no merchant: nothing is sent but one request now and then")
	b.eventually("what was on its way has ended", func() bool {
		for _, id := range ids {
			if s := b.look(id).State; s == "active" || s == "pending" {
				return false
			}
		}
		return true
	})
	before := len(b.fake.Calls())
	waits := b.trigger(merchants[3], "WAITS")
	if got := b.await(waits, "held"); got.Kind != "Unavailable" || got.Attempts != 0 || !strings.Contains(got.ReasonZh, "所有特店") {
		t.Errorf("got %+v, want that it waits until somebody is answered", got)
	}
	if got := len(b.callsOn("WAITS")); got != 0 {
		t.Errorf("%d calls of a task that holds", got)
	}
	if got := len(b.fake.Calls()); got != before {
		t.Errorf("%d calls during the pause", got-before)
	}
	b.fake.ClearFaults()
	w.awaitLog("ECPay answers again")
	for _, id := range append(ids, waits) {
		b.waitFor(id, "completed")
	}
}

func TestAllWorkersTogetherKeepTheRateOfTheirEgress(t *testing.T) {
	t.Parallel()
	b, merchants := fourMerchants(t, env{"ECPAYQ_EGRESS_RATE": "5", "ECPAYQ_MERCHANT_INTERVAL": "0s"})
	var ids []string
	for i := range 20 {
		ids = append(ids, b.trigger(merchants[i%4], fmt.Sprintf("RATE%d", i)))
	}
	for range 3 {
		b.worker()
	}
	for _, id := range ids {
		b.waitFor(id, "completed")
	}
	calls := b.fake.Calls()
	if len(calls) != len(ids) {
		t.Fatalf("%d calls, want %d", len(calls), len(ids))
	}
	// Each is permitted in its turn; one may arrive late, and the next one not.
	if took := calls[19].At.Sub(calls[0].At); took < 2800*time.Millisecond {
		t.Errorf("20 calls took %s, want 3.8s at 5 a second", took)
	}
}
