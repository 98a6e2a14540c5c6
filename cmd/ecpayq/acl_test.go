package main_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
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
	b, admin := newACLBench(t, documentedACL(t), env{"ECPAYQ_FENCE": "1s"})
	b.schedules("schedules:\n  - {name: often, cron: '*/2 * * * * *', kind: Conflict}\n")
	w := b.worker()
	d := b.dashboard()

	b.enqueueEveryWay()
	b.endDeadLettersEveryWay(d)
	w.awaitLog("schedule ran")
	b.scheduleAndCancel()
	b.holdAndResume()
	w.stop()
	w, archived := b.sweepAsAdministrator(admin, d)
	b.seeAllPages(d, archived)
	b.wantDoctorAndMetrics(w)
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

func TestTheDocumentedRedisUserIsEnoughForTheAPI(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), env{"ECPAYQ_FENCE": "1s"})
	a := b.api(nil)
	b.worker()
	ok := func(method, path, body string, headers ...string) string {
		t.Helper()
		status := map[bool]int{true: 201, false: 200}[path == "/v1/intents"]
		return a.call(method, path, "", body, headers...).wants(t, method+" "+path, status).body
	}
	var ids, lines []string
	for n, c := range samples.Usual() {
		at := samples.At{Subject: c.Subject("ACLAPI", n+1), Date: invoiceDate}
		b.must(c.Stage(b.fake, at))
		data, err := tasks.Encode(c.Payload(at))
		b.must(err)
		lines = append(lines, fmt.Sprintf(`{"type":%q,"data":%s}`, c.Type, data))
		id := oneLine[receipt](t, ok("POST", "/v1/intents", lines[n], "Idempotency-Key", c.Type)).ID
		ids = append(ids, id)
		if got := a.end(t, id, a.longPoll(id, "")); got.State != "completed" {
			t.Errorf("%s: got %+v", c.Name, got)
		}
	}
	a.call("POST", "/v1/intents", "", lines[1], "Idempotency-Key", samples.Usual()[0].Type).
		wantProblem(t, "the key of another", 422, "idempotency-key-reused")
	if got := ok("POST", "/v1/intents/batch", strings.Join(lines, "\n")); !strings.Contains(got, `"failed":0`) {
		t.Errorf("a batch: got %s", got)
	}
	dead := b.rejectedVoid("VG11000077").ID
	a.call("POST", "/v1/intents", "", fmt.Sprintf(`{"type":"b2b:invalid","data":{"MerchantID":%q,"InvoiceNumber":"VG11000077",`+
		`"InvoiceDate":%q,"Reason":"typo"}}`, merchantID, invoiceDate)).wantProblem(t, "one that is dead", 409, "dead")
	ok("POST", "/v1/tasks/"+dead+"/replay", `{"set":{"Reason":"訂單取消"},"note":"n"}`)
	b.waitFor(dead, "completed")
	ok("POST", "/v1/tasks/"+b.rejectedVoid("VG11000078").ID+"/resolve", `{"note":"n"}`)
	ok("POST", "/v1/intents", triggerIntent("ACLAPILATER", inAnHour))
	ok("POST", "/v1/tasks/"+triggerID("ACLAPILATER")+"/cancel", `{"note":"n"}`)
	ok("POST", "/v1/intents", triggerIntent("ACLAPILATER", inAnHour)) // anew
	for _, query := range []string{
		"", "?state=scheduled", "?tsr=ACLAPILATER", "?tsr=ACLAPILATER&merchant_id=" + merchantID, "?invoice_number=VG11000077",
	} {
		if got := ok("GET", "/v1/tasks"+query, ""); query != "" && strings.Count(got, `"id":`) != 1 {
			t.Errorf("the list %s: got %s, want one task", query, got)
		}
	}
	told := ok("GET", "/v1/outcomes?limit=1000&wait=1s&merchant_id="+merchantID, "")
	for _, want := range append(ids, dead, `"state":"resolved"`, `"state":"cancelled"`) {
		if !strings.Contains(told, want) {
			t.Errorf("no outcome has %s", want)
		}
	}
	ok("GET", "/readyz", "")
	ok("GET", "/metrics", "")
	for _, r := range refusals(t, admin) {
		t.Errorf("Redis refused %s", r)
	}
}

