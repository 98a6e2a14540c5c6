package dashboard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func (w *world) audit() (all []ledger.AuditEntry) {
	w.Helper()
	for e, err := range w.ledger.Audit(w.Context(), deadletter.AuditFilter{}) {
		w.must(err)
		all = append(all, e)
	}
	return all
}

func TestEveryChangeOnAsynqsPagesIsInTheAuditAndNothingIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	c := w.login("olga", operatorPassword)
	entry := func(what, id, note string) ledger.AuditEntry {
		return ledger.AuditEntry{Who: "dashboard:olga", What: what, ID: id, Note: note}
	}
	w.put("b2c.a.1.x:y", "{}")
	rows := []struct {
		method, path, body string
		status             int
		want               []ledger.AuditEntry
	}{
		{"POST", "/queues/q:pause", "", 204, []ledger.AuditEntry{entry("pause", "", "q")}},
		{"POST", "/queues/q:resume", "", 204, []ledger.AuditEntry{entry("resume", "", "q")}},
		{"POST", "/queues/q/pending_tasks/b2c.a.1.x:y:archive", "", 204, []ledger.AuditEntry{entry("archive", "b2c.a.1.x:y", "q pending_tasks")}},
		{"DELETE", "/queues/q/archived_tasks/b2c.a.1.x:y", "", 403,
			[]ledger.AuditEntry{entry("delete", "b2c.a.1.x:y", "q archived_tasks, refused")}},
		{"POST", "/queues/q/archived_tasks/b2c.a.1.x:y:run", "", 204, []ledger.AuditEntry{entry("run", "b2c.a.1.x:y", "q archived_tasks")}},
		{"POST", "/queues/q/pending_tasks:archive_all", "", 200, []ledger.AuditEntry{entry("archive", "", "q pending_tasks")}},
		{"POST", "/queues/q/archived_tasks:batch_run", `{"task_ids":["b2c.a.1.x:y","gone"]}`, 200,
			[]ledger.AuditEntry{entry("run", "gone", "q archived_tasks"), entry("run", "b2c.a.1.x:y", "q archived_tasks")}},
		{"POST", "/queues/q/pending_tasks:batch_delete", `{"task_ids":["b2c.a.1.x:y"]}`,
			403, []ledger.AuditEntry{entry("delete", "b2c.a.1.x:y", "q pending_tasks, refused")}},
		{"DELETE", "/queues/q/pending_tasks:delete_all", "", 403, []ledger.AuditEntry{entry("delete", "", "q pending_tasks, refused")}},
		{"DELETE", "/queues/q/groups/g/aggregating_tasks/1", "", 403,
			[]ledger.AuditEntry{entry("delete", "1", "q groups g aggregating_tasks, refused")}},
		{"DELETE", "/queues/q", "", 403, []ledger.AuditEntry{entry("delete", "", "q, refused")}},
		{"POST", "/queues/q/active_tasks/1:cancel", "", 204, []ledger.AuditEntry{entry("interrupt", "1", "q active_tasks")}},
		{"POST", "/queues/q/archived_tasks:batch_run", "no json", 404, nil},
		{"POST", "/queues/q/archived_tasks:purge", "", 404, nil},
		{"PUT", "/queues/q", "", 404, nil},
		{"POST", "/queues", "", 404, nil},
	}
	var want []ledger.AuditEntry
	for _, row := range rows {
		for _, prefix := range []string{"/asynq/api", "/api"} {
			if prefix == "/api" && row.status != 403 { // done once already
				continue
			}
			r := request{method: row.method, path: prefix + row.path, cookie: c}
			got := w.doBody(r, row.body)
			if got.Code != row.status {
				t.Errorf("%s %s: got status %d, want %d\n%s", row.method, r.path, got.Code, row.status, got.Body)
			}
			if row.status == http.StatusForbidden &&
				(!strings.Contains(got.Body.String(), "resolve or cancel it at /") || got.Header().Get("Link") == "") {
				t.Errorf("%s %s: got %q, want where to resolve", row.method, r.path, got.Body)
			}
			want = append(append([]ledger.AuditEntry{}, row.want...), want...)
		}
	}
	if diff := cmp.Diff(want, w.audit(), cmpopts.IgnoreFields(ledger.AuditEntry{}, "At")); diff != "" {
		t.Errorf("audit, newest first (-want +got):\n%s", diff)
	}
	if _, err := asynq.NewInspectorFromRedisClient(w.redis.Client()).GetTaskInfo("q", "b2c.a.1.x:y"); err != nil {
		t.Errorf("the task: %v", err)
	}
}

