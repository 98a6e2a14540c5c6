package app_test

import (
	"strconv"
	"testing"

	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker"
)

func TestAWorkerHoldsAsManyConnectionsToRedisAsIsDocumented(t *testing.T) {
	t.Parallel()
	b := newFullBench(t)
	waiting, release := b.holdTriggers()
	const pool, idle, burst = 24, 3, 32
	b.cfg.Connections = app.Connections{Pool: pool, Idle: idle}
	b.cfg.Worker.Concurrency = burst
	ids := b.triggers("CONN", 4*burst)
	before := connections(t, b.rdb) // of this test
	start(t, b.cfg)
	servers := worker.DefaultServers(burst)
	eventually(t, "all places are taken", func() bool { return waiting.Load() == burst })
	release() // the outcomes are recorded all at once
	most := 0
	for b.states(ids)["completed"] < len(ids) {
		most = max(most, connections(t, b.rdb)-before)
	}
	if limit := 2*pool + servers; most > limit {
		t.Errorf("%d connections, want at most %d: two pools of %d, and a subscription for each of %d Servers", most, limit, pool, servers)
	}
	limit := 2*idle + len(tasks.Queues()) + servers
	stats, err := b.rdb.InfoMap(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := strconv.Atoi(stats["Stats"]["total_connections_received"]); err != nil || opened <= limit {
		t.Fatalf("%d connections were opened, %v: the burst was none", opened, err)
	}
	eventually(t, "no more connections are open than may be idle, wait for tasks and for cancellations", func() bool {
		n := connections(t, b.rdb) - before
		return n <= limit
	})
	t.Logf("at most %d connections, %d when idle", most, connections(t, b.rdb)-before)
}
