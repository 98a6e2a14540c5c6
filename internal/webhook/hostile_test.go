package webhook_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// Each outcome meets several of what a receiver can do wrong before it is taken, so that the ones after
// it are ready long before.
func TestAHostileReceiverGetsEveryOutcomeAtLeastOnceAndInOrderOfItsSubject(t *testing.T) {
	t.Parallel()
	const subjects, each = 15, 4
	wrongs := []int{
		http.StatusInternalServerError, dropped, http.StatusTooManyRequests, http.StatusFound, http.StatusBadRequest,
		http.StatusBadGateway, http.StatusTemporaryRedirect, http.StatusUnauthorized,
	}
	b := newBench(t)
	var mu sync.Mutex
	tries, taken, rare := map[string]int{}, map[string]bool{}, []int{hung, dripping, hung, dripping}
	r := b.receiver(func(g got, n int) int {
		mu.Lock()
		defer mu.Unlock()
		if n%20 == 7 && len(rare) > 0 { // each takes the 15 seconds of a request
			status := rare[0]
			rare = rare[1:]
			return status
		}
		if tries[g.webhookID]++; tries[g.webhookID] <= int(g.Seq)%4 {
			return wrongs[n%len(wrongs)]
		}
		taken[g.webhookID] = true
		return http.StatusOK
	})
	r.retryAfter = "1"
	e := r.endpoint("shop")
	b.serve(e)
	var want []string
	for range each {
		for i := range subjects {
			want = append(want, b.ends(shop, fmt.Sprintf("S%d", i), "done"))
		}
	}
	b.eventually("it has begun", func() bool { return len(r.got()) > 0 })
	again := time.Now()
	b.within(2*time.Minute, "every one is taken", func() bool {
		if time.Since(again) > time.Second { // the pauses between tries are minutes and hours
			again = time.Now()
			b.tryAgain(e)
		}
		mu.Lock()
		defer mu.Unlock()
		return len(taken) == len(want)
	})
	b.idle(e)
	if s := b.status(e); s.Dead != 0 || s.State != webhook.StateEnabled {
		t.Errorf("it is %+v", s)
	}
	// Whatever is tried has the lowest number of its subject that is not taken.
	open := map[string][]string{}
	for i, id := range want {
		subject := fmt.Sprintf("S%d", i%subjects)
		open[subject] = append(open[subject], id)
	}
	count := map[string]int{}
	for _, g := range r.got() {
		subject := g.Subject["Tsr"]
		if count[g.webhookID]++; len(open[subject]) == 0 || open[subject][0] != g.webhookID {
			if count[g.webhookID] == 1 {
				t.Errorf("of %s, %s came before %v were taken", subject, g.webhookID, open[subject])
			}
			continue // it came again
		}
		if g.status == http.StatusOK {
			open[subject] = open[subject][1:]
		}
	}
	t.Logf("%d outcomes in %d requests", len(want), len(r.got()))
}
