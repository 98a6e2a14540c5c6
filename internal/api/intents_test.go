package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const later = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"ORDER1001"},"process_at":"2036-01-01T00:00:00Z"}`

const trigger = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"ORDER1001"}}`

// dies makes a task a dead letter, as when asynq gave it up.
func (b *bench) dies(id string) {
	b.Helper()
	typ, _, err := tasks.ParseID(id)
	b.must(err)
	b.must(asynqxtest.GiveUp(b.Context(), b.rdb, typ.Queue, id))
	_, err = ledger.New(b.rdb, time.Hour, time.Now).Deposit(b.Context(), typ.Queue, id, tasks.NewNonce())
	b.must(err)
}

func TestAnIntentIsStoredOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.post("/v1/intents", trigger)
	var first, again enqueue.Receipt
	b.into(a, &first)
	want := "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001"
	if a.StatusCode != http.StatusCreated || a.Header.Get("Location") != want || first.State != record.StatePending || first.Duplicate {
		t.Errorf("got %d, %q and %+v, want 201 and where the task is", a.StatusCode, a.Header.Get("Location"), first)
	}
	a = b.post("/v1/intents", strings.ReplaceAll(trigger, ":{", " : {\n "))
	if b.into(a, &again); a.StatusCode != http.StatusOK || !again.Duplicate || again.ID != first.ID || a.Header.Get("Location") != want {
		t.Errorf("got %d and %+v, want 200 and that it was there", a.StatusCode, again)
	}
	// The same by Go is the same.
	r, err := b.queue.TriggerIssue(t.Context(), enqueue.TriggerIssue{MerchantID: "2000132", Tsr: "ORDER1001"})
	if err != nil || !r.Duplicate || r.ID != first.ID {
		t.Errorf("by Go: got %+v, %v, want a duplicate", r, err)
	}
	if a := b.get(want); a.StatusCode != http.StatusOK {
		t.Errorf("its task: got %d and %s", a.StatusCode, a.body)
	}
}

func TestEveryTypeIsTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i, c := range samples.Cases() {
		p := c.Payload(samples.At{MerchantID: "2000132", Subject: c.Subject("2000132", i), Date: "2026-11-01"})
		data, err := tasks.Encode(p)
		b.must(err)
		id := b.enqueued(fmt.Sprintf(`{"type":%q,"data":%s}`, c.Type, data))
		if got := b.get("/v1/tasks/" + id); got.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d and %s", id, got.StatusCode, got.body)
		}
	}
}