// begin lets an attempt at a task begin that nobody ends.
func (w *world) begin(id, token string) {
	w.Helper()
	_, err := gate.New(w.redis.Client(), redisx.Confirm{}).Begin(w.Context(),
		gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: time.Now(), LockFor: time.Minute}, time.Now())
	w.must(err)
}

// letter is what the ledger has of a task.
func (w *world) letter(id string) deadletter.Letter {
	w.Helper()
	l, err := w.ledger.Get(w.Context(), id)
	if err != nil {
		w.Errorf("%s: %v", id, err)
	}
	return l
}

func TestWhatIsArchivedByHandIsInTheLedgerAtOnceAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	c := w.login("olga", operatorPassword)
	rdb := w.redis.Client()
	press := func(path, body string) {
		t.Helper()
		if a := w.doBody(request{method: "POST", path: "/asynq/api/queues/" + path, cookie: c}, body); a.Code >= 300 {
			t.Fatalf("%s: got status %d\n%s", path, a.Code, a.Body)
		}
	}
	inspector := asynq.NewInspectorFromRedisClient(rdb)

	byHand := map[string]string{} // by how
	for how, number := range map[string]string{"one": "VG00000001",
		"batch": "VG00000002", "later": "VG00000003", "refused before": "VG00000004"} {
		var options []enqueue.Option
		if how == "later" {
			options = []enqueue.Option{enqueue.ProcessIn(time.Hour)}
		}
		byHand[how] = w.enqueued(number, options...)
	}
	// It died before, was run again and begun, and then given up by a person.
	w.must(asynqxtest.GiveUp(t.Context(), rdb, "invalid", byHand["refused before"]))
	if _, err := ledger.New(rdb, time.Hour, time.Now).Deposit(t.Context(), "invalid", byHand["refused before"], "token"); err != nil {
		t.Fatal(err)
	}
	w.must(inspector.RunTask("invalid", byHand["refused before"]))
	w.begin(byHand["refused before"], "earlier")

	press("invalid/pending_tasks/"+byHand["one"]+":archive", "")
	press("invalid/pending_tasks:batch_archive", `{"task_ids":["`+byHand["batch"]+`","gone"]}`)
	press("invalid/scheduled_tasks:archive_all", "")
	press("invalid/pending_tasks:archive_all", "")
	for how, id := range byHand {
		l := w.letter(id)
		if l.By != "by hand: dashboard:olga" || !strings.Contains(l.Reason, "archived by hand") || !strings.Contains(l.ReasonZh, "由人手動封存") ||
			l.Kind != ecpay.Stopped || l.State != record.StateDead || time.Since(l.DiedAt) > time.Minute {
			t.Errorf("%s: got %+v, want a letter that says by hand, and who", how, l)
		}
		wantText(t, how, w.do(request{method: "GET", path: "/dead?id=" + id, cookie: c}),
			[]string{"by hand: dashboard:olga", "archived by hand", ">archive</td>"})
		wantText(t, how, w.do(request{method: "GET", path: "/dead?id=" + id, cookie: c, headers: map[string]string{"Accept-Language": "zh-TW"}}),
			[]string{"手動封存： dashboard:olga", "由人手動封存", ">archive</td>"}, "archived by hand")
	}

	// A worker that died is told from it. What had died before, was run again and was
	// archived before it was begun, a person stopped.
	crashed := w.enqueued("VG00000005")
	w.begin(crashed, "crash")
	w.must(asynqxtest.GiveUp(t.Context(), rdb, "invalid", crashed))
	refused := w.died("VG00000006", map[string]any{"state": "dead", "d_kind": "Rejected", "by": "worker", "d_reason": "no"})
	w.must(inspector.RunTask("invalid", refused))
	press("invalid/pending_tasks:archive_all", "")
	if _, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb}).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := w.letter(crashed); l.By != record.BySweeper || strings.Contains(l.Reason, "archived by hand") {
		t.Errorf("crashed: got %+v, want a letter of the sweeper's", l)
	}
	if l := w.letter(refused); l.By != "by hand: dashboard:olga" || l.Kind != ecpay.Stopped {
		t.Errorf("refused, run and archived before it was begun: got %+v, want it stopped", l)
	}
	if l := w.letter(byHand["one"]); l.By != "by hand: dashboard:olga" {
		t.Errorf("after a sweep: got %+v, want it as it was", l)
	}

	// Other programs' tasks are no concern of the ledger's.
	w.put("foreign", "{}")
	press("q/pending_tasks/foreign:archive", "")
	if _, err := w.ledger.Get(t.Context(), "foreign"); !errors.Is(err, deadletter.ErrNotFound) {
		t.Errorf("a task of another program: got error %v, want none in the ledger", err)
	}
}

