package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// documentedACL returns the rules that the README gives the user ecpayq.
func documentedACL(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "\nuser ecpayq on >PASSWORD "
	_, rules, ok := strings.Cut(string(readme), prefix)
	if !ok || strings.Count(string(readme), prefix) != 1 {
		t.Fatalf("README.md has not exactly one line that begins with %q", prefix)
	}
	rules, _, _ = strings.Cut(rules, "\n")
	return rules
}

// newACLBench is a bench whose Redis knows nobody but the user ecpayq, and a
// client of an administrator's.
func newACLBench(t *testing.T, rules string, changes env) (*bench, *redis.Client) {
	t.Helper()
	b := newBenchWithout(t, ecpaytest.Config{}, changes)
	const password = "admin-of-the-test"
	b.useRedis(redistest.Options{
		AppendFsync: "always", Username: "ecpayq", Password: "PASSWORD", ACL: rules,
		Args: []string{"--user", "admin", "on", ">" + password, "~*", "&*", "+@all"},
	})
	admin := redis.NewClient(&redis.Options{Addr: b.redis.Addr(), Username: "admin", Password: password})
	t.Cleanup(func() { _ = admin.Close() })
	return b, admin
}

// refusals is what Redis has refused to the user ecpayq.
func refusals(t *testing.T, admin *redis.Client) (list []string) {
	t.Helper()
	log, err := admin.ACLLog(t.Context(), 128).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		list = append(list, fmt.Sprintf("%s: %s %s (%s, %d times)", e.Username, e.Reason, e.Object, e.Context, e.Count))
	}
	stats, err := admin.Info(t.Context(), "errorstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(stats) {
		if strings.HasPrefix(l, "errorstat_NOPERM") {
			list = append(list, strings.TrimSpace(l))
		}
	}
	return list
}