// enqueueEveryWay is what producers and workers do: every operation, at once, later, twice.
func (b *bench) enqueueEveryWay() {
	b.Helper()
	for n, c := range samples.Usual() {
		at := samples.At{Subject: c.Subject("ACL", n+1), Date: invoiceDate}
		b.must(c.Stage(b.fake, at))
		args := c.Args(at, b.TempDir)
		if n == 0 {
			args = append(args, "--process-in", "1s")
		}
		id := b.enqueue(args...).ID
		b.waitFor(id, "completed")
		if again := b.enqueue(c.Args(at, b.TempDir)...); again.ID != id || !again.Duplicate && c.Row().Operation.Write {
			b.Errorf("%s: %+v, want a duplicate of a write", c.Name, again)
		}
	}
	b.enqueue("trigger-issue", "--tsr", "ACLLATER", "--process-in", "1h")
}

// endDeadLettersEveryWay ends dead letters in every way out.
func (b *bench) endDeadLettersEveryWay(d *child) {
	b.Helper()
	b.fake.Inject(ecpaytest.Match{Subject: "ACLWORD"}, ecpaytest.Fault{Drop: true})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACLWORD", DelayDay: 3}))
	word := b.enqueue("trigger-issue", "--tsr", "ACLWORD").ID
	b.waitFor(word, "dead")
	corrected, replaced, resolved, run := b.rejectedVoid("VG11000073").ID,
		b.rejectedVoid("VG11000074").ID, b.rejectedVoid("VG11000075").ID, b.rejectedVoid("VG11000076")
	if got := len(lettersOf(b.T, b.dead("list").stdout)); got != 5 {
		b.Errorf("%d dead, want 5", got)
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
		b.Errorf("%d acts in the audit, want 5", got)
	}
}

func (b *bench) scheduleAndCancel() {
	b.Helper()
	for _, args := range [][]string{{"list"}, {"run", "often"}} {
		if r := b.run(append([]string{"schedule"}, args...)...); r.code != 0 {
			b.Errorf("schedule %v: %+v", args, r)
		}
	}
	cancelled := b.enqueue("trigger-issue", "--tsr", "ACLCANCEL", "--process-in", "2h").ID
	if r := b.run("task", "cancel", cancelled, "--note", "n"); r.code != 0 {
		b.Errorf("task cancel: %+v", r)
	}
	if r := b.run("task", "list"); r.code != 0 || !strings.Contains(r.stdout, "ACLLATER") || strings.Contains(r.stdout, cancelled) {
		b.Errorf("task list: %+v", r)
	}
}

// holdAndResume has a task held, which is listed, and resumed.
func (b *bench) holdAndResume() {
	b.Helper()
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ACLDENIED"}))
	b.fake.Inject(ecpaytest.Match{Subject: "ACLDENIED"}, ecpaytest.Fault{TransCode: 115})
	refused := b.enqueue("trigger-issue", "--tsr", "ACLDENIED").ID
	b.await(refused, "held")
	if list := b.merchants(); len(list) != 1 || len(list[0].Denied) != 1 {
		b.Errorf("merchants: %+v, want one with a refusal", list)
	}
	if r := b.run("merchant", "resume", merchantID); r.code != 0 {
		b.Errorf("resume: exit code %d\n%s", r.code, r.stderr)
	}
	b.waitFor(refused, "completed")
}

// sweepAsAdministrator: a worker that was restarted sweeps what asynq archived by itself, and an orphan. The
// administrator makes both.
func (b *bench) sweepAsAdministrator(admin *redis.Client, d *child) (w *child, archived string) {
	b.Helper()
	dead := b.enqueue("trigger-issue", "--tsr", "ACL4", "--process-in", "1h")
	orphan := b.enqueue("trigger-issue", "--tsr", "ACL5", "--process-in", "1h")
	b.must(asynq.NewInspectorFromRedisClient(admin).ArchiveTask(dead.Queue, dead.ID))
	status, body := d.post("/asynq/api/queues/"+orphan.Queue+"/scheduled_tasks/"+orphan.ID+":archive", nil)
	if status != http.StatusNoContent {
		b.Errorf("archive: status %d\n%s", status, body)
	}
	b.must(admin.ZRem(b.Context(), asynqx.Key(orphan.Queue, "archived"), orphan.ID).Err())
	b.must(admin.Del(b.Context(), record.ScanKey).Err()) // the search for orphans is due
	w = b.worker()
	swept := w.awaitLog("dead tasks swept")
	if swept["copied"] != 1.0 || swept["orphans"] != 1.0 {
		b.Errorf("swept %v, want one task copied and one orphan", swept)
	}
	return w, dead.ID
}

