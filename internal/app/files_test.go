package app

import (
	"math"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/worker"
)

func TestConnectionsFitIntoTheFilesThatMayBeOpen(t *testing.T) {
	t.Parallel()
	want := files{redis: redisx.DefaultPool, ecpay: worker.DefaultConcurrency, admin: adminConns}
	for _, limit := range []int{want.total(), 1024, math.MaxInt32} {
		if got := want.fit(limit); got != want || want.complain(limit) != "" {
			t.Errorf("%d files: got %+v and %q, want all of it and no complaint", limit, got, want.complain(limit))
		}
	}
	for limit := 48; limit < want.total(); limit++ {
		got := want.fit(limit)
		if got.total() > limit || got.redis < 8 || got.ecpay < 4 || got.admin < fewAdmin || got.redis > want.redis || got.ecpay > want.ecpay {
			t.Errorf("%d files: got %+v, which opens %d", limit, got, got.total())
		}
		if !strings.Contains(want.complain(limit), "raise the limit") {
			t.Errorf("%d files: got %q", limit, want.complain(limit))
		}
	}
	if got := want.fit(0); got.redis != 8 || got.ecpay != 4 {
		t.Errorf("no files: got %+v, want the least", got)
	}
	page := files{redis: redisx.DefaultPool, admin: dashboardConns}
	for limit := 32; limit < page.total(); limit++ {
		if got := page.fitDashboard(limit); got.redis+got.admin+otherFiles > limit || got.admin < fewAdmin || got.redis < 4 {
			t.Errorf("a dashboard of %d files: got %+v", limit, got)
		}
	}
	if got := page.fitDashboard(1024); got != page {
		t.Errorf("a dashboard of 1024 files: got %+v, want all of it", got)
	}
	for url, want := range map[string]int{"redis://h": 14, "redis-sentinel://h": 14, "redis-cluster://h": 4, "nonsense": 14} {
		if got := (files{redis: 14}).pool(url); got != want {
			t.Errorf("%s: got a pool of %d, want %d", url, got, want)
		}
	}
	got := workerFiles(WorkerConfig{RedisURL: "redis-cluster://h", Connections: Connections{Pool: 10}, Worker: worker.Config{Concurrency: 7}})
	if got != (files{redis: 30, ecpay: 7, admin: adminConns}) {
		t.Errorf("of a cluster: got %+v", got)
	}
}
