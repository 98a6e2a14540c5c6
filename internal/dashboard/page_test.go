package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// doBody sends a body that is no form.
func (w *world) doBody(q request, body string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(q.method, "http://127.0.0.1:8980"+q.path, strings.NewReader(body))
	if q.cookie != nil {
		r.AddCookie(q.cookie)
	}
	rec := httptest.NewRecorder()
	w.d.ServeHTTP(rec, r)
	return rec
}

const buyer = "王小明 0912345678"

func void(number string) *tasks.B2BInvalid {
	return &tasks.B2BInvalid{
		MerchantID: "2000132", InvoiceNumber: number, InvoiceDate: "2026-11-01", Reason: "訂單取消", Remark: buyer,
	}
}

// died puts a dead void into asynq's archive and the ledger, as a worker does.
func (w *world) died(number string, fields map[string]any) string {
	w.Helper()
	client, err := enqueue.New(enqueue.Config{Redis: w.redis.Client(), Interval: tasks.Every(0)})
	w.must(err)
	r, err := client.Enqueue(w.Context(), void(number))
	w.must(err)
	rdb := w.redis.Client()
	w.must(asynqxtest.GiveUp(w.Context(), rdb, r.Queue, r.ID))
	if _, err := ledger.New(rdb, time.Hour, time.Now).Deposit(w.Context(), r.Queue, r.ID, "token"); err != nil {
		w.Fatal(err)
	}
	if len(fields) > 0 {
		w.must(rdb.HSet(w.Context(), record.TaskKey(r.ID), fields).Err())
	}
	return r.ID
}

var rejected = map[string]any{
	"d_kind": "Rejected", "d_rtn_code": 2103005, "d_rtn_msg": "發票作廢原因格式錯誤", "d_trans_code": 1, "attempts": 1, "by": "worker",
	"d_reason": "ECPay refuses what is asked for; correct it, then run the task again / 綠界拒絕此內容，請修正後重新執行",
}

func wantText(t *testing.T, page string, a *httptest.ResponseRecorder, want []string, no ...string) {
	t.Helper()
	body := a.Body.String()
	for _, text := range want {
		if !strings.Contains(body, text) {
			t.Errorf("%s: got status %d and no %q in\n%s", page, a.Code, text, body)
			return
		}
	}
	for _, text := range no {
		if strings.Contains(body, text) {
			t.Errorf("%s: %q is in\n%s", page, text, body)
			return
		}
	}
}

func TestADeadLetterIsExplainedInBothLanguagesAndWithoutTheBuyer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.died("VG00000001", rejected)
	zh := map[string]string{"Accept-Language": "zh-TW,zh;q=0.9,en;q=0.8"}
	for _, path := range []string{"/", "/dead?id=" + id} {
		en, tw := w.get(path), w.do(request{method: "GET", path: path, headers: zh})
		wantText(t, "en "+path, en, []string{id, "Rejected", "2103005", `lang="en"`, "correct it and send it again", "What to do"},
			"修正後重送", "王小明", "0912345678")
		wantText(t, "zh "+path, tw, []string{id, "Rejected", "2103005", `lang="zh-TW"`, "修正後重送", "處理方式"}, "correct it and", "王小明", "0912345678")
	}
	wantText(t, "detail", w.get("/dead?id="+id), []string{
		"發票作廢原因格式錯誤", "ECPay refuses what is asked for", "&#34;InvoiceNumber&#34;:&#34;VG00000001&#34;",
		"(14 characters)", "/asynq/queues/invalid/tasks/" + id,
	}, "綠界拒絕此內容")

	// The switch is remembered, and goes before what the browser prefers.
	a := w.do(request{method: "GET", path: "/?lang=zh-TW"})
	var kept *http.Cookie
	for _, c := range a.Result().Cookies() {
		kept = c
	}
	wantText(t, "switched", a, []string{"終止的任務"})
	if kept == nil || kept.Value != "zh-TW" || !kept.HttpOnly {
		t.Fatalf("the language is not remembered: %+v", kept)
	}
	wantText(t, "remembered", w.do(request{method: "GET", path: "/waiting", cookie: kept}), []string{"等待中", "lang=en"})
	for header, want := range map[string]string{
		"": "en", "en-GB": "en", "zh": "zh-TW", "zh-Hant-HK": "zh-TW", "zh-CN": "zh-TW",
		"fr, zh-TW;q=0.5": "zh-TW", "de": "en", "en, zh-TW;q=0.9": "en", ";;;": "en",
	} {
		wantText(t, header, w.do(request{method: "GET", path: "/", headers: map[string]string{"Accept-Language": header}}),
			[]string{`<html lang="` + want + `"`})
	}
}