func (b *bench) seeAllPages(d *child, archived string) {
	b.Helper()
	pages := []string{"/queues", "/queue_stats", "/servers", "/scheduler_entries", "/redis_info"}
	for q := range tasks.Queues() {
		pages = append(pages, "/queues/"+q)
		for _, list := range []string{"active", "pending", "scheduled", "retry", "archived", "completed"} {
			pages = append(pages, "/queues/"+q+"/"+list+"_tasks")
		}
	}
	for _, page := range pages {
		if status, body := d.get("/asynq/api" + page); status != http.StatusOK {
			b.Errorf("GET %s: status %d\n%s", page, status, body)
		}
	}
	for _, page := range []string{"/", "/waiting", "/merchants", "/schedules", "/reconcile", "/audit", "/dead?id=" + archived} {
		if status, body := d.get(page); status != http.StatusOK {
			b.Errorf("GET %s: status %d\n%s", page, status, body)
		}
	}
	for _, verb := range []string{":pause", ":resume"} {
		if status, body := d.post("/asynq/api/queues/query"+verb, nil); status != http.StatusNoContent {
			b.Errorf("POST %s: status %d\n%s", verb, status, body)
		}
	}
}

func (b *bench) wantDoctorAndMetrics(w *child) {
	b.Helper()
	found := b.doctor(0)
	if f := found["redis"]; f.Status != "ok" {
		b.Errorf("doctor: redis: %+v, want ok", f)
	}
	if f := found["redis durability"]; f.Status != "warning" || !strings.HasPrefix(f.Detail, "appendfsync: not known") ||
		!strings.Contains(f.Hint, "redis-cli CONFIG GET appendfsync") {
		b.Errorf("doctor: redis durability: %+v, want that nothing but appendfsync is unknown, and who may ask", f)
	}
	if status, body := w.get("/readyz"); status != http.StatusOK {
		b.Errorf("/readyz: status %d\n%s", status, body)
	}
	if status, body := w.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "\necpayq_dead_letters 2\n") ||
		!strings.Contains(body, "\necpayq_redis_memory_bytes{purpose=\"records\"} ") ||
		!strings.Contains(body, "\necpayq_redis_durable{condition=\"append_only\"} 1\n") ||
		!strings.Contains(body, "\necpayq_redis_durable{condition=\"evicts_nothing\"} 1\n") || strings.Contains(body, "fsync_always") {
		b.Errorf("/metrics: status %d, want 2 dead letters and what Redis tells, which is not when it syncs\n%s", status, body)
	}
}

// secrets of a Redis: the password of its administrator, and the one by which it
// speaks to its master.
const redisRequirePass, redisMasterAuth = "s3cret-requirepass", "s3cret-masterauth"

func TestTheDocumentedRedisUserReadsNoSecretOfRedisInAnyWay(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{
		Username: "ecpayq", Password: "PASSWORD", ACL: documentedACL(t),
		Args: []string{"--user", "admin", "on", ">" + redisRequirePass, "~*", "&*",
			"+@all", "--requirepass", redisRequirePass, "--masterauth", redisMasterAuth},
	})
	admin := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "admin", Password: redisRequirePass})
	t.Cleanup(func() { _ = admin.Close() })
	for name, want := range map[string]string{"requirepass": redisRequirePass, "masterauth": redisMasterAuth} {
		if got := admin.ConfigGet(t.Context(), name).Val()[name]; got != want {
			t.Fatalf("%s is %q, want %q: there is nothing to be found", name, got, want)
		}
	}

	user := server.Client()
	for _, line := range []string{
		"CONFIG GET requirepass", "CONFIG GET masterauth", "CONFIG GET *",
		"CONFIG GET appendfsync", "CONFIG SET requirepass x", "CONFIG REWRITE", "CONFIG RESETSTAT",
		"ACL GETUSER default", "ACL GETUSER ecpayq", "ACL LIST", "ACL USERS", "ACL LOG", "ACL SETUSER ecpayq +@all", "ACL SAVE", "ACL LOAD",
		"DEBUG OBJECT ecpayq:x", "DEBUG SLEEP 0", "MODULE LIST", "MODULE LOAD /tmp/x.so",
		"MONITOR", "CLIENT LIST", "CLIENT KILL ID 1", "SLOWLOG GET", "LATENCY LATEST",
		"REPLICAOF 127.0.0.1 1", "SLAVEOF 127.0.0.1 1", "PSYNC ? -1", "SYNC", "ROLE", "SHUTDOWN", "SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE",
		"FUNCTION LOAD x", "FUNCTION FLUSH", "FUNCTION DELETE x", "FUNCTION RESTORE x", "FUNCTION DUMP", "SCRIPT FLUSH", "SCRIPT KILL",
		"KEYS *", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "MIGRATE 127.0.0.1 1 ecpayq:x 0 1",
		"RESTORE ecpayq:x 0 x", "SORT ecpayq:x", "GET requirepass",
		"SUBSCRIBE other", "PSUBSCRIBE *", "PUBLISH other x", "PUBSUB CHANNELS", "CLUSTER NODES", "FAILOVER",
	} {
		words := strings.Fields(line)
		script := "return redis.pcall('" + strings.Join(words, "','") + "')"
		for how, cmd := range map[string]*redis.Cmd{line: redis.NewCmd(t.Context(), toAny(words)...),
			"from a script: " + line: redis.NewCmd(t.Context(), "EVAL", script, 0)} {
			_ = user.Process(t.Context(), cmd)
			answer := fmt.Sprint(cmd.Val(), cmd.Err())
			if strings.Contains(answer, "s3cret") {
				t.Errorf("%s: got %s, which holds a secret", how, answer)
			}
			// Some are refused to everybody: in a script, or from the start of Redis on.
			refused := slices.ContainsFunc([]string{
				"NOPERM", "The user executing the script can't", "not allowed from script", "command not allowed",
			}, func(words string) bool {
				return strings.Contains(answer, words)
			})
			if !refused {
				t.Errorf("%s: got %s, want that it is refused", how, answer)
			}
		}
	}
	if text := user.Info(t.Context(), "everything").Val(); text == "" || strings.Contains(text, "s3cret") {
		t.Errorf("INFO holds nothing, or a secret:\n%s", text)
	}
}

