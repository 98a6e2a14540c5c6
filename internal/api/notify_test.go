package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const formType = "application/x-www-form-urlencoded"

// question stores one for an order as a worker does, for in three days.
func (b *bench) question(merchantID, relateNumber string) string {
	b.Helper()
	r, err := b.queue.Enqueue(b.Context(), &tasks.B2CGetIssue{
		MerchantID: merchantID, RelateNumber: relateNumber, Days: 3, TaskID: "b2c.trigger_issue." + merchantID + "." + relateNumber,
	}, enqueue.ProcessAt(time.Now().Add(72*time.Hour)))
	b.must(err)
	return r.ID
}

func (b *bench) stateOf(id string) string {
	b.Helper()
	t, err := record.NewReader(b.rdb).Get(b.Context(), id)
	b.must(err)
	return t.State
}

// notice is a form as ECPay sends it.
func notice(merchantID, relateNumber string) string {
	return "inv_mer_id=" + merchantID + "&od_sob=" + relateNumber + "&tsr=T" + relateNumber +
		"&invoicenumber=AB12345678&invoicedate=2026-11-30&invoicetime=10:00:00&invoicecode=1234&inv_error="
}

// ECPay sends no token, wants 1|OK without an end of line, and is believed in nothing: a question comes
// earlier, and no more often than once in a minute.
func TestACallbackOfECPaysHastensTheQuestion(t *testing.T) {
	t.Parallel()
	_, hash := auth.New()
	b := newBench(t, auth.Token{Name: "shop", Hash: hash, Merchants: []string{"2000132"}, May: []auth.Right{auth.Read}})
	id := b.question("2000132", "ORDER-1")
	notify := func(form string) answer {
		a := b.post("/v1/ecpay/notify/2000132", form, "Content-Type", formType)
		if a.StatusCode != http.StatusOK || string(a.body) != "1|OK" {
			t.Errorf("%s: got %d and %q", form, a.StatusCode, a.body)
		}
		return a
	}
	if got := b.stateOf(id); got != record.StateScheduled {
		t.Fatalf("the question is %s", got)
	}
	for _, useless := range []string{
		"", "od_sob=", "od_sob=ORDER-2", "inv_mer_id=2000133&od_sob=ORDER-1", "od_sob=%00", "od_sob=" + strings.Repeat("9", 1000),
		"{\"od_sob\":\"ORDER-1\"}", "inv_error=failed&od_sob=&tsr=&inv_mer_id=2000132",
	} {
		notify(useless)
	}
	// No form, which openapi.yaml describes as little.
	resp, err := http.Post(b.url+"/v1/ecpay/notify/2000132", formType, strings.NewReader("od_sob=ORDER-1&%zz"))
	b.must(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("what is no form: got %d", resp.StatusCode)
	}
	if got := b.stateOf(id); got != record.StateScheduled {
		t.Fatalf("after what is of no use, the question is %s", got)
	}
	notify(notice("2000132", "order-1")) // ECPay ignores the case
	if got := b.stateOf(id); got != record.StatePending {
		t.Errorf("the question is %s", got)
	}
	notify(notice("2000132", "ORDER-1")) // twice, as it may come
	// By tsr, where a shop has one number for both.
	second := b.question("2000132", "ORDER-3")
	notify("inv_mer_id=2000132&od_sob=&tsr=ORDER-3")
	if got := b.stateOf(second); got != record.StatePending {
		t.Errorf("the question by tsr is %s", got)
	}
	// One that was asked a moment ago.
	third := b.question("2000132", "ORDER-4")
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(third), record.FieldLast, time.Now().UnixMilli()).Err())
	notify(notice("2000132", "ORDER-4"))
	if got := b.stateOf(third); got != record.StateScheduled {
		t.Errorf("the question that was just asked is %s", got)
	}
	// One that a person stopped.
	b.must(asynqx.NewInspector(b.rdb).Archive(t.Context(), "query", third))
	notify(notice("2000132", "ORDER-4"))
	if got := b.stateOf(third); got != record.StateDead {
		t.Errorf("the question that was stopped is %s", got)
	}
	large := b.post("/v1/ecpay/notify/2000132", "od_sob="+strings.Repeat("x", 17<<10), "Content-Type", formType)
	if p := b.problem(large); p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 17 KiB: got %d", p.Status)
	}
	b.must(b.redis.Stop())
	away := b.post("/v1/ecpay/notify/2000132", notice("2000132", "ORDER-1"), "Content-Type", formType)
	if p := b.problem(away); p.Status != http.StatusServiceUnavailable || away.Header.Get("Retry-After") == "" {
		t.Errorf("without Redis: got %d and %v", p.Status, away.Header)
	}
}
