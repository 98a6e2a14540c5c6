package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// hostile drives a terminal, forges a line, turns the direction, hides and tags.
var hostile = "惡" +
	string([]rune{0x1b, '[', '2', 'J', 0x9b, 7, '\n', '<', 'b', '>', 0x7f, 0x202e, 0x2028, 0x2066, 0x200b, 0xfeff, 0xe0041}) + "意"

func TestNothingThatSomebodyWroteDrivesAPageAndItsTaskCanBeDealtWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, rdb := t.Context(), w.redis.Client()
	now := time.Now()
	dead := w.died("VG00000001", map[string]any{"d_kind": "Rejected", "d_rtn_msg": hostile,
		"d_reason": hostile, "d_reason_zh": hostile, "by": record.ByHand(hostile), "last_err": hostile})
	foreign := "x" + hostile
	client := asynq.NewClientFromRedisClient(rdb)
	_, err := client.Enqueue(asynq.NewTask(hostile, []byte(hostile)), asynq.TaskID(foreign), asynq.Queue("invalid"))
	w.must(err)
	store := ledger.New(rdb, time.Hour, time.Now)
	before, err := store.Now(ctx)
	w.must(err)
	w.must(asynq.NewInspectorFromRedisClient(rdb).ArchiveTask("invalid", foreign))
	w.must(rdb.HSet(ctx, asynqx.TaskKey("invalid", foreign), "result", hostile).Err())
	if one := store.DepositByHand(ctx, "invalid", []string{foreign}, hostile, before)[0]; !one.Kept {
		t.Fatalf("not in the ledger: %v", one.Err)
	}
	waits := w.enqueued("VG00000002")
	w.must(rdb.HSet(ctx, record.TaskKey(waits), "state", "held", "reason", hostile, "reason_zh", hostile, "rtn_msg", hostile).Err())
	w.must(rdb.SAdd(ctx, "asynq:queues", hostile).Err())
	w.must(ledger.Audit(ctx, rdb, ledger.AuditEntry{Who: hostile, What: hostile, ID: foreign, Note: hostile, Fields: []string{hostile}}))
	until := now.Add(time.Hour).UnixMicro()
	for _, id := range []string{"1000001", hostile} {
		w.must(rdb.HSet(ctx, record.KeysOf(id).Pace, "last", now.UnixMicro(), "ban", until,
			"ban_why", hostile, "denied:B2C:"+hostile, fmt.Sprintf("1 %d 1 0 - %s", until, hostile)).Err())
		w.must(rdb.ZAdd(ctx, record.MerchantsKey, redis.Z{Score: float64(now.UnixMilli()), Member: id}).Err())
	}
	bad := url.QueryEscape(hostile)
	hidden := func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}
	escaped := regexp.MustCompile(`\\u(00[0189][0-9a-f]|20[26][0-9a-f]|feff)`)
	for _, path := range []string{
		"/", "/?type=" + bad + "&merchant=" + bad, "/dead?id=" + dead, "/dead?id=" + url.QueryEscape(foreign), "/waiting",
		"/waiting?find=" + bad, "/merchants", "/merchants?merchant=" + bad, "/audit", "/schedules", "/reconcile", "/login?next=/" + bad,
		"/asynq/api/queues", "/asynq/api/queues/invalid/archived_tasks", "/asynq/api/queues/invalid/pending_tasks",
		"/asynq/api/queues/invalid/tasks/" + url.PathEscape(foreign), "/asynq/api/queues/" + url.PathEscape(hostile),
	} {
		for _, lang := range []string{"en", "zh-TW"} {
			a := w.do(request{method: "GET", path: path, headers: map[string]string{"Accept-Language": lang}})
			body := a.Body.String()
			if strings.ContainsFunc(body, hidden) || strings.Contains(path, "/api/") && escaped.MatchString(body) {
				t.Errorf("%s %s: got status %d and\n%q", lang, path, a.Code, body)
			}
			if a.Code == http.StatusOK && strings.HasPrefix(path, "/dead?") && !strings.Contains(body, "惡") {
				t.Errorf("%s %s: nothing of it is shown:\n%s", lang, path, body)
			}
		}
	}
	refs := regexp.MustCompile(`name="id" value="(x[^"]*)"`).FindStringSubmatch(w.get("/dead?id=" + url.QueryEscape(foreign)).Body.String())
	if len(refs) != 2 {
		t.Fatal("the page of the task has no form for it")
	}
	a := w.do(request{
		method: "POST", path: "/dead/resolve",
		form:    url.Values{"id": {html.UnescapeString(refs[1])}, "note": {"not ours"}, "back": {"/"}},
		headers: map[string]string{"Sec-Fetch-Site": "same-origin"},
	})
	if got := a.Header().Get("Location"); got != "/?done=resolved.1" {
		t.Errorf("resolve: got status %d to %q\n%s", a.Code, got, a.Body)
	}
}
