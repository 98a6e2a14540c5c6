package app_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redishealth"
)

// answerOf is the status and the body of an answer.
func answerOf(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Redis answers PING in each of these states.
func TestReadyzIs503WhileRedisTakesNoWrites(t *testing.T) {
	t.Parallel()
	cfg, _, redis := setup(t)
	w := start(t, cfg)
	d, err := app.StartDashboard(app.DashboardConfig{RedisURL: cfg.RedisURL,
		Addr: "127.0.0.1:0", Page: dashboard.Config{Logger: zerolog.Nop()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop() })
	rdb := redis.Client()
	both := map[string]string{"worker": "http://" + w.AdminAddr() + "/readyz", "dashboard": d.URL() + "readyz"}
	for _, row := range []struct {
		reason   redishealth.Reason
		on, off  []any
		metricIs string
	}{
		{redishealth.Full, []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, "oom"},
		{redishealth.FewReplicas, []any{"CONFIG", "SET", "min-replicas-to-write", "1"},
			[]any{"CONFIG", "SET", "min-replicas-to-write", "0"}, "no_replicas"},
		{redishealth.ReadOnly, []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, "read_only"},
		{redishealth.Denied, []any{"ACL", "SETUSER", "default", "-eval"}, []any{"ACL", "SETUSER", "default", "+eval"}, "denied"},
		{redishealth.Denied, []any{"ACL", "SETUSER", "default", "resetkeys", "~asynq:*"},
			[]any{"ACL", "SETUSER", "default", "allkeys"}, "denied"},
	} {
		if err := rdb.Do(t.Context(), row.on...).Err(); err != nil {
			t.Fatal(err)
		}
		for who, url := range both {
			eventually(t, who+" is not ready: "+fmt.Sprint(row.on...), func() bool {
				code, body := answerOf(t, url)
				return code == http.StatusServiceUnavailable && strings.Contains(body, string(row.reason))
			})
		}
		metric := `ecpayq_redis_writable{reason="` + row.metricIs + `"} 0`
		if got := scrape(t, w); !strings.Contains(got, metric) ||
			!strings.Contains(got, `ecpayq_redis_writable{reason="busy"} 1`) || !strings.Contains(got, "ecpayq_redis_up 1") {
			t.Errorf("%v: want %s, and that Redis is up", row.on, metric)
		}
		if err := rdb.Do(t.Context(), row.off...).Err(); err != nil {
			t.Fatal(err)
		}
		for who, url := range both {
			eventually(t, who+" is ready again", func() bool { return status(url) == http.StatusOK })
		}
	}
}

func TestAWorkerRefusesARedisThatItMayNotUseAndWaitsForOneThatIsFull(t *testing.T) {
	t.Parallel()
	cfg, _, server := setup(t)
	for _, rules := range []string{"-eval", "-time", "-info", "-evalsha"} {
		user := strings.TrimPrefix(rules, "-")
		if err := server.Client().ACLSetUser(t.Context(), user, "on", ">word", "~*", "&*", "+@all", rules).Err(); err != nil {
			t.Fatal(err)
		}
		refused := cfg
		refused.RedisURL = strings.Replace(server.URL(), "redis://", "redis://"+user+":word@", 1)
		w, err := startSafely(refused)
		if w != nil || !errors.Is(err, enqueue.ErrRedis) || redishealth.ReasonOf(err) != redishealth.Denied ||
			!strings.Contains(redishealth.HintFor(err).En, strings.ToUpper(user)) {
			t.Errorf("%s: got %v, want that Redis refuses it, and a hint that names it", rules, err)
		}
	}
	rdb := server.Client()
	for name, commands := range map[string][2][]any{
		"full":      {{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}},
		"a replica": {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}},
	} {
		if err := rdb.Do(t.Context(), commands[0]...).Err(); err != nil {
			t.Fatal(err)
		}
		waiting, log := cfg, &syncBuffer{}
		waiting.Logger = zerolog.New(log)
		w := start(t, waiting)
		ready := "http://" + w.AdminAddr() + "/readyz"
		if got := status(ready); got != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz is %d, want 503", name, got)
		}
		if err := rdb.Do(t.Context(), commands[1]...).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+": it is ready afterwards", func() bool { return status(ready) == http.StatusOK })
		if got := log.String(); !strings.Contains(got, "redis takes no writes") || !strings.Contains(got, "hint_zh") {
			t.Errorf("%s: got %s in the log, want why, and hints", name, got)
		}
	}
}