// enqueued stores a void and returns its id.
func (w *world) enqueued(number string, options ...enqueue.Option) string {
	w.Helper()
	client, err := enqueue.New(enqueue.Config{Redis: w.redis.Client(), Interval: tasks.Every(0)})
	w.must(err)
	r, err := client.Enqueue(w.Context(), void(number), options...)
	w.must(err)
	return r.ID
}

func TestAReasonIsShownWholeInItsLanguageAndInNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	// As a worker stores it, and as one that knew a single field did.
	inTwo := w.died("VG00000001", map[string]any{
		"d_kind": "Denied", "by": "worker", "d_reason": "wrong keys; ask ECPay; key fingerprint 1a2b3c4d",
		"d_reason_zh": "金鑰錯誤，請洽綠界；金鑰指紋 1a2b3c4d",
	})
	inOne := w.died("VG00000002", map[string]any{
		"d_kind": "Denied", "by": "worker", "d_reason": "wrong keys; ask ECPay / 金鑰錯誤，請洽綠界; key fingerprint 1a2b3c4d / 金鑰指紋 1a2b3c4d",
	})
	w.must(w.redis.Client().HDel(t.Context(), record.TaskKey(inOne), "d_reason_zh").Err())
	for _, id := range []string{inTwo, inOne} {
		for _, path := range []string{"/dead?id=" + id, "/"} {
			wantText(t, "en "+path, w.get(path), []string{"wrong keys; ask ECPay; key fingerprint 1a2b3c4d<"}, "金鑰")
			zh := w.do(request{method: "GET", path: path, headers: map[string]string{"Accept-Language": "zh-TW"}})
			wantText(t, "zh "+path, zh, []string{"金鑰錯誤，請洽綠界；金鑰指紋 1a2b3c4d<"}, "fingerprint")
		}
	}
}

func TestFiltersSelectDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := w.died("VG00000001", rejected), w.died("VG00000002", nil)
	for query, want := range map[string][2]bool{
		"": {true, true}, "?kind=Rejected": {true, false}, "?kind=Unknown": {false, true},
		"?type=b2b:invalid": {true, true}, "?type=b2c:trigger_issue": {false, false},
		"?merchant=2000132": {true, true}, "?merchant=1": {false, false}, "?older=1h": {false, false},
		"?kind=nonsense&older=x&limit=-1": {true, true}, "?limit=1": {true, false},
	} {
		body := w.get("/" + query).Body.String()
		if got := [2]bool{strings.Contains(body, a), strings.Contains(body, b)}; got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	// One of them died long ago.
	long := time.Now().Add(-25 * time.Hour).UnixMilli()
	w.must(w.redis.Client().HSet(t.Context(), record.TaskKey(a), record.FieldDied, long).Err())
	w.must(w.redis.Client().ZAdd(t.Context(), record.DeadKey(a), redis.Z{Score: float64(long), Member: a}).Err())
	for older, want := range map[string]bool{"1h": true, "24h": true, "168h": false} {
		if body := w.get("/?older=" + older).Body.String(); strings.Contains(body, a) != want || strings.Contains(body, b) {
			t.Errorf("older than %s: the old one is shown: %t, the new one: %t, want %t and none",
				older, strings.Contains(body, a), strings.Contains(body, b), want)
		}
	}
	w.redis.Kill()
	if got := w.get("/"); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "Redis is not available") {
		t.Errorf("without Redis: got status %d, want 503 in words", got.Code)
	}
}

