package webhook_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/webhook"
)

func TestItWorksOnACluster(t *testing.T) {
	t.Parallel()
	b := newBenchOn(t, redistest.NewCluster(t, 3).Client())
	var up atomic.Bool
	r, o := b.receiver(downFor(&up, func(g got) bool { return g.Seq%5 == 0 })), b.receiver(nil)
	e, fine := r.endpoint("fails"), o.endpoint("works")
	before := b.ends(shop, "BEFORE", "done")
	b.serve(e, fine)
	b.process(e, fine)
	var want []string
	for i := range 50 {
		want = append(want, b.ends([]string{shop, other}[i%2], fmt.Sprintf("T%d", i%14), "done"))
	}
	b.eventually("the other endpoint has all", func() bool { return len(o.got()) >= len(want) })
	b.idle(fine)
	b.eventually("some wait", func() bool {
		s := b.status(e)
		return s.Waiting > 0 && s.Pending == 0 && s.State == webhook.StateFailing
	})
	up.Store(true)
	b.eventually("all are delivered", func() bool {
		b.enable(e)
		return r.distinct() >= len(want)
	})
	b.idle(e)
	r.came(want)
	if again := o.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
	b.must(b.admin.Replay(t.Context(), e, before))
	n, err := b.admin.ReplayRange(t.Context(), fine, webhook.Range{})
	b.must(err)
	b.eventually("all come again, and the one before them", func() bool {
		return len(o.got()) >= 2*len(want)+1 && r.distinct() == len(want)+1
	})
	if b.idle(fine); n != len(want)+1 {
		t.Errorf("%d were replayed", n)
	}
	up.Store(false)
}

func TestAnEndpointOfAClusterIsDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	b := newBenchOn(t, redistest.NewCluster(t, 3).Client())
	r := b.receiver(func(_ got, n int) int {
		if n == 1 {
			return http.StatusGone
		}
		return http.StatusOK
	})
	e := r.endpoint("gone")
	b.serve(e)
	id := b.ends(shop, "A", "done")
	b.eventually("it is disabled", func() bool { return b.status(e).State == webhook.StateDisabled })
	b.eventually("it waits", func() bool { return b.status(e).Waiting == 1 })
	b.enable(e)
	b.eventually("it is delivered", func() bool { return r.ids() == id+" "+id })
	b.idle(e)
}
