package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// secretForms are the ways in which a key could be printed.
func secretForms(secret string) []string {
	raw := []byte(secret)
	var array []string
	for _, c := range raw {
		array = append(array, strconv.Itoa(int(c)))
	}
	return []string{
		secret,
		hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		strings.Join(array, " "), strings.Join(array, ","), // a []byte by %v, and as a JSON array
	}
}

// forbidden is what must be found nowhere, by what it is.
type forbidden map[string][]string

// search reports every place in which a forbidden text stands. Only the name of
// what was found is printed.
func (f forbidden) search(t *testing.T, place, text string) {
	t.Helper()
	for what, forms := range f {
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s holds %s", place, what)
				break
			}
		}
	}
}

const wrongKey, wrongIV = "Zk8sWrongKey0123", "Iv7qWrongIv45678"

func TestNoSecretNoCiphertextAndNoRequestIDIsStoredLoggedOrShown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	stageForSecrets(b)

	// Two requests that are kept waiting: what is stored in the meantime counts too.
	release := b.bodies.hold("/B2CInvoice/TriggerIssue", "/B2BInvoice/Invalid")
	defer release()
	worker := b.worker()
	void := func(number string) []string {
		return []string{"invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", "訂單取消"}
	}
	inFlight := []receipt{b.enqueue("trigger-issue", "--tsr", "SEC1"), b.enqueue(void("VG11000061")...)}
	b.eventually("both requests are on their way", func() bool { return len(b.bodies.all()) == 2 })
	during := dump(b)
	for _, r := range inFlight {
		if got := b.show(r.ID).State; got != "active" {
			t.Errorf("%s: got state %s while its request is on its way, want active", r.ID, got)
		}
	}
	release()

	ends := map[string]string{}
	add := func(state string, args ...string) { ends[b.enqueue(args...).ID] = state }
	add("completed", "trigger-issue", "--tsr", "SEC2", "--relate-number", "RSEC2", "--delay-day", "0")
	add("completed", "trigger-issue", "--tsr", "SEC3", "--relate-number", "RSEC3", "--delay-day", "0")
	add("completed", void("VG11000062")...)
	add("dead", void("VG11000063")...)
	// And one of every operation; a query meets trouble twice.
	for n, c := range samples.Usual() {
		at := samples.At{Subject: c.Subject("SECEVERY", n+1), Date: invoiceDate}
		b.must(c.Stage(b.fake, at))
		if !c.Row().Operation.Write {
			b.fake.Inject(ecpaytest.Match{Subject: at.Subject}, ecpaytest.Fault{HTTPStatus: 502}, ecpaytest.Fault{UnreadableData: true})
		}
		add("completed", c.Args(at, b.TempDir)...)
	}
	for _, r := range inFlight {
		ends[r.ID] = "completed"
	}
	for id, state := range ends {
		b.waitFor(id, state)
	}
	_, metrics := worker.get("/metrics")
	worker.stop()

	// Wrong keys: ECPay answers 110.
	denied := b.worker(env{"ECPAYQ_HASH_KEY": wrongKey, "ECPAYQ_HASH_IV": wrongIV})
	held := b.enqueue("trigger-issue", "--tsr", "SEC4")
	if got := b.await(held.ID, "held"); got.Kind != "Denied" || got.TransCode != 110 {
		t.Errorf("with a wrong key: got kind %s and trans_code %d, want Denied and 110", got.Kind, got.TransCode)
	}
	_, more := denied.get("/metrics")
	denied.stop()
	after := dump(b)

	secret, stamps := sentSecrets(b)
	logs := worker.err.String() + denied.err.String()
	if !strings.Contains(logs, "SEC1") ||
		!strings.Contains(metrics, `ecpayq_ecpay_requests_total{kind="Ambiguous",operation="B2C TriggerIssue"} 2`) ||
		len(during) < 20 || len(after) < 100 {
		t.Fatalf("too little was gathered: %d bytes of logs, %d of metrics, %d and %d values in Redis",
			len(logs), len(metrics), len(during), len(after))
	}

	secret.search(t, "a worker's stderr", logs)
	secret.search(t, "a worker's stdout", worker.stdout.String()+denied.stdout.String())
	secret.search(t, "/metrics", metrics+more)
	for id := range ends {
		secret.search(t, "task show", b.run("task", "show", id).stdout)
	}
	secret.search(t, "task show", b.run("task", "show", held.ID).stdout)
	for when, values := range map[string][]value{"while a request was on its way": during, "at the end": after} {
		secret.searchRedis(t, when, values, stamps)
	}
	wantNoStampInTasks(b, stamps)
}

