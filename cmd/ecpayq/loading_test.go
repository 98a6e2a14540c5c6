package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// newLoadingBench is a bench whose Redis has just been started and loads its data, one task among
// it, until load lets it end.
func newLoadingBench(t *testing.T) (b *bench, id string, load func()) {
	t.Helper()
	b = newBenchWithout(t, ecpaytest.Config{}, nil)
	// Its keys, 5 ms each and more, take half a minute. After some dozens of them it answers clients.
	b.useRedis(redistest.Options{AppendFsync: "everysec",
		Args: []string{"--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"}})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "LOADED"}))
	id = b.enqueue("trigger-issue", "--tsr", "LOADED", "--relate-number", "LOADED", "--delay-day", "0").ID
	rdb := b.redis.Client()
	pipe := rdb.Pipeline()
	for i := range 6_000 {
		pipe.Set(t.Context(), fmt.Sprintf("other:%d", i), "a value of more than twenty bytes", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.must(rdb.BgRewriteAOF(t.Context()).Err()) // what is in commands of the AOF it loads 1,024 at a time
	b.eventually("the keys are in the AOF's base", func() bool {
		info := rdb.InfoMap(t.Context(), "persistence").Val()["Persistence"]
		return info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0" && info["aof_last_bgrewrite_status"] == "ok"
	})
	back := make(chan error, 1)
	b.redis.Kill()
	go func() { back <- b.redis.Restart(t.Context()) }()
	b.eventually("redis says that it is loading", func() bool {
		return redis.HasErrorPrefix(rdb.Ping(t.Context()).Err(), "LOADING")
	})
	return b, id, func() {
		t.Helper()
		b.must(rdb.ConfigSet(t.Context(), "key-load-delay", "0").Err())
		b.must(<-back)
	}
}

func TestAStartWaitsForARedisThatLoadsItsData(t *testing.T) {
	t.Parallel()
	b, id, load := newLoadingBench(t)
	impatient := start(t, b.env.with(env{"ECPAYQ_REDIS_LOADING_TIMEOUT": "0s"}), "worker")
	ended, w := start(t, b.env, "worker"), start(t, b.env, "worker")
	d := b.dashboard()

	waits := w.awaitLog("redis is loading its data into memory; the start waits for it")
	w.admin, _ = waits["admin"].(string)
	if waits["limit"] == nil || waits["loaded_percent"] == nil || waits["left"] == nil {
		t.Errorf("the log does not say how long it waits, and how far Redis is: %v", waits)
	}
	ended.awaitLog("redis is loading its data into memory; the start waits for it")
	ended.stop() // it waits no longer than it shall
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/livez": http.StatusOK} {
		if status, body := w.get(path); status != want {
			t.Errorf("%s while Redis loads: status %d, want %d\n%s", path, status, want, body)
		}
	}
	if status, body := d.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz of the dashboard while Redis loads: status %d, want 503\n%s", status, body)
	}
	if r := impatient.wait(90 * time.Second); r.code != 1 ||
		!strings.Contains(r.stderr, "still loading its data") || !strings.Contains(r.stderr, "LOADING") {
		t.Errorf("a worker that must not wait: %+v, want exit code 1", r)
	}

	// A command waits for less long.
	list := startProgram(t, command, b.env, "task", "list", "--state", "pending", "--json")
	b.eventually("a command says that it waits", func() bool { return strings.Contains(list.err.String(), "redis is loading its data") })
	load()
	w.awaitLog("worker is running")
	b.waitFor(id, "completed")
	b.wantEffects("LOADED", "issued")
	if r := list.wait(90 * time.Second); r.code != 0 {
		t.Errorf("a command while Redis loads: %+v, want that it waits", r)
	}
	b.eventually("the dashboard is ready", func() bool { status, _ := d.get("/readyz"); return status == http.StatusOK })
	w.stop()
}