func TestAPressIsOnAHundredTasksAtMostSoThatNobodyFlushesTheAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for n, want := range map[int]int{100: 403, 101: 413} {
		body := `{"task_ids":["x"` + strings.Repeat(`,"x"`, n-1) + `]}`
		before := len(w.audit())
		a := w.doBody(request{method: "POST", path: "/asynq/api/queues/q/pending_tasks:batch_delete"}, body)
		if written := len(w.audit()) - before; a.Code != want || (written == 0) != (want == 413) {
			t.Errorf("%d tasks: got status %d and %d entries in the audit, want status %d", n, a.Code, written, want)
		}
		if want == 413 && !strings.Contains(a.Body.String(), "choose fewer") {
			t.Errorf("%d tasks: got %q, want what to do", n, a.Body)
		}
	}
	a := w.doBody(request{method: "POST", path: "/asynq/api/queues/q/pending_tasks:batch_delete"}, strings.Repeat(" ", 300<<10))
	if a.Code != 413 || len(w.audit()) != 100 {
		t.Errorf("300 KiB: got status %d, want 413 and nothing in the audit", a.Code)
	}
}

func TestWithoutAnAuditNothingIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("1", "{}")
	w.must(w.redis.Client().Set(t.Context(), record.AuditKey, "no stream", 0).Err())
	if got := w.do(request{method: "POST", path: "/asynq/api/queues/q/pending_tasks/1:archive"}); got.Code != http.StatusServiceUnavailable {
		t.Errorf("got status %d, want 503", got.Code)
	}
	if info, err := asynq.NewInspectorFromRedisClient(w.redis.Client()).GetTaskInfo("q", "1"); err != nil ||
		info.State != asynq.TaskStatePending {
		t.Errorf("the task: %+v, %v, want it pending", info, err)
	}
}

func TestABrokenQueueBlanksNoPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("1", "{}")
	w.put("2", "{}")
	client := asynq.NewClientFromRedisClient(w.redis.Client())
	if _, err := client.Enqueue(asynq.NewTask("a", nil), asynq.Queue("good")); err != nil {
		t.Fatal(err)
	}
	rdb := w.redis.Client()
	w.must(rdb.Del(t.Context(), asynqx.TaskKey("q", "1")).Err()) // an id without a task, as after an eviction
	w.must(rdb.Set(t.Context(), "asynq:{q}:scheduled", "no list", 0).Err())
	if got := w.get("/asynq/api/queues/q").Code; got != 500 {
		t.Fatalf("the queue is not broken: got status %d", got)
	}
	a := w.get("/asynq/api/queues")
	var list struct {
		Queues []struct {
			Queue         string
			Size, Pending int
		}
	}
	if err := json.Unmarshal(a.Body.Bytes(), &list); err != nil || a.Code != 200 {
		t.Fatalf("got status %d and %v\n%s", a.Code, err, a.Body)
	}
	if len(list.Queues) != 2 || list.Queues[0].Queue != "good" ||
		list.Queues[0].Pending != 1 || list.Queues[1].Queue != "q" || list.Queues[1].Pending != 2 {
		t.Errorf("got %+v, want both queues with their lengths", list.Queues)
	}
	for _, path := range []string{"/", "/waiting"} {
		if got := w.get(path); got.Code != 200 || !strings.Contains(got.Body.String(), "q: cannot be summed up") ||
			strings.Contains(got.Body.String(), "good: cannot") {
			t.Errorf("GET %s: got status %d, want 200 and a note on the queue", path, got.Code)
		}
	}
}