// searchRedis looks for them, and for timestamps that were sent, in what Redis held at a time.
func (f forbidden) searchRedis(t *testing.T, when string, values []value, stamps map[string]bool) {
	t.Helper()
	for _, v := range values {
		f.search(t, fmt.Sprintf("Redis, %s, key %s", when, v.where), v.what)
		// Times are stored in milliseconds for the fence; a Timestamp as it is
		// sent counts seconds.
		if stamps[v.what] || strings.Contains(v.what, "RqHeader") || strings.Contains(v.what, `"Timestamp"`) {
			t.Errorf("Redis, %s, key %s holds a Timestamp that was sent", when, v.where)
		}
	}
}

// stageForSecrets lets ECPay answer in ways that may make somebody write down too much.
func stageForSecrets(b *bench) {
	b.Helper()
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "SEC1", RelateNumber: "RSEC1"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "SEC2", RelateNumber: "RSEC2"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "SEC3", RelateNumber: "RSEC3"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "SEC4"}))
	for _, number := range []string{"VG11000061", "VG11000062", "VG11000063"} {
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
	}
	b.fake.Inject(ecpaytest.Match{Subject: "SEC2"}, ecpaytest.Fault{Garbage: true, AfterEffect: true})
	b.fake.Inject(ecpaytest.Match{Subject: "SEC3"}, ecpaytest.Fault{WrongKey: true, AfterEffect: true})
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000062"}, ecpaytest.Fault{TransCode: 104})
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000063"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
}

// sentSecrets are what requests held that nobody may keep, and the timestamps they were sent with. That it is
// found at all proves that there was something to be leaked.
func sentSecrets(b *bench) (forbidden, map[string]bool) {
	b.Helper()
	secret := forbidden{
		"the HashKey": secretForms(ecpaytest.StageHashKey), "the HashIV": secretForms(ecpaytest.StageHashIV),
		"the wrong HashKey": secretForms(wrongKey), "the wrong HashIV": secretForms(wrongIV),
	}
	stamps := map[string]bool{}
	opened, refused := 0, 0
	for _, c := range b.fake.Calls() {
		stamps[strconv.FormatInt(c.Timestamp, 10)] = true
		if c.RqID != "" {
			secret["a RqID"] = append(secret["a RqID"], c.RqID)
		}
		if c.Data != nil {
			opened++ // the fake decrypted it, so it was sealed with the stage key
		}
		if c.TransCode == 110 {
			refused++
		}
	}
	for _, body := range b.bodies.all() {
		var env struct{ Data string }
		b.must(json.Unmarshal([]byte(body), &env))
		if len(env.Data) < 64 {
			b.Fatalf("a request has only %d characters of Data", len(env.Data))
		}
		secret["the ciphertext of a request"] = append(secret["the ciphertext of a request"], env.Data[:32])
	}
	if opened < 10 || refused == 0 || len(secret["a RqID"]) < 5 || len(secret["the ciphertext of a request"]) < 11 || len(stamps) == 0 {
		b.Fatalf("the requests show too little: %d opened by the fake, %d refused with 110, %d RqIDs, %d ciphertexts, %d timestamps",
			opened, refused, len(secret["a RqID"]), len(secret["the ciphertext of a request"]), len(stamps))
	}
	return secret, stamps
}

func wantNoStampInTasks(b *bench, stamps map[string]bool) {
	b.Helper()
	inspector := asynq.NewInspectorFromRedisClient(b.redis.Client())
	for queue := range tasks.Queues() {
		for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
			inspector.ListCompletedTasks, inspector.ListArchivedTasks, inspector.ListRetryTasks,
		} {
			infos, err := list(queue)
			if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
				b.Fatal(err)
			}
			for _, info := range infos {
				var payload map[string]any
				b.must(json.Unmarshal(info.Payload, &payload))
				for name, v := range payload {
					if stamps[fmt.Sprint(v)] {
						b.Errorf("the payload of %s holds a Timestamp that was sent, as %s", info.ID, name)
					}
				}
				for name, v := range info.Headers {
					if stamps[v] {
						b.Errorf("the headers of %s hold a Timestamp that was sent, as %s", info.ID, name)
					}
				}
			}
		}
	}
}

