package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

func TestEveryOutcomeIsDeliveredOnceAndInOrderOfItsSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.ends(shop, "BEFORE", "done") // of the time before the endpoint
	b.serve(e)
	const subjects, each = 60, 5
	want := map[string]bool{}
	for range each {
		for i := range subjects {
			want[b.ends(shop, fmt.Sprintf("T%d", i), "done")] = true
			want[b.ends(other, fmt.Sprintf("T%d", i), "dead")] = true
		}
	}
	b.eventually("all are delivered", func() bool { return len(r.got()) >= len(want) })
	b.idle(e)
	last := map[string]int64{}
	for _, g := range r.got() {
		if !want[g.webhookID] {
			t.Errorf("%s came, and was not wanted or came twice", g.webhookID)
		}
		delete(want, g.webhookID)
		subject := g.MerchantID + g.Subject["Tsr"]
		if g.Seq <= last[subject] {
			t.Errorf("of %s, %d came after %d", subject, g.Seq, last[subject])
		}
		last[subject] = g.Seq
	}
	if len(want) > 0 {
		t.Errorf("%d did not come", len(want))
	}
}

func TestALaterOutcomeOfASubjectWaitsForAnEarlierOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var down atomic.Bool
	down.Store(true)
	r := b.receiver(func(g got, _ int) int {
		if down.Load() && g.Seq == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	e := r.endpoint("shop")
	b.serve(e)
	first := b.ends(shop, "A", "stopped")
	second := b.ends(shop, "A", "cancelled")
	third := b.ends(shop, "B", "done")
	b.eventually("the first has failed, and another subject is delivered", func() bool {
		return strings.Contains(r.ids(), first) && strings.Contains(r.ids(), third) && b.status(e).Waiting == 2
	})
	if s := b.status(e); s.State != webhook.StateEnabled && s.State != webhook.StateFailing || strings.Contains(r.ids(), second) {
		t.Errorf("got %s, and the state %+v", r.ids(), s)
	}
	down.Store(false)
	b.enable(e)
	b.eventually("all are delivered", func() bool { return strings.HasSuffix(r.ids(), first+" "+second) })
	b.idle(e)
}

func TestAnEndpointThatIsGoneIsDisabledAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var gone atomic.Bool
	gone.Store(true)
	r, fine := b.receiver(func(got, int) int {
		if gone.Load() {
			return http.StatusGone
		}
		return http.StatusOK
	}), b.receiver(nil)
	e, well := r.endpoint("gone"), fine.endpoint("well")
	b.serve(e, well)
	var ids []string
	ids = append(ids, b.ends(shop, "A", "done"))
	b.eventually("it is disabled", func() bool { return b.status(e).State == webhook.StateDisabled })
	for i := range 20 {
		ids = append(ids, b.ends(shop, fmt.Sprintf("B%d", i), "done"))
	}
	b.eventually("the other one has all", func() bool { return len(fine.got()) == len(ids) })
	b.eventually("what came meanwhile is in the queue", func() bool { s := b.status(e); return s.Pending+s.Waiting == len(ids) })
	if s := b.status(e); len(r.got()) != 1 || s.Disabled != webhook.DisabledGone || s.Reason == "" || s.ReasonZh == "" || s.DisabledAt == nil {
		t.Errorf("%d requests, and the state is %+v", len(r.got()), s)
	}
	gone.Store(false)
	b.enable(e)
	b.eventually("all are delivered", func() bool { return len(r.got()) == 1+len(ids) })
	b.idle(e)
	for _, id := range ids {
		if !strings.Contains(r.ids(), id) {
			t.Errorf("%s did not come", id)
		}
	}
}

func TestAnEndpointThatFailsForThreeDaysIsDisabled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(func(got, int) int { return http.StatusBadGateway })
	e := r.endpoint("shop")
	b.serve(e)
	b.ends(shop, "A", "done")
	b.eventually("it fails", func() bool { return b.status(e).State == webhook.StateFailing })
	b.failingSince(e, time.Now().Add(-webhook.Patience+time.Minute))
	b.tryAgain(e)
	b.eventually("it has failed twice", func() bool { return b.status(e).Failures == 2 })
	if s := b.status(e); s.State != webhook.StateFailing {
		t.Errorf("a minute before the three days it is %+v", s)
	}
	b.failingSince(e, time.Now().Add(-webhook.Patience-time.Second))
	b.tryAgain(e)
	b.eventually("it is disabled", func() bool { return b.status(e).State == webhook.StateDisabled })
	if s := b.status(e); s.Disabled != webhook.DisabledFailing || s.Pending+s.Waiting != 1 || s.Dead != 0 {
		t.Errorf("it is %+v", s)
	}
}

func TestADeliveryIsGivenUpAfterTenTriesAndMayBeReplayed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var poison atomic.Bool
	poison.Store(true)
	r := b.receiver(func(g got, _ int) int {
		if g.Subject["Tsr"] == "POISON" && g.Seq == 1 && poison.Load() {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	e := r.endpoint("shop")
	b.serve(e)
	first := b.ends(shop, "POISON", "dead")
	second := b.ends(shop, "POISON", "done")
	for try := 1; try <= webhook.MaxTries; try++ {
		b.eventually(fmt.Sprintf("try %d", try), func() bool { return strings.Count(r.ids(), first) == try && b.status(e).Pending == 0 })
		if try < webhook.MaxTries {
			b.tryAgain(e)
		}
	}
	b.eventually("the next of the subject is delivered", func() bool { return strings.HasSuffix(r.ids(), second) })
	if s := b.status(e); s.Dead != 1 || s.Waiting != 0 || s.State == webhook.StateDisabled {
		t.Errorf("it is %+v", s)
	}
	poison.Store(false)
	n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{Dead: true})
	if err != nil || n != 1 {
		t.Fatalf("%d replayed, %v", n, err)
	}
	b.eventually("it is delivered", func() bool { return strings.HasSuffix(r.ids(), first) })
	b.idle(e)
	if s := b.status(e); s.Dead != 0 {
		t.Errorf("it is %+v", s)
	}
}