func TestTheDocumentedRedisUserIsEnoughForEverythingAndForNothingElse(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), nil)
	b.schedules("schedules:\n  - {name: often, cron: '*/2 * * * * *', kind: Conflict}\n")
	w := b.worker()
	d := b.dashboard()

	// Producers and workers: every operation, at once, later, twice.
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACL1"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACL2"}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000071", InvoiceDate: invoiceDate}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000072", InvoiceDate: invoiceDate, Voided: true}))
	b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000081"}))
	for _, args := range []string{
		"trigger-issue --tsr ACL1 --process-in 1s",
		"cancel-delay-issue --tsr ACL2",
		"invalid --invoice-number VG11000071 --reason 訂單取消 --invoice-date " + invoiceDate,
		"invalid-confirm --invoice-number VG11000072 --invoice-date " + invoiceDate,
		"get-allowance-confirm --allowance-no 2603010000000081",
	} {
		b.waitFor(b.enqueue(strings.Fields(args)...).ID, "completed")
	}
	if again := b.enqueue("cancel-delay-issue", "--tsr", "ACL2"); !again.Duplicate {
		t.Errorf("%+v, want a duplicate", again)
	}
	if r := b.runWith(env{"ECPAYQ_CONFIRM_DISK": "true"}, "enqueue", "trigger-issue", "--tsr", "ACL3", "--process-in", "1h"); r.code != 0 {
		t.Errorf("an enqueue that waits for the disk: exit code %d\n%s", r.code, r.stderr)
	}

	// Dead letters, in every way out.
	b.fake.Inject(ecpaytest.Match{Subject: "ACLWORD"}, ecpaytest.Fault{Drop: true})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACLWORD", DelayDay: 3}))
	word := b.enqueue("trigger-issue", "--tsr", "ACLWORD").ID
	b.waitFor(word, "dead")
	corrected, replaced, resolved, run := b.rejectedVoid("VG11000073").ID, b.rejectedVoid("VG11000074").ID, b.rejectedVoid("VG11000075").ID, b.rejectedVoid("VG11000076")
	if got := len(lettersOf(t, b.dead("list").stdout)); got != 5 {
		t.Errorf("%d dead, want 5", got)
	}
	b.dead("show", word)
	b.dead("export", "--format", "csv")
	b.dead("replay", "--dry-run")
	b.dead("replay", corrected, "--set", "Reason=訂單取消")
	b.dead("replay", word, "--not-executed", "--note", "n")
	b.enqueue("invalid", "--invoice-number", "VG11000074", "--invoice-date", invoiceDate, "--reason", "訂單取消", "--replace-dead")
	b.dead("resolve", resolved, "--note", "n")
	d.runTask("/asynq", "archived_tasks", run.Queue, run.ID)
	for _, id := range []string{corrected, word, replaced, resolved, run.ID} {
		b.waitFor(id, "completed")
	}
	if got := len(b.audit()); got != 5 {
		t.Errorf("%d acts in the audit, want 5", got)
	}
	w.awaitLog("schedule ran")
	for _, args := range [][]string{{"list"}, {"run", "often"}} {
		if r := b.run(append([]string{"schedule"}, args...)...); r.code != 0 {
			t.Errorf("schedule %v: %+v", args, r)
		}
	}
	cancelled := b.enqueue("trigger-issue", "--tsr", "ACLCANCEL", "--process-in", "2h").ID
	if r := b.run("task", "cancel", cancelled, "--note", "n"); r.code != 0 {
		t.Errorf("task cancel: %+v", r)
	}
	if r := b.run("task", "list"); r.code != 0 || !strings.Contains(r.stdout, "ACL3") || strings.Contains(r.stdout, cancelled) {
		t.Errorf("task list: %+v", r)
	}

	// Held tasks, which are listed, woken by keys that work, and resumed.
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACLDENIED"}))
	b.fake.Inject(ecpaytest.Match{Subject: "ACLDENIED"}, ecpaytest.Fault{TransCode: 115})
	refused := b.enqueue("trigger-issue", "--tsr", "ACLDENIED").ID
	b.await(refused, "held")
	if list := b.merchants(); len(list) != 1 || len(list[0].Denied) != 1 {
		t.Errorf("merchants: %+v, want one with a refusal", list)
	}
	if r := b.run("merchant", "resume", merchantID); r.code != 0 {
		t.Errorf("resume: exit code %d\n%s", r.code, r.stderr)
	}
	b.waitFor(refused, "completed")

	// A worker that was restarted sweeps what asynq archived by itself, and an
	// orphan. The administrator makes both.
	w.stop()
	archived := b.enqueue("trigger-issue", "--tsr", "ACL4", "--process-in", "1h")
	orphan := b.enqueue("trigger-issue", "--tsr", "ACL5", "--process-in", "1h")
	b.must(asynq.NewInspectorFromRedisClient(admin).ArchiveTask(archived.Queue, archived.ID))
	if status, body := d.post("/asynq/api/queues/"+orphan.Queue+"/scheduled_tasks/"+orphan.ID+":archive", nil); status != http.StatusNoContent {
		t.Errorf("archive: status %d\n%s", status, body)
	}
	b.must(admin.ZRem(t.Context(), record.AsynqKey(orphan.Queue, "archived"), orphan.ID).Err())
	b.must(admin.Del(t.Context(), record.ScanKey).Err()) // the search for orphans is due
	w = b.worker()
	swept := w.awaitLog("dead tasks swept")
	if swept["copied"] != 1.0 || swept["orphans"] != 1.0 {
		t.Errorf("swept %v, want one task copied and one orphan", swept)
	}

	// The dashboard's pages and the doctor.
	pages := []string{"/queues", "/queue_stats", "/servers", "/scheduler_entries", "/redis_info"}
	for q := range tasks.Queues() {
		pages = append(pages, "/queues/"+q)
		for _, list := range []string{"active", "pending", "scheduled", "retry", "archived", "completed"} {
			pages = append(pages, "/queues/"+q+"/"+list+"_tasks")
		}
	}
	for _, page := range pages {
		if status, body := d.get("/asynq/api" + page); status != http.StatusOK {
			t.Errorf("GET %s: status %d\n%s", page, status, body)
		}
	}
	for _, page := range []string{"/", "/waiting", "/merchants", "/schedules", "/audit", "/dead?id=" + archived.ID} {
		if status, body := d.get(page); status != http.StatusOK {
			t.Errorf("GET %s: status %d\n%s", page, status, body)
		}
	}
	for _, verb := range []string{":pause", ":resume"} {
		if status, body := d.post("/asynq/api/queues/query"+verb, nil); status != http.StatusNoContent {
			t.Errorf("POST %s: status %d\n%s", verb, status, body)
		}
	}
	for check, f := range b.doctor(0) {
		if strings.HasPrefix(check, "redis") && f.Status != "ok" {
			t.Errorf("doctor: %s: %+v, want ok", check, f)
		}
	}
	if status, body := w.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: status %d\n%s", status, body)
	}
	if status, body := w.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "\necpayq_dead_letters 2\n") ||
		!strings.Contains(body, "\necpayq_redis_memory_bytes{purpose=\"records\"} ") || !strings.Contains(body, "\necpayq_redis_durable{condition=\"fsync_always\"} 1\n") {
		t.Errorf("/metrics: status %d, want 2 dead letters and what Redis tells\n%s", status, body)
	}
	w.stop()

	for _, r := range refusals(t, admin) {
		t.Errorf("Redis refused %s", r)
	}
	// That log is empty because nothing was refused, not because nothing is logged.
	if err := b.redis.Client().FlushAll(t.Context()).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Errorf("FLUSHALL: %v, want that it is refused", err)
	}
	if err := b.redis.Client().Get(t.Context(), "another program's").Err(); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Errorf("GET of a foreign key: %v, want that it is refused", err)
	}
	if got := refusals(t, admin); len(got) < 3 {
		t.Errorf("refusals are not seen: %v", got)
	}
}

func TestTheDocumentedAdditionIsEnoughToWaitForReplicas(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "add `+wait` for `ECPAYQ_CONFIRM_REPLICAS`") {
		t.Fatal("README.md does not say what ECPAYQ_CONFIRM_REPLICAS needs")
	}
	for _, row := range []struct {
		name, rules string
		refused     bool
	}{
		{"with it", documentedACL(t) + " +wait", false},
		{"without it", documentedACL(t), true},
	} {
		b, admin := newACLBench(t, row.rules, env{"ECPAYQ_CONFIRM_REPLICAS": "1"})
		r := b.run("enqueue", "trigger-issue", "--tsr", "ACLWAIT")
		if r.code != 1 || !strings.Contains(r.stdout, `"pending"`) { // there is no replica
			t.Errorf("%s: %+v, want exit code 1 and a receipt", row.name, r)
		}
		if got := refusals(t, admin); (len(got) > 0) != row.refused {
			t.Errorf("%s: Redis refused %v, want that it refuses something: %v", row.name, got, row.refused)
		}
	}
}
