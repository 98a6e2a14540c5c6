//go:build slow

package main_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// TestSlowEveryEndIsDeliveredWhileWorkersAreKilledEverySecond has two workers carry triggers to ECPay and
// their ends to an endpoint that is slow and fails now and then, while one of them is killed each second. It
// runs before those that run side by side, which have enough to do.
func TestSlowEveryEndIsDeliveredWhileWorkersAreKilledEverySecond(t *testing.T) {
	const n, kills = 2000, 25
	b := newBenchOf(t, chaosFake(), chaosEnv)
	b.set(env{"ECPAYQ_CONCURRENCY": "32"})
	var calls atomic.Int64
	h := b.hook(func(record.Outcome) int {
		time.Sleep(20 * time.Millisecond)
		if calls.Add(1)%50 == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	b.set(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n"+h.row("shop", b.file("s", hookSecret), ""))})
	workers := []*child{b.worker(), b.worker()}
	b.begun("shop")
	ids := map[string]bool{}
	c := samples.Usual()[0]
	client := b.client()
	for i := range n {
		at := samples.At{MerchantID: merchantID, Subject: c.Subject("HOOK", i)}
		b.must(c.Stage(b.fake, at))
		r, err := client.Enqueue(b.Context(), c.Payload(at))
		b.must(err)
		ids[r.ID] = true
	}
	for i := range kills {
		time.Sleep(time.Second)
		workers[i%2].kill()
		workers[i%2] = b.worker()
	}
	seen, twice := map[int64]string{}, 0
	for deadline := time.Now().Add(6 * time.Minute); len(seen) < n && time.Now().Before(deadline); time.Sleep(time.Second) {
		clear(seen)
		twice = 0
		for _, d := range h.got() {
			if id, again := seen[d.Seq]; again {
				twice++
				if id != d.id {
					b.Fatalf("outcome %d came as %s and as %s", d.Seq, id, d.id)
				}
			}
			seen[d.Seq] = d.id
			delete(ids, d.ID)
		}
	}
	for seq := int64(1); seq <= int64(n); seq++ {
		if seen[seq] == "" {
			b.Errorf("outcome %d did not come", seq)
		}
	}
	if len(ids) > 0 {
		b.Errorf("%d tasks have no outcome", len(ids))
	}
	b.Logf("%d outcomes, %d of them more than once, %d workers killed", len(seen), twice, kills)
}