func TestReplayAndResolveOnThePageAgreeWithTheLedgerAndAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	olga := w.login("olga", operatorPassword)
	post := func(path string, form url.Values) *httptest.ResponseRecorder {
		return w.do(request{method: "POST", path: path, form: form, cookie: olga, headers: map[string]string{"Sec-Fetch-Site": "same-origin"}})
	}
	state := func(id string) string {
		got, err := record.NewReader(w.redis.Client()).Get(t.Context(), id)
		w.must(err)
		return got.State
	}
	one, two, three, four := w.died("VG00000001", rejected), w.died("VG00000002", rejected),
		w.died("VG00000003", rejected), w.died("VG00000004", rejected)

	a := post("/dead/replay", url.Values{"id": {one, two}, "note": {"ticket 1"}, "back": {"/?kind=Rejected"}})
	if a.Code != http.StatusSeeOther || a.Header().Get("Location") != "/?done=replayed.2&kind=Rejected" {
		t.Errorf("replay: got status %d to %q", a.Code, a.Header().Get("Location"))
	}
	if a := post("/dead/replay", url.Values{"id": {one}}); a.Header().Get("Location") != "/?done=busy.1" {
		t.Errorf("replay again: got status %d to %q", a.Code, a.Header().Get("Location"))
	}
	wantText(t, "after", w.do(request{method: "GET", path: "/?done=replayed.2,busy.1,hacked.3,replayed.x", cookie: olga}),
		[]string{"replayed: 2 · busy: 1"}, "hacked")
	post("/dead/replay", url.Values{"id": {three}, "field": {"Reason"}, "value": {"更正後原因"}})
	for id, want := range map[string]string{one: "pending", two: "pending", three: "pending", four: "dead"} {
		if got := state(id); got != want {
			t.Errorf("%s: got state %s, want %s", id, got, want)
		}
	}
	another := post("/dead/replay", url.Values{"id": {four}, "field": {"InvoiceNumber"}, "value": {"VG99999999"}})
	if another.Code != http.StatusUnprocessableEntity {
		t.Errorf("a correction that makes another task: got status %d, want 422", another.Code)
	}
	twice := post("/dead/replay", url.Values{"id": {four}, "field": {"Reason", "Remark"}, "value": {"更正後原因", "備註"}})
	if twice.Code != http.StatusBadRequest || !strings.Contains(twice.Body.String(), "names a field twice") || state(four) != "dead" {
		t.Errorf("two corrections, of which one would be dropped: got status %d, and the task is %s, want 400 and dead", twice.Code, state(four))
	}
	for name, a := range map[string]*httptest.ResponseRecorder{
		"nothing chosen": post("/dead/replay", url.Values{}), "no note": post("/dead/resolve", url.Values{"id": {four}, "note": {"  "}}),
	} {
		if a.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: got status %d, want 422", name, a.Code)
		}
	}
	resolved := post("/dead/resolve", url.Values{"id": {four}, "note": {"by hand"}, "back": {"//evil.example"}})
	if resolved.Header().Get("Location") != "/?done=resolved.1" {
		t.Errorf("resolve: got status %d to %q", resolved.Code, resolved.Header().Get("Location"))
	}
	if got := state(four); got != "completed" {
		t.Errorf("resolved: got state %s, want completed", got)
	}
	wantText(t, "resolved", w.do(request{method: "GET", path: "/dead?id=" + four, cookie: olga}),
		[]string{"not in the ledger", "completed", "dashboard:olga", "by hand"})
	if a := w.do(request{method: "GET", path: "/dead?id=nothing", cookie: olga}); a.Code != http.StatusNotFound {
		t.Errorf("unknown id: got status %d, want 404", a.Code)
	}

	var got []string
	for _, e := range w.audit() {
		got = append(got, e.Who+" "+e.What+" "+e.ID+" "+strings.Join(e.Fields, ",")+" "+e.Note)
	}
	want := []string{
		"dashboard:olga resolve " + four + "  by hand", "dashboard:olga replay,set " + three + " Reason ",
		"dashboard:olga replay " + two + "  ticket 1", "dashboard:olga replay " + one + "  ticket 1",
	}
	less := func(a, b string) bool { return a < b }
	if diff := cmp.Diff(want, got, sorted(less)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	page := w.do(request{method: "GET", path: "/audit", cookie: olga})
	wantText(t, "audit", page, []string{"dashboard:olga", "replay,set", "Reason", "ticket 1"}, "更正後原因", "王小明")
}

