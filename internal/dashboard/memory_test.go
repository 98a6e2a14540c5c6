package dashboard_test

import (
	"strconv"
	"strings"
	"testing"
)

func TestEveryPageShowsHowFullRedisIs(t *testing.T) {
	t.Parallel()
	english, chinese := map[string]string{"Accept-Language": "en"}, map[string]string{"Accept-Language": "zh-TW"}
	w := newWorld(t, nil)
	for _, page := range []string{"/", "/waiting", "/merchants", "/schedules", "/reconcile", "/audit"} {
		wantText(t, page, w.do(request{method: "GET", path: page, headers: english}),
			[]string{"Memory of Redis: ", " MiB, no maxmemory"}, "nearly full")
	}
	for _, row := range []struct {
		name    string
		percent int64
		want    [2][]string
		no      string
	}{
		{"half full", 50, [2][]string{{" (50 %)", "MiB / "}, {"Redis 記憶體：", " (50 %)"}}, "nearly full"},
		{"nearly full", 90, [2][]string{{"Redis is nearly full, and refuses tasks once it is:"}, {"Redis 即將用盡記憶體"}}, "no maxmemory"},
	} {
		w := newWorld(t, nil)
		rdb := w.redis.Client()
		w.must(rdb.Set(t.Context(), "filler", strings.Repeat("x", 32<<20), 0).Err()) // so that a connection more or less does not count
		_, used, _ := strings.Cut(rdb.Info(t.Context(), "memory").Val(), "used_memory:")
		used, _, _ = strings.Cut(used, "\r")
		n, err := strconv.ParseInt(used, 10, 64)
		w.must(err)
		w.must(rdb.ConfigSet(t.Context(), "maxmemory", strconv.FormatInt(n*100/row.percent, 10)).Err())
		wantText(t, row.name, w.do(request{method: "GET", path: "/", headers: english}), row.want[0], row.no)
		wantText(t, row.name, w.do(request{method: "GET", path: "/", headers: chinese}), row.want[1])
	}
	guarded := newWorld(t, withUsers(t))
	wantText(t, "the login page", guarded.get("/login"), nil, "Memory of Redis")
}