func TestAWorkerLogsOneLineOfJSONForEachAttemptAndNoPayload(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000065", InvoiceDate: invoiceDate}))
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"})
	w := b.worker()
	const reason, remark = "訂單取消甲乙丙", "個人資料丁戊己"
	r := b.enqueue("invalid", "--invoice-number", "VG11000065", "--invoice-date", invoiceDate, "--reason", reason, "--remark", remark)
	b.waitFor(r.ID, "completed")
	w.stop()

	var verdicts []string
	for line := range strings.Lines(w.err.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("a line on stderr is no JSON: %q", line)
			continue
		}
		if l["task_id"] != r.ID {
			continue
		}
		verdicts = append(verdicts, fmt.Sprint(l["verdict"]))
		for _, field := range []string{"type", "queue", "attempt", "verdict", "kind", "rtn_code", "duration", "level", "time"} {
			if _, ok := l[field]; !ok {
				t.Errorf("the line of an attempt has no %s: %s", field, line)
			}
		}
		if _, ok := l["next_in"]; ok != (l["verdict"] == "retry") {
			t.Errorf("next_in present: %v, want it for a retry only: %s", ok, line)
		}
	}
	if got := strings.Join(verdicts, " "); got != "retry done" {
		t.Errorf("got verdicts %q in the log, want one line for each of two attempts: retry done", got)
	}
	if strings.Contains(w.err.String(), reason) || strings.Contains(w.err.String(), remark) {
		t.Error("the log holds fields of the payload")
	}
	if got := w.stdout.String(); got != "" {
		t.Errorf("got %q on stdout, want nothing", got)
	}
}

func TestTheConsoleFormOfTheLogHasEveryFixedKeyToo(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_LOG_FORMAT": "console"})
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000066", InvoiceDate: invoiceDate}))
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"})
	w := start(t, b.env, "worker")
	r := b.enqueue("invalid", "--invoice-number", "VG11000066", "--invoice-date", invoiceDate, "--reason", "訂單取消")
	b.waitFor(r.ID, "completed")
	w.stop()
	var lines []string
	for line := range strings.Lines(w.err.String()) {
		if strings.Contains(line, "attempt finished") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("got %q, want one line for each of two attempts", lines)
	}
	for i, line := range lines {
		keys := []string{"task_id=" + r.ID, "type=b2b:invalid", "queue=invalid", "attempt=", "verdict=", "kind=", "rtn_code=", "duration="}
		if i == 0 {
			keys = append(keys, "next_in=")
		}
		for _, key := range keys {
			if !strings.Contains(line, " "+key) {
				t.Errorf("the line has no %s: %q", key, line)
			}
		}
		if json.Valid([]byte(line)) {
			t.Errorf("a line of the console form is JSON: %q", line)
		}
	}
}

func TestTheAPIKeepsNoTokenAndTellsNothingOfWhatItRefuses(t *testing.T) {
	t.Parallel()
	traces := newCollector(t)
	b := newBench(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": traces.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"})
	token, other := b.apiToken("--may", "enqueue", "--may", "read", "--may", "operate"), b.apiToken("--name", "other")
	a := b.api(env{"ECPAYQ_CONFIG": tokenFile(t, filepath.Join(t.TempDir(), "api.yaml"), token)})
	const reason, remark, stored, key = "王小明要求作廢", "個人資料 0912345678", "買家地址台北市信義路", "key-of-the-shop-7Q"
	credentials := forbidden{
		"the HashKey": secretForms(ecpaytest.StageHashKey), "the HashIV": secretForms(ecpaytest.StageHashIV),
		"the token": secretForms(token.Token), "its hash": secretForms(strings.TrimPrefix(token.Hash, "sha256:")),
		"a token that is not known": secretForms(other.Token), "an Idempotency-Key": secretForms(key),
	}
	texts := forbidden{"the reason": textForms(reason), "the remark": textForms(remark)}
	kept := forbidden{"the remark that is stored": textForms(stored)}

	void := func(number, reason, remark, more string) string {
		return fmt.Sprintf(`{"type":"b2b:invalid","data":{"MerchantID":%q,"InvoiceNumber":%q,"InvoiceDate":%q,"Reason":%q,"Remark":%q}%s}`,
			merchantID, number, invoiceDate, reason, remark, more)
	}
	good := void("VG11000081", "訂單取消", stored, "")
	id := oneLine[receipt](t, a.call("POST", "/v1/intents", token.Token, good, "Idempotency-Key", key).wants(t, "an intent", 201).body).ID
	answers, metrics := refusedByTheAPI(t, a, token.Token, other.Token, key, good, void, reason, remark)
	for _, act := range []string{"cancel", "replay", "resolve"} {
		body := `{"note":"n","set":{"Remark":"` + remark + `"}}`
		answers += a.call("POST", "/v1/tasks/"+id+"/"+act, token.Token, body).body
	}
	later := void("VG11000082", "訂單取消", stored, inAnHour)
	cancelled := oneLine[receipt](t, a.call("POST", "/v1/intents", token.Token, later).wants(t, "for later", 201).body).ID
	a.call("POST", "/v1/tasks/"+cancelled+"/cancel", token.Token, `{"note":"by phone"}`).wants(t, "cancel", 200)
	audit, values := b.run("audit").stdout, dump(b)
	b.redis.Kill()
	a.call("POST", "/v1/intents", token.Token, void("VG11000083", reason, remark, ""), "Idempotency-Key", key+"2").
		wantProblem(t, "without Redis", 503, "redis-unavailable")
	a.stop()

	log := a.err.String()
	traces.mu.Lock()
	defer traces.mu.Unlock()
	if !strings.Contains(log, "request not served") || !strings.Contains(audit, "by phone") || !strings.Contains(audit, "api:"+token.Name) ||
		len(values) < 10 || len(traces.spans) == 0 || !strings.Contains(metrics, "ecpayq_api_requests_total") {
		t.Fatalf("too little was gathered: %d values, %d spans, the audit %s and the log %s", len(values), len(traces.spans), audit, log)
	}
	for place, text := range map[string]string{
		"the API's log": log, "its stdout": a.stdout.String(), "the audit": audit, "/metrics": metrics,
		"an exported trace": traces.raw.String(), "an answer": answers,
	} {
		credentials.search(t, place, text)
		texts.search(t, place, text)
		kept.search(t, place, text)
	}
	if !slices.ContainsFunc(values, func(v value) bool { return strings.Contains(v.what, stored) }) {
		t.Error("Redis does not hold what was stored: nothing would be found there")
	}
	for _, v := range values {
		credentials.search(t, "Redis, key "+v.where, v.what)
		texts.search(t, "Redis, key "+v.where, v.what)
	}
}