func TestWhatWaitsShowsUntilWhenAndWhyAndForLaterCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	client, err := enqueue.New(enqueue.Config{Redis: w.redis.Client()})
	w.must(err)
	later, err := client.Enqueue(t.Context(), void("VG00000005"), enqueue.ProcessAt(time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)))
	w.must(err)
	held, err := client.Enqueue(t.Context(), void("VG00000006"))
	w.must(err)
	// As a worker leaves it: asynq calls it a retry.
	rdb := w.redis.Client()
	w.must(rdb.LRem(t.Context(), asynqx.Key(held.Queue, "pending"), 0, held.ID).Err())
	w.must(rdb.HSet(t.Context(), asynqx.TaskKey(held.Queue, held.ID), "state", "retry").Err())
	w.must(rdb.ZAdd(t.Context(), asynqx.Key(held.Queue, "retry"), zAt(held.ID, time.Date(2098, 1, 1, 0, 0, 0, 0, time.UTC))).Err())
	w.must(rdb.HSet(t.Context(), record.TaskKey(held.ID), "state", "held", "kind", "Operator",
		"rtn_code", 5070350, "reason", "a person must act at ECPay first / 須先於綠界處理").Err())

	wantText(t, "waiting", w.get("/waiting"), []string{
		later.ID, "2099-01-02 11:04:05", "scheduled", held.ID, "2098-01-01 08:00:00",
		"held", "Operator", "5070350", "a person must act at ECPay first",
	}, "王小明", "須先")
	cancel := func(id string) string {
		form := url.Values{"id": {id}, "note": {"ordered twice"}, "back": {"/waiting"}}
		return w.do(request{method: "POST", path: "/waiting/cancel", form: form}).Header().Get("Location")
	}
	if got := cancel(held.ID); got != "/waiting?done=busy.1" {
		t.Errorf("a held task: got %q, want busy", got)
	}
	if got := cancel(later.ID); got != "/waiting?done=cancelled.1" {
		t.Errorf("a task for later: got %q, want cancelled", got)
	}
	wantText(t, "waiting", w.get("/waiting"), []string{held.ID}, later.ID)
	if a := w.audit(); len(a) != 1 || a[0].What != "cancel" || a[0].Who != "dashboard" || a[0].Note != "ordered twice" {
		t.Errorf("audit: %+v", a)
	}
}

func TestATaskForLaterIsFoundBehindABacklogOfItsMerchant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	client, err := enqueue.New(enqueue.Config{Redis: w.redis.Client(), Interval: tasks.Every(time.Hour)})
	w.must(err)
	for i := range 130 { // each gets a time along the pace
		_, err := client.Enqueue(t.Context(), void(fmt.Sprintf("VG%08d", i)))
		w.must(err)
	}
	later := w.enqueued("VG90000000", enqueue.ProcessIn(365*24*time.Hour))
	rows := func(path string) int { return strings.Count(w.get(path).Body.String(), `type="checkbox" name="id"`) }

	page := w.get("/waiting")
	wantText(t, "waiting", page,
		[]string{"100 shown of 1", "Of each queue the first are shown: 100.", `<a href="/waiting?limit=1000">Show up to 1,000</a>`}, later)
	if got := rows("/waiting"); got != 100 {
		t.Errorf("got %d rows, want 100", got)
	}
	wantText(t, "more", w.get("/waiting?limit=1000"), []string{later}, "the first are shown")
	for path, want := range map[string]int{
		"/waiting?state=scheduled": 1, "/waiting?find=" + later: 1,
		"/waiting?find=" + later + "&state=held": 0, "/waiting?find=" + later + "&state=scheduled": 1,
		"/waiting?find=2000132": 100, "/waiting?find=2000132&state=scheduled": 1,
		"/waiting?find=2000132&state=held": 0, "/waiting?find=1000001": 0,
		"/waiting?find=b2b.invalid.2000132.VG99999999.2026-11-01": 0, "/waiting?state=nonsense&limit=-1": 100,
	} {
		if got := rows(path); got != want {
			t.Errorf("%s: got %d rows, want %d", path, got, want)
		}
		if a := w.get(path); want == 1 {
			wantText(t, path, a, []string{later, `name="back" value="` + strings.ReplaceAll(path, "&", "&amp;")}, "the first are shown")
		} else if want == 0 {
			wantText(t, path, a, []string{"Nothing matches."}, ">"+later+"</a>")
		}
	}
}

func TestALongListOfDeadLettersLinksToMoreOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 101 {
		w.died(fmt.Sprintf("VG%08d", i), nil)
		if i == 99 {
			wantText(t, "a hundred", w.get("/?type=b2b:invalid"), []string{"100 shown of 100"}, "Show up to")
		}
	}
	wantText(t, "more", w.get("/?type=b2b:invalid&done=replayed.1"),
		[]string{"100 shown of 101", `<a href="/?limit=1000&amp;type=b2b%3Ainvalid">Show up to 1,000</a>`})
	wantText(t, "all", w.get("/?type=b2b:invalid&limit=1000"), []string{"101 shown of 101"}, "Show up to")
}