func TestOnlyNumbersDatesAndCodesOfPayloadsAndResultsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for id, row := range map[string]struct{ payload, want string }{
		"bytes": {"\x00\xffs3cret", "(8 bytes that are no JSON object)"},
		"array": {`["s3cret"]`, "(10 bytes that are no JSON object)"},
		"text":  {`"s3cret"`, "(8 bytes that are no JSON object)"},
		"null":  {`null`, "(4 bytes that are no JSON object)"},
		"ours":  {"{\n \"Tsr\": \"T1\", \"DelayDay\": 3 , \"UntilConfirmed\":true}", `{"Tsr":"T1","DelayDay":3,"UntilConfirmed":true}`},
		"words": {`{"Reason":"s3cret 王小明","Remark":"s3cret","InvoiceNumber":"VG1"}`,
			`{"Reason":"(10 characters)","Remark":"(6 characters)","InvoiceNumber":"VG1"}`},
		"foreign": {`{"CustomerEmail":"s3cret@example.com","n":12345,"o":{"Tsr":"s3cret"},"a":["s3cret"],"x":null}`,
			`{"CustomerEmail":"(18 characters)","n":"(not shown)","o":"(not shown)","a":"(not shown)","x":"(not shown)"}`},
		"long":   {`{"Tsr":"` + strings.Repeat("s3cret", 20) + `"}`, `{"Tsr":"(120 characters)"}`},
		"nested": {`{"Tsr":{"Name":"s3cret"},"HashKey":"s3cret0123456789"}`, `{"Tsr":"(not shown)","HashKey":"(16 characters)"}`},
		"names":  {`{"s3cret 王小明":1,"":2,"Tsr":"T"}`, `{"…":"(not shown)","…":"(not shown)","Tsr":"T"}`},
		"twice":  {`{"Tsr":"A","Tsr":"B","Remark":"s3cret"}`, `{"Tsr":"B","Remark":"(6 characters)"}`},
	} {
		w.put(id, row.payload)
		var task struct{ Payload string }
		body := w.get("/asynq/api/queues/q/tasks/" + id).Body.Bytes()
		if err := json.Unmarshal(body, &task); err != nil || task.Payload != row.want || strings.Contains(string(body), "s3cret") {
			t.Errorf("%s: got %s, %v, want %s", id, body, err, row.want)
		}
		if list := w.get("/asynq/api/queues/q/pending_tasks?size=50").Body.String(); strings.Contains(list, "s3cret") {
			t.Errorf("%s: the list holds what is not to be shown: %s", id, list)
		}
	}
}

func TestAListOfAsynqsIsShortWhateverIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 150 {
		w.put(fmt.Sprint(i), "{}")
	}
	rows := []struct {
		query string
		want  int // tasks, -1 for none but a refusal
	}{
		{"", 20}, {"?size=100", 100}, {"?size=1", 1}, {"?size=100&page=2", 50}, {"?page=1000000", 0}, {"?size=&page=", 20},
		{"?size=101", -1}, {"?size=100000000", -1}, {"?size=9223372036854775808", -1}, {"?size=0", -1}, {"?size=-1", -1}, {"?size=abc", -1},
		{"?page=1000001", -1}, {"?page=0", -1}, {"?page=-1", -1}, {"?page=x", -1}, {"?size=20&size=1000", -1}, {"?size=%31%30%31", -1},
	}
	for _, prefix := range []string{"/asynq/api", "/api"} {
		for _, row := range rows {
			a := w.get(prefix + "/queues/q/pending_tasks" + row.query)
			if row.want < 0 {
				if a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), "must be a number from 1 to") {
					t.Errorf("%s: got status %d and %s, want 400 and the limit", row.query, a.Code, a.Body)
				}
				continue
			}
			var list struct{ Tasks []json.RawMessage }
			if err := json.Unmarshal(a.Body.Bytes(), &list); err != nil || len(list.Tasks) != row.want {
				t.Errorf("%s: got status %d and %d tasks, want %d", row.query, a.Code, len(list.Tasks), row.want)
			}
		}
		for _, list := range []string{"active", "scheduled", "retry", "archived", "completed", "groups/g/aggregating"} {
			if a := w.get(prefix + "/queues/q/" + list + "_tasks?size=100000000"); a.Code != http.StatusBadRequest {
				t.Errorf("%s: got status %d, want 400", list, a.Code)
			}
		}
		if a := w.get(prefix + "/scheduler_entries/e/enqueue_events?size=100000000"); a.Code != http.StatusBadRequest {
			t.Errorf("events of a scheduler: got status %d, want 400", a.Code)
		}
	}
}