func toAny(words []string) (all []any) {
	for _, w := range words {
		all = append(all, w)
	}
	return all
}

func TestTheDocumentedRedisUserMayCallNoMoreThanIsNamedHereBesideWhatReadsAndWritesItsKeys(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{
		Username: "ecpayq", Password: "PASSWORD", ACL: documentedACL(t), Args: []string{"--user", "admin", "on", ">x", "~*", "&*", "+@all"},
	})
	admin := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "admin", Password: "x"})
	t.Cleanup(func() { _ = admin.Close() })
	list, err := admin.Do(t.Context(), "COMMAND").Slice()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list {
		names = append(names, commandNames(c)...)
	}
	var allowed []string
	for _, name := range names {
		// How many arguments it takes is tried: Redis looks at that first.
		for n := range 12 {
			args := append(toAny(strings.Split("ACL|DRYRUN|ecpayq|"+name, "|")), toAny(slices.Repeat([]string{"1"}, n))...)
			answer, err := admin.Do(t.Context(), args...).Text()
			if err != nil && strings.Contains(err.Error(), "wrong number of arguments") {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if answer == "OK" {
				allowed = append(allowed, name)
			}
			break
		}
	}
	slices.Sort(allowed)
	// The key "1" is nobody's, so what reads or writes a key is refused for its key.
	known := strings.Fields("auth dbsize eval evalsha hello info lolwut ping quit randomkey reset scan script|load select time unsubscribe")
	keyed := []string{"pfmerge", "xread", "xreadgroup"} // no key is found among arguments that make no sense
	if missing := slices.DeleteFunc(slices.Clone(known), func(c string) bool { return slices.Contains(allowed, c) }); len(missing) > 0 {
		t.Errorf("not allowed: %v; this test sees nothing", missing)
	}
	for _, c := range allowed {
		if !slices.Contains(known, c) && !slices.Contains(keyed, c) {
			t.Errorf("%s is allowed", c)
		}
	}
}

// commandNames returns the names that an entry of COMMAND's answer has, its
// subcommands' instead of its own where it has any.
func commandNames(entry any) (names []string) {
	e := entry.([]any)
	if len(e) > 9 {
		for _, sub := range e[9].([]any) {
			names = append(names, commandNames(sub)...)
		}
	}
	if len(names) == 0 {
		names = []string{e[0].(string)}
	}
	return names
}

func TestTheDocumentedRedisUserIsToldWhyItCannotWaitForTheDiskBeforeRedis72(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), env{"ECPAYQ_CONFIRM_DISK": "true"})
	r := b.run("enqueue", "trigger-issue", "--tsr", "ACLDISK")
	info, err := admin.Info(t.Context(), "server").Result()
	b.must(err)
	if !strings.Contains(info, "redis_version:6.") && !strings.Contains(info, "redis_version:7.0.") {
		if !strings.Contains(r.stderr, "NOPERM") { // the README says to add +waitaof
			t.Errorf("%+v, want that WAITAOF is refused", r)
		}
		return
	}
	if r.code != 1 || !strings.Contains(r.stdout, `"pending"`) || !strings.Contains(r.stderr, "no WAITAOF (7.2)") {
		t.Errorf("%+v, want exit code 1, a receipt and what is missing", r)
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
