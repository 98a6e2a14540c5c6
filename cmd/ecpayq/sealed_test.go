package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// The buyer of every invoice of these tests, by what it is.
var buyerTexts = map[string]string{
	"the name": "王小明封存", "the address": "台北市信義路五段七號", "the e-mail": "wang.sealed@example.com", "the phone": "0912345678",
	"the item": "血糖試紙一盒", "the remark": "請送至公司櫃檯陳小姐",
}

const correctedName = "陳大文更正"

func buyerForms() forbidden {
	f := forbidden{"the corrected name": textForms(correctedName)}
	for what, text := range buyerTexts {
		f[what] = textForms(text)
	}
	return f
}

// issueArgs are those of an enqueue of an invoice with the buyer, whose items come by a file.
func (b *bench) issueArgs(number string, more ...string) []string {
	b.Helper()
	const items = `{"Items":[{"ItemSeq":1,"ItemName":"血糖試紙一盒","ItemCount":"1","ItemWord":"盒","ItemPrice":"100","ItemTaxType":"1",` +
		`"ItemAmount":"100"}]}`
	return append([]string{
		"b2c-issue", "--relate-number", number, "--customer-name", buyerTexts["the name"], "--customer-addr", buyerTexts["the address"],
		"--customer-email", buyerTexts["the e-mail"], "--customer-phone", buyerTexts["the phone"], "--invoice-remark", buyerTexts["the remark"],
		"--print", "1", "--donation", "0", "--tax-type", "1", "--inv-type", "07", "--vat", "1", "--sales-amount", "100",
		"--data", inFile(b.T, items),
	}, more...)
}

func (b *bench) issue(number string, more ...string) receipt {
	b.Helper()
	return b.enqueue(b.issueArgs(number, more...)...)
}

// keyUse is a line of ecpayq keys status.
type keyUse struct {
	Key       string
	Plaintext bool
	Line      int
	Seals     bool
	Tasks     int
	Letters   int  `json:"dead_letters"`
	MayGo     bool `json:"may_go"`
	Missing   bool
}