// refusedByTheAPI sends what is wrong in every way, and returns all answers, and the metrics after them.
func refusedByTheAPI(
	t *testing.T, a *child, token, other, key, good string, void func(number, reason, remark, more string) string, reason, remark string,
) (answers, metrics string) {
	t.Helper()
	usual := void("VG11000084", reason, remark, "")
	var lines []string
	for problem, body := range map[string]string{
		"a reason that is too long": void("VG11000084", strings.Repeat(reason, 4), remark, ""),
		"an unknown field":          strings.Replace(usual, `"Remark"`, `"remark"`, 1),
		"a name that is a text":     strings.Replace(usual, `"Remark":`, `"`+remark+`":`, 1),
		"a field twice":             strings.Replace(usual, `"Remark"`, `"Reason"`, 1),
		"a list for a text":         strings.Replace(usual, `"Remark":`, `"Remark":[`, 1) + "]",
		"half":                      usual[:len(usual)-3],
		"another merchant":          strings.Replace(usual, merchantID, "3002607", 1),
		"no such type":              strings.Replace(usual, "b2b:invalid", remark, 1),
		"a time that is none":       void("VG11000084", reason, remark, `,"process_at":"`+remark+`"`),
		"a wrong number":            void(reason, "訂單取消", remark, ""),
		"other values":              strings.Replace(void("VG11000081", "x", remark, ""), `"x"`, `"`+reason+`"`, 1),
	} {
		got := a.call("POST", "/v1/intents", token, body)
		if got.status < 400 || got.status >= 500 {
			t.Errorf("%s: got status %d and %s", problem, got.status, got.body)
		}
		if problem != "a name that is a text" { // which the answer names
			answers += got.body
			lines = append(lines, body)
		}
	}
	batch := a.call("POST", "/v1/intents/batch", token, strings.Join(lines, "\n")).wants(t, "a batch", 200)
	if !strings.Contains(batch.body, fmt.Sprintf(`"stored":0,"duplicate":0,"failed":%d`, len(lines))) {
		t.Errorf("a batch: got %s", batch.body)
	}
	answers += batch.body
	for what, got := range map[string]apiAnswer{
		"another token":      a.call("POST", "/v1/intents", other, usual),
		"the key once more":  a.call("POST", "/v1/intents", token, usual, "Idempotency-Key", key),
		"another type":       a.call("POST", "/v1/intents", token, usual, "Content-Type", "text/"+key),
		"another site":       a.call("POST", "/v1/intents", token, usual, "Origin", "https://"+key+".example"),
		"too large":          a.call("POST", "/v1/intents", token, void("VG11000084", reason, strings.Repeat(remark, 2000), "")),
		"a wrong parameter":  a.call("GET", "/v1/tasks?tsr="+token+"&wait="+key, token, ""),
		"a token as a path":  a.call("GET", "/v1/tasks/"+token, token, ""),
		"a token as another": a.call("GET", "/"+token, token, good),
	} {
		if got.status < 400 || got.status >= 500 {
			t.Errorf("%s: got status %d and %s", what, got.status, got.body)
		}
		answers += got.body
	}
	return answers, a.call("GET", "/metrics", token, "").wants(t, "/metrics", 200).body
}
