//go:build slow

package main_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// TestSlow100000EndsAreToldOnceEachWhileWorkersAreKilledEverySecond counts every end of 100,000
// tasks in the feed of outcomes, while of two workers one is killed each second. The last hundred end undisturbed:
// what waits for the lock of a worker that was killed would meet the next kill.
func TestSlow100000EndsAreToldOnceEachWhileWorkersAreKilledEverySecond(t *testing.T) {
	t.Parallel()
	const n = 100_000
	b := newBenchOf(t, chaosFake(), chaosEnv)
	b.set(env{"ECPAYQ_CONCURRENCY": "32"})
	client := b.client()
	c := samples.Usual()[0]
	items := func(yield func(enqueue.Item) bool) {
		for i := range n {
			at := samples.At{MerchantID: merchantID, Subject: c.Subject("ENDS", i)}
			b.must(c.Stage(b.fake, at))
			if !yield(enqueue.Item{Payload: c.Payload(at)}) {
				return
			}
		}
	}
	for r := range client.Batch(t.Context(), items) {
		b.must(r.Err)
	}

	ctx, stop := context.WithTimeout(t.Context(), 15*time.Minute)
	defer stop()
	seen, issued, seq, all := map[string]int{}, map[string]int{}, int64(0), make(chan struct{})
	var told atomic.Int64
	go func() {
		defer close(all)
		for o, err := range client.Outcomes(ctx, enqueue.Feed{Follow: true}) {
			if err != nil {
				t.Error(err)
				return
			}
			seq++
			if o.State == record.OutcomeIssued { // what was asked about after a kill is known with its number
				if issued[o.ID]++; o.Seq != seq || seen[o.ID] != 1 || issued[o.ID] != 1 || o.Invoice == nil {
					t.Errorf("outcome %d is %d, the invoice %v of %s, which ended %d times", seq, o.Seq, o.Invoice, o.ID, seen[o.ID])
				}
				continue
			}
			if o.Seq != seq || o.State != record.OutcomeDone {
				t.Errorf("outcome %d is %d, %s %s of %s", seq, o.Seq, o.ID, o.State, o.Kind)
			}
			seen[o.ID]++
			if told.Store(int64(len(seen))); len(seen) == n {
				return
			}
		}
	}()
	workers, kills := []*child{b.worker(), b.worker()}, 0
	for running := true; running; {
		select {
		case <-time.After(time.Second):
			if told.Load() > n-100 {
				continue
			}
			workers[kills%2].kill()
			workers[kills%2] = b.worker()
			kills++
		case <-all:
			running = false
		}
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s ended %d times", id, times)
		}
	}
	page, err := client.OutcomePage(t.Context(), record.OutcomeQuery{Limit: 1, Merchants: []string{merchantID}})
	b.must(err)
	effects := map[string]int{}
	for _, e := range b.fake.Effects() {
		effects[e.Subject]++
	}
	ends, happened := seq-int64(len(issued)), len(b.fake.Effects())
	t.Logf("%d tasks, %d ends and %d invoices told, %d effects on %d subjects, %d kills", n, ends, len(issued), happened, len(effects), kills)
	if len(seen) != n || ends != n || len(effects) != n || happened != n || len(page.Outcomes) != 1 || page.Outcomes[0].Seq != 1 {
		t.Errorf("want %d of each", n)
	}
}