// keysStatus runs ecpayq keys status, which must end with the code.
func (b *bench) keysStatus(code int) (uses []keyUse) {
	b.Helper()
	r := b.run("keys", "status")
	if r.code != code {
		b.Fatalf("keys status: got exit code %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	for line := range strings.Lines(r.stdout) {
		uses = append(uses, oneLine[keyUse](b.T, line))
	}
	return uses
}

// resealed runs ecpayq keys reseal, which must end with 0.
func (b *bench) resealed() (did struct {
	Sealed int
	Left   int
	Closed int `json:"cannot_open"`
}) {
	b.Helper()
	r := b.run("keys", "reseal")
	if r.code != 0 {
		b.Fatalf("keys reseal: got exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	b.must(json.Unmarshal([]byte(r.stdout), &did))
	return did
}

// rotated runs ecpayq keys rotate and returns the id of the new key.
func (b *bench) rotated() string {
	b.Helper()
	r := b.run("keys", "rotate")
	if r.code != 0 {
		b.Fatalf("keys rotate: got exit code %d\n%s", r.code, r.stderr)
	}
	return oneLine[struct {
		File, Key string
		Keys      []string
		Created   bool
	}](b.T, r.stdout).Key
}

// reload sends SIGHUP to a worker and waits until it has read its files again.
func (c *child) reload() {
	c.t.Helper()
	count := func() (n int) {
		for _, l := range c.logs() {
			if l["message"] == "configuration reloaded" {
				n++
			}
		}
		return n
	}
	before := count()
	c.signal(syscall.SIGHUP)
	eventually(c.t, "the worker reads its files again", func() bool { return count() > before })
}

// runNow puts a task that waits for its time in line.
func (b *bench) runNow(id string) {
	b.Helper()
	b.must(asynq.NewInspectorFromRedisClient(b.redis.Client()).RunTask("issue", id))
}

// refusedIssue makes ECPay refuse an issue, and waits until it is dead.
func (b *bench) refusedIssue(number string) (id string) {
	b.Helper()
	b.fake.Inject(ecpaytest.Match{Subject: number}, ecpaytest.Fault{RtnCode: ecpaytest.CodeAmountMismatch, RtnMsg: "金額不符"})
	id = b.issue(number).ID
	b.waitFor(id, "dead")
	return id
}

func TestABuyersDataIsSealedInRedisAndShownToNobodyWithoutTheKey(t *testing.T) {
	t.Parallel()
	traces := newCollector(t)
	b := newBench(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": traces.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"})
	nobody, names := buyerForms(), make([]string, 0, len(buyerTexts))
	for _, text := range buyerTexts {
		names = append(names, text)
	}
	// One is on its way, one is done, one is dead, and one waits: what is stored of each counts.
	release := b.bodies.hold("/B2CInvoice/Issue")
	defer release()
	w, d := b.worker(), b.dashboard()
	done := b.issue("SEAL1").ID
	b.eventually("the request is on its way", func() bool { return len(b.bodies.all()) == 1 })
	during := dump(b)
	release()
	b.waitFor(done, "completed")
	wantSent(t, b.callsOn("SEAL1")[0], names...)
	b.wantEffects("SEAL1", ecpaytest.EffectIssued)
	dead, later := b.refusedIssue("SEAL2"), b.issue("SEAL3", "--process-in", "24h").ID

	// The same twice is the same, though no two are sealed alike; another is not.
	if got := b.issue("SEAL3", "--process-in", "24h"); !got.Duplicate || len(got.Differs) > 0 {
		t.Errorf("the same twice: got %+v, want a duplicate that does not differ", got)
	}
	another := b.issueArgs("SEAL3")
	another[slices.Index(another, buyerTexts["the name"])] = correctedName
	other := b.run(append([]string{"enqueue"}, another...)...)
	if got := oneLine[receipt](t, other.stdout); other.code != 3 || !cmp.Equal(got.Differs, []string{"CustomerName"}) {
		t.Errorf("another name: got exit code %d and %+v, want 3 and CustomerName", other.code, got)
	}

	if exported := b.dead("export").stdout; !strings.Contains(exported, buyerTexts["the name"]) {
		t.Fatalf("an export with the key has no buyer: %s", exported)
	}
	refused := b.runWith(withoutKey, "dead", "replay", dead, "--set", "CustomerName="+correctedName)
	if refused.code != 1 || !strings.Contains(refused.stderr, "hint: put the line with that key into ECPAYQ_PAYLOAD_KEY_FILE") {
		t.Errorf("a correction without the key: got exit code %d and %s", refused.code, refused.stderr)
	}
	b.fake.Inject(ecpaytest.Match{Subject: "SEAL2"}, ecpaytest.Fault{RtnCode: ecpaytest.CodeAmountMismatch, RtnMsg: "金額不符"})
	b.dead("replay", dead, "--set", "CustomerName="+correctedName, "--note", "by phone")
	b.eventually("it dies again", func() bool { return len(b.callsOn("SEAL2")) == 2 && b.look(dead).State == "dead" })
	wantSent(t, b.callsOn("SEAL2")[1], correctedName)

	b.commandsShow(nobody, done, dead, later)
	for _, path := range []string{
		"/", "/dead?id=" + dead, "/audit", "/asynq/api/queues/issue/archived_tasks", "/asynq/api/queues/issue/tasks/" + dead,
		"/asynq/api/queues/issue/completed_tasks", "/asynq/api/queues/issue/scheduled_tasks", "/asynq/api/queues/issue/tasks/" + later,
	} {
		status, body := d.get(path)
		if status != 200 {
			t.Errorf("%s: got status %d", path, status)
		}
		nobody.search(t, path, body)
	}
	_, metrics := w.get("/metrics")
	w.stop()
	d.kill()
	nobody.wantSealed(t, "while a request was on its way", during, 1)
	nobody.wantSealed(t, "at the end", dump(b), 5)
	traces.mu.Lock()
	defer traces.mu.Unlock()
	for place, text := range map[string]string{
		"what enqueue says": other.stdout + other.stderr, "what a refused replay says": refused.stdout + refused.stderr, "/metrics": metrics,
		"the worker's log": w.err.String(), "its stdout": w.stdout.String(), "the dashboard's log": d.err.String() + d.stdout.String(),
		"an exported trace": traces.raw.String(),
	} {
		nobody.search(t, place, text)
	}
	if !strings.Contains(w.err.String(), dead) || len(traces.spans) < 4 {
		t.Fatalf("too little was gathered: %d spans and the log %s", len(traces.spans), w.err)
	}
}

// withoutKey takes the file of keys away from a command.
var withoutKey = env{"ECPAYQ_PAYLOAD_KEY_FILE": ""}

// commandsShow looks at what commands print of these tasks.
func (b *bench) commandsShow(nobody forbidden, done, dead, later string) {
	b.Helper()
	for what, r := range map[string]result{
		"task show of a done one": b.run("task", "show", done), "task show of a dead one": b.run("task", "show", dead),
		"task show of one that waits": b.run("task", "show", later), "dead list": b.run("dead", "list"), "outcomes": b.run("outcomes"),
		"audit": b.run("audit"), "keys status": b.run("keys", "status"), "doctor": b.run("doctor", "--no-ecpay"),
		"dead show without the key":   b.runWith(withoutKey, "dead", "show", dead),
		"dead export without the key": b.runWith(withoutKey, "dead", "export"),
	} {
		if len(r.stdout) < 20 {
			b.Errorf("%s: got %q", what, r.stdout)
		}
		nobody.search(b.T, what, r.stdout+r.stderr)
	}
	if audit := b.run("audit").stdout; !strings.Contains(audit, "CustomerName") {
		b.Errorf("the audit does not say what was corrected: %s", audit)
	}
}

// wantSealed looks for them in what Redis held at a time, which must have at least so many sealed payloads.
func (f forbidden) wantSealed(t *testing.T, when string, values []value, least int) {
	t.Helper()
	sealed := 0
	for _, v := range values {
		f.search(t, "Redis, "+when+", key "+v.where, v.what)
		sealed += strings.Count(v.what, `{"Sealed":1,"Key":`)
	}
	if sealed < least {
		t.Errorf("Redis, %s: got %d sealed payloads, want at least %d", when, sealed, least)
	}
}

func TestKeysAreRotatedWhileAWorkerRunsAndNothingIsLostWithoutOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	file := b.env["ECPAYQ_PAYLOAD_KEY_FILE"]
	read := func() string {
		text, err := os.ReadFile(file)
		b.must(err)
		return string(text)
	}
	w := b.worker()
	var waiting []string // sealed with the first key
	for _, number := range []string{"ROT1", "ROT2", "ROT3"} {
		waiting = append(waiting, b.issue(number, "--process-in", "24h").ID)
	}
	dead := b.refusedIssue("ROT4")
	first := b.keysStatus(0)[0].Key
	wantKeys := func(when string, code int, want ...keyUse) {
		t.Helper()
		if diff := cmp.Diff(want, b.keysStatus(code)); diff != "" {
			t.Errorf("keys status %s (-want +got):\n%s", when, diff)
		}
	}
	wantKeys("with one key", 0, keyUse{Key: first, Line: 1, Seals: true, Tasks: 4, Letters: 1})

	second := b.rotated()
	wantKeys("after rotate", 0, keyUse{Key: second, Line: 1, Seals: true}, keyUse{Key: first, Line: 2, Tasks: 4, Letters: 1})
	w.reload()
	b.waitFor(b.issue("ROT5").ID, "completed")
	b.runNow(waiting[0])
	b.waitFor(waiting[0], "completed")
	wantKeys("once both have run", 0,
		keyUse{Key: second, Line: 1, Seals: true, Tasks: 1}, keyUse{Key: first, Line: 2, Tasks: 4, Letters: 1})

	// The first key is taken out too early.
	both := read()
	newest, _, _ := strings.Cut(both, "\n")
	writeFile(t, file, newest+"\n")
	w.reload()
	b.runNow(waiting[1])
	if got := b.await(waiting[1], "held"); !strings.Contains(got.Reason, first) || got.Attempts != 0 {
		t.Errorf("without the key: got %d attempts and the reason %q, want 0 and the key %s", got.Attempts, got.Reason, first)
	}
	wantKeys("without the first key", 1,
		keyUse{Key: second, Line: 1, Seals: true, Tasks: 1}, keyUse{Key: first, Tasks: 4, Letters: 1, Missing: true})
	again := b.run("keys", "reseal")
	if again.code != 1 || !strings.Contains(again.stdout, `"cannot_open":5`) {
		t.Errorf("keys reseal without the first key: got exit code %d and %s", again.code, again.stdout)
	}
	if got := b.operations("ROT2"); len(got) > 0 {
		t.Errorf("without the key: ECPay got %v", got)
	}
	writeFile(t, file, both)
	w.reload()
	b.waitFor(waiting[1], "completed")

	if did := b.resealed(); did.Sealed != 5 || did.Left != 0 || did.Closed != 0 {
		t.Errorf("keys reseal: got %+v, want 5 sealed", did)
	}
	wantKeys("after reseal", 0, keyUse{Key: second, Line: 1, Seals: true, Tasks: 5, Letters: 1}, keyUse{Key: first, Line: 2, MayGo: true})
	if did := b.resealed(); did.Sealed != 0 {
		t.Errorf("keys reseal once more: got %+v, want nothing sealed", did)
	}
	writeFile(t, file, newest+"\n")
	w.reload()
	b.runNow(waiting[2])
	b.waitFor(waiting[2], "completed")
	b.dead("replay", dead)
	b.eventually("the dead one is issued", func() bool { return b.look(dead).State == "completed" })
	for _, number := range []string{"ROT1", "ROT2", "ROT3", "ROT4", "ROT5"} {
		b.wantEffects(number, ecpaytest.EffectIssued)
		calls := b.callsOn(number)
		wantSent(t, calls[len(calls)-1], buyerTexts["the name"])
	}
	wantKeys("at the end", 0, keyUse{Key: second, Line: 1, Seals: true, Tasks: 5})
}

func TestASecondEnqueueWithAnotherKeySaysThatNobodyKnowsWhetherItIsTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.issue("SEALBY1", "--process-in", "24h")
	key := b.keysStatus(0)[0].Key
	b.set(env{"ECPAYQ_PAYLOAD_KEY_FILE": filepath.Join(t.TempDir(), "another")})
	b.rotated()
	batch := inFile(t, `{"type":"b2c:issue","data":{"MerchantID":"2000132","RelateNumber":"SEALBY1","CustomerEmail":"a@example.com",`+
		`"Print":"0","Donation":"0","TaxType":"1","SalesAmount":100,"InvType":"07","vat":"1","Items":[{"ItemSeq":1,"ItemName":"x","ItemCount":1,`+
		`"ItemWord":"x","ItemPrice":100,"ItemTaxType":"1","ItemAmount":100}]}}`+"\n")
	for what, args := range map[string][]string{"one": b.issueArgs("SEALBY1"), "a batch": {"batch", batch}} {
		r := b.run(append([]string{"enqueue"}, args...)...)
		if !strings.Contains(r.stdout, `"sealed_by":"`+key+`"`) || !strings.Contains(r.stderr, "whether it asks for the same is not known") {
			t.Errorf("%s: got exit code %d, %s and %s", what, r.code, r.stdout, r.stderr)
		}
	}
}

func TestTheDocumentedRedisUserIsEnoughForTheKeysOfBuyersData(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), nil)
	b.issue("SEALACL1", "--process-in", "24h")
	b.rotated()
	if did := b.resealed(); did.Sealed != 1 {
		t.Errorf("keys reseal: got %+v, want 1 sealed", did)
	}
	if uses := b.keysStatus(0); len(uses) != 2 || uses[0].Tasks != 1 || !uses[1].MayGo {
		t.Errorf("keys status: got %+v", uses)
	}
	for _, r := range refusals(t, admin) {
		t.Errorf("Redis refused %s", r)
	}
}