func TestSchedulesShowTheirNextAndLastRunsAndAreRunByHand(t *testing.T) {
	t.Parallel()
	e, err := schedule.New("refused", "30 3 1 1 *", nil,
		schedule.Filter{Kinds: []ecpay.Kind{ecpay.Rejected}, OlderThan: time.Nanosecond, Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(cfg *dashboard.Config) { cfg.Schedules = []schedule.Entry{e} })
	id := w.died("VG00000007", rejected)
	year := time.Now().In(ecpay.Taipei).Year() + 1
	wantText(t, "schedules", w.get("/schedules"),
		[]string{"refused", "30 3 1 1 *", "Asia/Taipei", fmt.Sprintf("%d-01-01 03:30:00", year), "Rejected", "at most 5", "not yet", "Run now"})
	run := func(name string) *httptest.ResponseRecorder {
		return w.do(request{method: "POST", path: "/schedules/run", form: url.Values{"name": {name}, "back": {"/schedules"}}})
	}
	if a := run("refused"); a.Header().Get("Location") != "/schedules?done=replayed.1" {
		t.Errorf("run: got status %d to %q", a.Code, a.Header().Get("Location"))
	}
	if a := run("nothing"); a.Code != http.StatusNotFound {
		t.Errorf("no such schedule: got status %d, want 404", a.Code)
	}
	if a := w.audit(); len(a) != 2 || a[0].ID != id || a[0].What != ledger.ActReplay || a[0].Who != "dashboard" ||
		a[0].Note != "schedule refused" || a[1].What != ledger.ActSchedule || a[1].Note != "schedule refused" {
		t.Errorf("audit: %+v", a)
	}
	done := run("refused").Header().Get("Location")
	if !strings.Contains(done, "nothing.1") {
		t.Errorf("run with nothing to do: to %q", done)
	}
	wantText(t, "nothing to do", w.get(done), []string{"There is nothing to do."})
	if a := w.audit(); len(a) != 3 || a[0].What != ledger.ActSchedule {
		t.Errorf("audit of a run with nothing to do: %+v", a)
	}
	w.must(w.redis.Client().Del(t.Context(), asynqx.TaskKey("invalid", id)).Err())
	// A worker fires it.
	s := schedule.NewScheduler(schedule.Config{Redis: w.redis.Client(), Ledger: w.ledger,
		Now: func(context.Context) (time.Time, error) { return w.now, nil }})
	for _, at := range []time.Time{time.Now(), time.Date(year, 1, 1, 4, 0, 0, 0, ecpay.Taipei)} {
		w.now = at
		if _, err := s.Tick(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, "schedules", w.get("/schedules"), []string{fmt.Sprintf("%d-01-01 03:30:00", year), "replayed: 1 · skipped: 0"}, "not yet")
}

func sorted(less func(a, b string) bool) cmp.Option { return cmpopts.SortSlices(less) }

func zAt(member string, at time.Time) redis.Z {
	return redis.Z{Score: float64(at.Unix()), Member: member}
}

func TestOnlyOfOneTaskAPersonsWordIsTakenThatItDidNotHappen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rdb := w.redis.Client()
	unanswered := map[string]any{"d_kind": "Ambiguous", record.FieldInFlight: time.Now().Add(-time.Hour).UnixMilli()}
	one, two, three := w.died("VG00000001", unanswered), w.died("VG00000002", unanswered), w.died("VG00000003", unanswered)
	wantText(t, "letter", w.get("/dead?id="+one), []string{`name="not_executed"`})
	for _, ids := range [][]string{{one}, {two, three}} {
		a := w.do(request{method: "POST", path: "/dead/replay",
			form: url.Values{"id": ids, "not_executed": {"1"}, "field": {"Reason"}, "value": {"x"}}})
		if want := fmt.Sprintf("/?done=replayed.%d", len(ids)); a.Header().Get("Location") != want {
			t.Errorf("replay of %d: got status %d to %q, want %q", len(ids), a.Code, a.Header().Get("Location"), want)
		}
	}
	said := map[string]string{}
	for _, e := range w.audit() {
		said[e.ID] = e.What
	}
	for id, what := range map[string]string{one: "replay,set,not-executed", two: "replay", three: "replay"} {
		if said[id] != what {
			t.Errorf("audit of %s: got %q, want %q", id, said[id], what)
		}
		// What a worker learns when it begins: with a write in flight it asks first.
		h, err := gate.New(rdb, redisx.Confirm{}).Begin(t.Context(),
			gate.Attempt{Keys: record.KeysOfTask(id), Token: "t", Start: time.Now(), LockFor: time.Minute}, time.Now())
		w.must(err)
		if !h.InFlight || h.NotExecuted != (what != "replay") {
			t.Errorf("%s after %q: a write is in flight: %t, and a person says that it did not happen: %t", id, what, h.InFlight, h.NotExecuted)
		}
	}
}