func TestAsynqmonsFilesAreServedButForItsSourceMaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for path, want := range map[string]string{
		"/asynq/static/js/2.83624df2.chunk.js": "application/javascript", "/asynq/static/js/main.5adda2da.chunk.js": "application/javascript",
		"/asynq/static/media/logo-color.c2b0c1f3.svg": "image/svg+xml", "/asynq/favicon.ico": "image/", "/asynq/manifest.json": "text/plain",
	} {
		for range 2 { // read, and kept
			if a := w.get(path); a.Code != 200 || !strings.HasPrefix(a.Header().Get("Content-Type"), want) || a.Body.Len() < 100 {
				t.Errorf("%s: got status %d, %q and %d bytes", path, a.Code, a.Header().Get("Content-Type"), a.Body.Len())
			}
		}
	}
	for _, path := range []string{
		"/asynq/static/js/2.83624df2.chunk.js.map", "/asynq/static/js/main.5adda2da.chunk.js.map",
		"/asynq/static/js/runtime-main.9fea6c1a.js.map",
		"/asynq/static/js/x%2f..%2f2.83624df2.chunk.js.map", "/asynq/static/js/nowhere.js", "/asynq/index.html", "/asynq/nowhere.png",
	} {
		if a := w.get(path); a.Code != http.StatusNotFound {
			t.Errorf("%s: got status %d and %d bytes, want 404", path, a.Code, a.Body.Len())
		}
	}
}

func TestRunAllOnAsynqsPagesLeavesAloneWhatAPersonStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	c := w.login("olga", operatorPassword)
	dead, stopped, other := w.died("VG00000001", rejected), w.enqueued("VG00000002"), w.enqueued("VG00000003")
	inspector := asynq.NewInspectorFromRedisClient(w.redis.Client())
	press := func(path string) *httptest.ResponseRecorder {
		return w.doBody(request{method: "POST", path: "/asynq/api/queues/invalid/" + path, cookie: c}, "")
	}
	press("pending_tasks/" + stopped + ":archive")
	w.must(inspector.ArchiveTask("invalid", other)) // by another program
	a := press("archived_tasks:run_all")
	if a.Code != http.StatusConflict || !strings.Contains(a.Body.String(), "1 tasks run; 2 that a person stopped left alone") {
		t.Errorf("run all: got status %d: %s", a.Code, a.Body)
	}
	for id, want := range map[string]asynq.TaskState{dead: asynq.TaskStatePending,
		stopped: asynq.TaskStateArchived, other: asynq.TaskStateArchived} {
		if info, err := inspector.GetTaskInfo("invalid", id); err != nil || info.State != want {
			t.Errorf("%s is %+v, %v, want %s", id, info, err, want)
		}
	}
	if a := press("archived_tasks/" + stopped + ":run"); a.Code >= 300 {
		t.Errorf("run of one: got status %d: %s", a.Code, a.Body)
	}
	w.must(w.redis.Client().Del(t.Context(), asynqx.Key("invalid", "archived")).Err())
	if a := press("archived_tasks:run_all"); a.Code != http.StatusNoContent {
		t.Errorf("run all of none: got status %d: %s", a.Code, a.Body)
	}
}

func TestSeveralThatAreTickedOffDoNotNameWhatAPersonStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	dead, stopped := w.died("VG00000001", rejected), w.died("VG00000002", map[string]any{"by": "by hand: olga", "d_kind": "Stopped"})
	replay := func(ids ...string) string {
		return w.do(request{method: "POST", path: "/dead/replay", form: url.Values{"id": ids, "back": {"/"}}}).Header().Get("Location")
	}
	if got := replay(dead, stopped); got != "/?done=replayed.1%2Cskipped.1" {
		t.Errorf("both: to %q, want that one is left alone", got)
	}
	if got := replay(stopped); got != "/?done=replayed.1" {
		t.Errorf("alone: to %q, want it replayed", got)
	}
}