func TestAnIntentThatIsWrongIsAProblemThatNamesTheFieldAndNoValue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const secret = "sEcReT-7Q"
	long := strings.Repeat(secret, 10)
	for _, row := range []struct {
		name, body, problem string
		status              int
		field, says         string
		limit               int
	}{
		{"nothing", " ", "invalid-json", 400, "", "there is nothing", 0},
		{"null", "null", "invalid-json", 400, "", "must be an object", 0},
		{"half", `{"type":"b2c:trigger_issue","data":{"Tsr":"` + secret, "invalid-json", 400, "", "not JSON", 0},
		{"a list", `["` + secret + `"]`, "invalid-json", 400, "", "must be an object", 0},
		{"two", trigger + trigger, "invalid-json", 400, "", "more than one", 0},
		{"not UTF-8", "{\"type\":\"b2c:trigger_issue\xff\"}", "invalid-json", 400, "", "UTF-8", 0},
		{"unknown", `{"typ":"` + secret + `"}`, "unknown-field", 400, "typ", "unknown field", 0},
		{"misspelt", `{"Type":"` + secret + `"}`, "unknown-field", 400, "Type", `"type"`, 0},
		{"twice", `{"type":"a","type":"` + secret + `"}`, "unknown-field", 400, "type", "twice", 0},
		{"misspelt in data", `{"type":"b2c:trigger_issue","data":{"tsr":"` + secret + `"}}`, "unknown-field", 400, "tsr", `"Tsr"`, 0},
		{"PHP's empty array", `{"type":"b2c:trigger_issue","data":[]}`, "invalid-field", 422, "data", "object", 0},
		{"no type", `{"data":{"Tsr":"` + secret + `"}}`, "invalid-field", 422, "type", "is required", 0},
		{"no such type", `{"type":"` + secret + `","data":{"a":1}}`, "invalid-field", 422, "type", "b2c:trigger_issue", 0},
		{"no data", `{"type":"b2c:trigger_issue"}`, "invalid-field", 422, "data", "is required", 0},
		{"a number for text", `{"type":"b2c:trigger_issue","data":{"MerchantID":2000132}}`, "invalid-field", 422, "MerchantID",
			"text in double quotes", 0},
		{"too long", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"` + long + `"}}`, "invalid-field", 422, "Tsr",
			"at most 30", 30},
		{"no zone", strings.Replace(trigger, `"data"`, `"process_at":"`+secret+`","data"`, 1), "invalid-field", 422, "process_at", "RFC 3339", 0},
	} {
		a := b.post("/v1/intents", row.body)
		p := b.problem(a)
		if a.StatusCode != row.status || p.Type != "urn:ecpayq:problem:"+row.problem || !strings.Contains(p.Detail, row.says) {
			t.Errorf("%s: got %d, %s, %q, want %d, %s and %q", row.name, a.StatusCode, p.Type, p.Detail, row.status, row.problem, row.says)
		}
		if row.field != "" && (len(p.Errors) == 0 || p.Errors[0].Field != row.field || p.Errors[0].Limit != row.limit ||
			p.Errors[0].Message == "" || p.Errors[0].MessageZh == "" || strings.HasPrefix(p.Errors[0].MessageZh, "的")) {
			t.Errorf("%s: got the fields %+v, want %s with the limit %d", row.name, p.Errors, row.field, row.limit)
		}
		if strings.Contains(string(a.body), secret) {
			t.Errorf("%s: the value is in %s", row.name, a.body)
		}
	}
	if n := b.rdb.Keys(t.Context(), "*").Val(); len(n) > 0 {
		t.Errorf("something was stored: %q", n)
	}
}

// A number may be as telling as a name.
func TestARefusedNumberIsInNoAnswerAndItsLimitIs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := strings.Replace(trigger, `"Tsr"`, `"DelayDay":98765,"Tsr"`, 1)
	for path, status := range map[string]int{"/v1/intents": 422, "/v1/intents/batch": 200} {
		a := b.post(path, body)
		if text := string(a.body); a.StatusCode != status || strings.Contains(text, "98765") ||
			!strings.Contains(text, "DelayDay must be 0 to 15 days") || !strings.Contains(text, "DelayDay 須為 0 至 15 天") {
			t.Errorf("%s: got %d and %s, want the limit and not the value", path, a.StatusCode, text)
		}
	}
}

func TestABodyOfAnotherKindIsRefusedWithWhatToSet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, row := range []struct {
		path, contentType, encoding, want string
	}{
		{"/v1/intents", "", "", "application/json"},
		{"/v1/intents", "application/x-www-form-urlencoded", "", "application/json"},
		{"/v1/intents", "text/plain;charset=UTF-8", "", "application/json"},
		{"/v1/intents", "application/x-ndjson", "", "application/json"},
		{"/v1/intents/batch", "application/json", "", "application/x-ndjson"},
		{"/v1/intents", "application/json", "gzip", "application/json"},
	} {
		a := b.post(row.path, trigger, "Content-Type", row.contentType, "Content-Encoding", row.encoding)
		if p := b.problem(a); a.StatusCode != 415 || a.Header.Get("Accept-Post") != row.want ||
			row.encoding == "" && !strings.Contains(p.Detail, row.want) {
			t.Errorf("%+v: got %d, %q and %+v", row, a.StatusCode, a.Header.Get("Accept-Post"), p)
		}
	}
	if a := b.post("/v1/intents", trigger, "Content-Type", "application/json; charset=utf-8"); a.StatusCode != 201 {
		t.Errorf("with a charset: got %d", a.StatusCode)
	}
	a := b.post("/v1/intents", `{"x":"`+strings.Repeat("x", intents.MaxSize)+`"}`)
	if p := b.problem(a); a.StatusCode != 413 || !strings.Contains(p.Detail, "bytes") {
		t.Errorf("too large: got %d and %+v", a.StatusCode, p)
	}
}

func TestAnEarlierTaskThatIsDeadOrDiffersIsAProblem(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(trigger)
	a := b.post("/v1/intents", strings.Replace(trigger, `"Tsr"`, `"DelayDay":3,"Tsr"`, 1))
	if p := b.problem(a); a.StatusCode != 422 || p.Type != "urn:ecpayq:problem:differs" ||
		!slices.Equal(p.Differs, []string{"DelayDay"}) || p.State != "pending" {
		t.Errorf("got %d and %+v, want that DelayDay differs", a.StatusCode, p)
	}
	b.dies(id)
	a = b.post("/v1/intents", trigger, "Idempotency-Key", "k")
	p := b.problem(a)
	if a.StatusCode != 409 || p.Type != "urn:ecpayq:problem:dead" || p.Kind != ecpay.Unknown.String() || p.Advice == "" || p.AdviceZh == "" ||
		p.Task != "/v1/tasks/"+id {
		t.Errorf("got %d and %+v, want that it is dead, of what, and what to do", a.StatusCode, p)
	}
	// Nothing was stored, so that the key may come with what is needed.
	a = b.post("/v1/intents", strings.Replace(trigger, `"data"`, `"replace_dead":true,"data"`, 1), "Idempotency-Key", "k")
	var r enqueue.Receipt
	if b.into(a, &r); a.StatusCode != 201 || !r.Replaced {
		t.Errorf("replaced: got %d and %s", a.StatusCode, a.body)
	}
}

func TestAnIdempotencyKeyBelongsToOneBody(t *testing.T) {
	t.Parallel()
	first, firstHash := auth.New()
	second, secondHash := auth.New()
	all := []auth.Right{auth.Enqueue}
	b := newBench(t, auth.Token{Name: "a", Hash: firstHash, Merchants: []string{"*"}, May: all},
		auth.Token{Name: "b", Hash: secondHash, Merchants: []string{"*"}, May: all})
	other := strings.Replace(trigger, "ORDER1001", "ORDER1002", 1)
	for _, row := range []struct {
		token, key, body string
		status           int
	}{
		{first, "k", trigger, 201}, {first, "k", trigger, 200}, {first, "k", " " + trigger, 200}, {first, "k", other, 422},
		{second, "k", other, 201}, {first, "k2", other, 200}, {first, strings.Repeat("k", 256), trigger, 422}, {first, "中文", trigger, 422},
	} {
		a := b.call("POST", "/v1/intents", row.token, row.body, "Idempotency-Key", row.key)
		if a.StatusCode != row.status {
			t.Errorf("%.20s: got %d and %s, want %d", row.key, a.StatusCode, a.body, row.status)
		}
		if row.status == 422 && len(row.key) == 1 {
			if p := b.problem(a); p.Type != "urn:ecpayq:problem:idempotency-key-reused" {
				t.Errorf("got %+v", p)
			}
		}
	}
}

func TestARedisThatIsAwayIsSaidWithoutItsWords(t *testing.T) {
	t.Parallel()
	b := benchWith(t, func(c *enqueue.Config) { c.Timeout = time.Second })
	b.must(b.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err())
	a := b.post("/v1/intents", trigger)
	p := b.problem(a)
	if a.StatusCode != 503 || p.Type != "urn:ecpayq:problem:redis-unavailable" || a.Header.Get("Retry-After") == "" ||
		strings.Contains(string(a.body), "OOM") || !strings.Contains(b.log.String(), "OOM") {
		t.Errorf("full: got %d, %+v and Retry-After %q; the log has %s", a.StatusCode, p, a.Header.Get("Retry-After"), b.log)
	}
	batch := b.post("/v1/intents/batch", trigger+"\n"+trigger+"\n")
	if batch.StatusCode != 503 {
		t.Errorf("a batch: got %d and %s", batch.StatusCode, batch.body)
	}
	b.must(b.rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	b.enqueued(trigger)
	b.redis.Kill()
	for _, row := range []struct{ method, path, body string }{
		{"POST", "/v1/intents", trigger}, {"POST", "/v1/intents/batch", trigger}, {"GET", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001", ""},
		{"GET", "/v1/tasks", ""}, {"GET", "/v1/outcomes", ""}, {"POST", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001/resolve", `{"note":"x"}`},
	} {
		a := b.call(row.method, row.path, "", row.body)
		if p := b.problem(a); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || strings.Contains(string(a.body), "refused") ||
			strings.Contains(string(a.body), "dial") {
			t.Errorf("away, %s %s: got %d and %+v", row.method, row.path, a.StatusCode, p)
		}
	}
	if a := b.get("/readyz"); a.StatusCode != 503 {
		t.Errorf("/readyz: got %d", a.StatusCode)
	}
	if a := b.get("/livez"); a.StatusCode != 200 {
		t.Errorf("/livez: got %d", a.StatusCode)
	}
}

func TestIntentsThatComeTogetherAreStoredOnceEach(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const senders, each = 24, 40 // of each intent three, at about the same moment
	var wg sync.WaitGroup
	var created, there atomic.Int64
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				text := strings.Replace(trigger, "ORDER1001", fmt.Sprintf("T%d", s/3*each+i), 1)
				if i%10 == 9 {
					text = `{"type":"b2b:invalid","data":{}}`
				}
				status, body := b.serve(t, "POST", "/v1/intents", text)
				switch {
				case status == 201:
					created.Add(1)
				case status == 200:
					there.Add(1)
				case status != 422 || i%10 != 9:
					t.Errorf("got %d and %s", status, body)
				}
			}
		})
	}
	wg.Wait()
	if want := int64(senders / 3 * each * 9 / 10); created.Load() != want || there.Load() != 2*want {
		t.Errorf("%d were stored and %d were there, want %d and %d", created.Load(), there.Load(), want, 2*want)
	}
	if n := b.rdb.LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); n != created.Load() {
		t.Errorf("%d are pending, want %d", n, created.Load())
	}
}
