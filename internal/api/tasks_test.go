package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// page is a page of a list.
type page struct {
	Tasks []struct {
		ID, State string
		Advice    string
	}
	Next   *string
	Broken []string
}

// list reads all pages of a list.
func (b *bench) list(query string) (ids []string) {
	b.Helper()
	for cursor := ""; ; {
		a := b.get("/v1/tasks?" + query + cursor)
		var p page
		if b.into(a, &p); a.StatusCode != http.StatusOK {
			b.Fatalf("%s: got %d and %s", query, a.StatusCode, a.body)
		}
		for _, t := range p.Tasks {
			ids = append(ids, t.ID)
		}
		if p.Next == nil {
			slices.Sort(ids)
			return ids
		}
		cursor = "&cursor=" + url.QueryEscape(*p.Next)
	}
}

func TestAWrongTypedKeyOfOneMerchantKeepsNoOthersTasks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dead, broken := b.enqueued(trigger), b.enqueued(strings.ReplaceAll(trigger, "ORDER1001", "ORDER1002"))
	b.dies(dead)
	b.must(ledger.NoteOwner(t.Context(), b.rdb, "b2b.invalid.3000001.VG1.2026-11-01"))
	b.must(b.rdb.Set(t.Context(), record.OwnerDeadKey("3000001"), "no such thing", 0).Err())
	b.must(b.rdb.Set(t.Context(), record.TaskKey(broken), "no hash", 0).Err())
	for query, want := range map[string]string{"": dead, "state=dead": dead, "tsr=ORDER1001": dead} {
		a := b.get("/v1/tasks?" + query)
		var p page
		if b.into(a, &p); a.StatusCode != http.StatusOK || !slices.Contains(p.Broken, "3000001") || len(p.Tasks) == 0 || p.Tasks[0].ID != want {
			t.Errorf("%q: got %d and %s, want %s, and 3000001 as broken", query, a.StatusCode, a.body, want)
		}
	}
}

func TestALongPollEndsWhenTheTaskDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(trigger)
	if begun := time.Now(); b.get("/v1/tasks/"+id+"?wait=300ms").StatusCode != 200 || time.Since(begun) < 300*time.Millisecond {
		t.Error("it did not wait for a task that is pending")
	}
	ended := make(chan answer)
	go func() { ended <- b.get("/v1/tasks/" + id + "?wait=30s") }()
	b.dies(id)
	var got record.Task
	b.into(<-ended, &got)
	if got.State != record.StateDead {
		t.Errorf("got %+v, want it dead", got)
	}
	if a := b.get("/v1/tasks/b2c.trigger_issue.2000132.NOBODY?wait=30s"); a.StatusCode != 404 {
		t.Errorf("one that is not there: got %d", a.StatusCode)
	}
	for _, wait := range []string{"31s", "-1s", "x", "", "30"} {
		if a := b.get("/v1/tasks/" + id + "?wait=" + wait); a.StatusCode != 422 || b.problem(a).Errors[0].Field != "wait" {
			t.Errorf("wait=%s: got %d", wait, a.StatusCode)
		}
	}
}

// PHP's file_get_contents gives an empty text, and no warning, where nothing comes for long after the header.
func TestALongPollSendsNothingBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i, path := range []string{"outcomes", "tasks/b2c.trigger_issue.2000132.SILENT1"} {
		id := b.enqueued(fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"SILENT%d"}}`, i))
		conn := b.dial()
		fmt.Fprintf(conn, "GET /v1/%s?wait=30s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		b.must(conn.SetReadDeadline(time.Now().Add(time.Second)))
		if n, err := conn.TCPConn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %d bytes before the answer, and %v", path, n, err)
		}
		b.must(conn.SetReadDeadline(time.Now().Add(20 * time.Second)))
		b.dies(id)
		if a, err := conn.answer(); err != nil || a.StatusCode != http.StatusOK {
			t.Errorf("%s: got %+v, %v", path, a, err)
		}
	}
}

func TestWhoWaitsIsAnsweredWhenTheAPIStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(trigger)
	ended := make(chan answer, 2)
	go func() { ended <- b.get("/v1/tasks/" + id + "?wait=30s") }()
	go func() { ended <- b.get("/v1/outcomes?wait=30s") }()
	time.Sleep(200 * time.Millisecond)
	begun := time.Now()
	b.api.Stop()
	for range 2 {
		if a := <-ended; a.StatusCode != 200 && a.StatusCode != 503 {
			t.Errorf("got %d and %s", a.StatusCode, a.body)
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTasksAreFoundByTheirNumbersInEveryState(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	trigger := func(merchant, tsr, more string) string {
		return fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":%q,"Tsr":%q%s}}`, merchant, tsr, more)
	}
	pending := b.enqueued(trigger("2000132", "A1", `,"RelateNumber":"R1"`))
	dead := b.enqueued(trigger("2000132", "A2", ""))
	b.dies(dead)
	other := b.enqueued(trigger("3002607", "A1", ""))
	cancel := b.enqueued(`{"type":"b2c:cancel_delay_issue","data":{"MerchantID":"2000132","Tsr":"A1"}}`)
	void := b.enqueued(`{"type":"b2b:invalid","data":{"MerchantID":"2000132","InvoiceNumber":"VG11000002","InvoiceDate":"2026-11-01",` +
		`"Reason":"x"},` +
		`"process_at":"2036-01-01T00:00:00Z"}`)
	confirm := b.enqueued(`{"type":"b2b:get_allowance_confirm","data":` +
		`{"MerchantID":"2000132","AllowanceNo":"26030100000001","UntilConfirmed":true}}`)
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(dead), record.FieldInvoice,
		`{"number":"AB12345678","date":"2026-11-30","random_code":"1234"}`).Err())
	all := []string{pending, dead, other, cancel, void, confirm}
	for query, want := range map[string][]string{
		"":                           all,
		"limit=1":                    all,
		"tsr=A1":                     {pending, other, cancel},
		"tsr=A1&merchant_id=2000132": {pending, cancel},
		"tsr=A1&merchant_id=1&merchant_id=3002607":        {other},
		"tsr=A1&relate_number=R1":                         {pending},
		"relate_number=R1":                                {pending},
		"relate_number=R1&merchant_id=3002607":            nil,
		"invoice_number=VG11000002":                       {void},
		"invoice_number=AB12345678":                       {dead},
		"invoice_number=AB12345678&merchant_id=2000132":   {dead},
		"invoice_number=AB12345678&merchant_id=3002607":   nil,
		"invoice_number=AB12345678&tsr=A2":                {dead},
		"invoice_number=AB12345678&tsr=A1":                nil,
		"allowance_no=26030100000001":                     {confirm},
		"allowance_no=26030100000001&merchant_id=2000132": {confirm},
		"state=dead":                     {dead},
		"state=dead&merchant_id=3002607": nil,
		"state=scheduled":                {void},
		"state=pending&tsr=A2":           nil,
		"state=pending&limit=2":          {pending, other, cancel, confirm},
		"tsr=nobody":                     nil,
	} {
		slices.Sort(want)
		if got := b.list(query); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	var p page
	if b.into(b.get("/v1/tasks?state=dead"), &p); len(p.Tasks) != 1 || p.Tasks[0].Advice == "" {
		t.Errorf("got %+v, want advice on a dead task", p)
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "state=missing": "state", "cursor=x": "cursor", "cursor=": "cursor",
		"tsr=": "tsr", "cursor=" + strings.Repeat("A", 2000): "cursor",
	} {
		if a := b.get("/v1/tasks?" + query); a.StatusCode != 422 || b.problem(a).Errors[0].Field != field {
			t.Errorf("%.20s: got %d and %s", query, a.StatusCode, a.body)
		}
	}
	for path, name := range map[string]string{
		"tasks?tsr=a&tsr=b": "tsr", "tasks?limit=0&state=x&limit=1": "limit", "outcomes?wait=1s&wait=1s": "wait",
	} {
		a := b.get("/v1/" + path)
		if p := b.problem(a); a.StatusCode != 400 || p.Type != "urn:ecpayq:problem:unknown-field" ||
			len(p.Errors) != 1 || p.Errors[0].Field != name {
			t.Errorf("%s: got %d and %s, want that %s is there twice", path, a.StatusCode, a.body, name)
		}
	}
	if a := b.get("/v1/tasks?TSR=A1"); a.StatusCode != 400 || b.problem(a).Type != "urn:ecpayq:problem:unknown-field" {
		t.Errorf("a misspelt name: got %d and %s", a.StatusCode, a.body)
	}
}

func TestAListOfVeryManyHasEachOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n, later = 2600, 700
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"N%d"}`, i)
		if i < later { // all at the same second
			body.WriteString(`,"process_at":"2036-01-01T00:00:00Z"`)
		}
		body.WriteString("}\n")
	}
	if a := b.post("/v1/intents/batch", body.String()); a.StatusCode != 200 {
		t.Fatalf("got %d and %s", a.StatusCode, a.body)
	}
	for query, want := range map[string]int{"limit=1000": n, "state=scheduled&limit=333": later, "state=pending&limit=77": n - later} {
		got := b.list(query)
		if len(got) != want || len(slices.Compact(got)) != want {
			t.Errorf("%s: got %d, %d of them different, want %d", query, len(got), len(slices.Compact(got)), want)
		}
	}
	if got := b.list("tsr=N2599"); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestActsAreDoneOnceWithANoteAndAudited(t *testing.T) {
	t.Parallel()
	token, hash := auth.New()
	b := newBench(t, auth.Token{Name: "ops", Hash: hash, Merchants: []string{"*"}, May: auth.Rights()})
	void := `{"type":"b2b:invalid","data":{"MerchantID":"2000132","InvoiceNumber":"VG11000002","InvoiceDate":"2026-11-01","Reason":"x"}}`
	for _, body := range []string{later, void} {
		if a := b.call("POST", "/v1/intents", token, body); a.StatusCode != 201 {
			t.Fatalf("got %d and %s", a.StatusCode, a.body)
		}
	}
	const waits, dead = "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001", "/v1/tasks/b2b.invalid.2000132.VG11000002.2026-11-01"
	b.dies(strings.TrimPrefix(dead, "/v1/tasks/"))
	for _, row := range []struct {
		path, body string
		status     int
		says       string
	}{
		{waits + "/cancel", `{}`, 422, "note"},
		{waits + "/cancel", `{"note":" "}`, 422, "note"},
		{waits + "/cancel", `{"note":"` + strings.Repeat("x", 1001) + `"}`, 422, "note"},
		{waits + "/cancel", `{"note":"n","set":{"Tsr":"x"}}`, 422, "set"},
		{waits + "/cancel", `{"Note":"n"}`, 400, "unknown-field"},
		{waits + "/cancel", `[]`, 400, "invalid-json"},
		{waits + "/resolve", `{"note":"n"}`, 409, "busy"},
		{waits + "/replay", `{}`, 409, "busy"},
		{waits + "/cancel", `{"note":"not wanted"}`, 200, `"outcome":"cancelled"`},
		{waits + "/cancel", `{"note":"not wanted"}`, 200, `"outcome":"cancelled"`}, // the answer before may have been lost
		{waits + "/cancel", `{"note":"another"}`, 409, "busy"},
		{dead + "/cancel", `{"note":"n"}`, 409, "busy"},
		{dead + "/replay", `{"set":{"Nothing":"x"}}`, 422, "set.Nothing"},
		{dead + "/replay", `{"set":{"InvoiceNumber":"VG11000003"}}`, 422, "another task"},
		{dead + "/replay", `{"set":{"Reason":"` + strings.Repeat("x", 21) + `"}}`, 422, "at most 20"},
		{dead + "/replay", `{"set":{"Reason":5}}`, 422, "Reason"},
		{dead + "/replay", `{"note":"corrected","set":{"Reason":"y"}}`, 200, `"outcome":"replayed"`},
		{dead + "/replay", `{}`, 409, "busy"},
	} {
		a := b.call("POST", row.path, token, row.body)
		if a.StatusCode != row.status || !strings.Contains(string(a.body), row.says) {
			t.Errorf("%s %.60s: got %d and %s, want %d and %q", row.path, row.body, a.StatusCode, a.body, row.status, row.says)
		}
	}
	b.dies(strings.TrimPrefix(dead, "/v1/tasks/"))
	for range 2 { // the answer before may have been lost
		a := b.call("POST", dead+"/resolve", token, `{"note":"done by hand"}`)
		if a.StatusCode != 200 || !strings.Contains(string(a.body), "resolved") {
			t.Errorf("resolve: got %d and %s", a.StatusCode, a.body)
		}
	}
	audit := b.rdb.XRange(t.Context(), record.AuditKey, "-", "+").Val()
	var acts []string
	for _, m := range audit {
		acts = append(acts, fmt.Sprint(m.Values["who"], " ", m.Values["what"], " ", m.Values["note"]))
	}
	want := []string{"api:ops cancel not wanted", "api:ops replay,set corrected", "api:ops resolve done by hand"}
	for _, w := range want {
		if !slices.Contains(acts, w) {
			t.Errorf("the audit has %q, want %q in it", acts, w)
		}
	}
}

func TestACorrectionThatCannotBeMadeNamesTheFieldInBothLanguages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(trigger)
	b.dies(id)
	english := regexp.MustCompile(`[a-z]{2,} [a-z]{2,}`)
	for _, row := range []struct {
		set, field, en, zh string
		limit              int
	}{
		{`"DelayDay":"sEcReT-7Q"`, "set.DelayDay", "must be a whole number in decimal digits", "須為十進位整數", 0},
		{`"DelayDay":"98765"`, "set.DelayDay", "must be 0 to 15 days", "須為 0 至 15 天", 15},
		{`"DelayDay":98765`, "set.DelayDay", "text in double quotes", "字串", 0},
		{`"Nope":"sEcReT-7Q"`, "set.Nope", "is unknown", "不存在", 0},
		{`"delayDay":"2"`, "set.delayDay", `names are exact, it is "DelayDay"`, "應為「DelayDay」", 0},
		{`"PayType":"` + strings.Repeat("sEcReT-7Q", 1820) + `"`, "set.PayType", "too large", "過大", 0},
		{`"RelateNumber":"sEcReT-7Q!"`, "set.RelateNumber", "letters, digits", "英數字", 50},
	} {
		a := b.post("/v1/tasks/"+id+"/replay", `{"set":{`+row.set+`}}`)
		p := b.problem(a)
		if a.StatusCode != 422 || len(p.Errors) != 1 || p.Errors[0].Field != row.field || p.Errors[0].Limit != row.limit ||
			!strings.Contains(p.Errors[0].Message, row.en) || !strings.Contains(p.Errors[0].MessageZh, row.zh) {
			t.Errorf("%.30s: got %d and %+v, want %+v", row.set, a.StatusCode, p, row)
		}
		if text := string(a.body); strings.Contains(text, "sEcReT-7Q") || strings.Contains(text, "98765") || english.MatchString(p.DetailZh) {
			t.Errorf("%.30s: the value or English in Chinese is in %s", row.set, text)
		}
	}
}

func TestTheFeedOfOutcomesIsReadPageByPageAndSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 5 {
		b.dies(b.enqueued(fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"E%d"}}`, i)))
	}
	var seqs []int64
	var p struct {
		Outcomes []enqueue.Outcome
		Next     string
	}
	for cursor := ""; ; cursor = "&after=" + url.QueryEscape(p.Next) {
		p.Outcomes = nil
		a := b.get("/v1/outcomes?limit=2" + cursor)
		b.into(a, &p)
		for _, o := range p.Outcomes {
			seqs = append(seqs, o.Seq)
		}
		if a.StatusCode != 200 || len(p.Outcomes) == 0 {
			break
		}
	}
	if !slices.Equal(seqs, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("got %v", seqs)
	}
	ended := make(chan answer)
	go func() { ended <- b.get("/v1/outcomes?wait=30s&after=" + url.QueryEscape(p.Next)) }()
	b.dies(b.enqueued(`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"E5"}}`))
	if b.into(<-ended, &p); len(p.Outcomes) != 1 || p.Outcomes[0].Seq != 6 {
		t.Errorf("who waited got %+v", p)
	}
	// What a reader has not read is gone.
	var first struct{ Next string }
	b.into(b.get("/v1/outcomes?limit=1"), &first)
	b.must(b.rdb.XTrimMaxLen(t.Context(), record.OwnerOutcomesKey("2000132"), 2).Err())
	a := b.get("/v1/outcomes?after=" + url.QueryEscape(first.Next))
	gap := b.problem(a)
	if a.StatusCode != 410 || gap.Type != "urn:ecpayq:problem:gone" || gap.Next == "" || !strings.Contains(gap.Detail, "2 to 4") ||
		!strings.HasPrefix(gap.DetailZh, "特店「2000132」的第 2 至 4 筆") {
		t.Errorf("got %d and %+v", a.StatusCode, gap)
	}
	b.into(b.get("/v1/outcomes?after="+url.QueryEscape(gap.Next)), &p)
	if len(p.Outcomes) != 2 || p.Outcomes[0].Seq != 5 {
		t.Errorf("went on at %+v", p)
	}
	for _, q := range []string{"after=x", "after=", "limit=0", "wait=1m", "merchant_id="} {
		if a := b.get("/v1/outcomes?" + q); a.StatusCode != 422 {
			t.Errorf("%s: got %d and %s", q, a.StatusCode, a.body)
		}
	}
}

func TestAMerchantThatCannotBeOneIsSaidInASentence(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.problem(b.get("/v1/outcomes?merchant_id=%7Bx%7D"))
	if p.Status != 422 || p.Detail != "merchant_id may not have braces" || p.DetailZh != "merchant_id 不可有大括號" {
		t.Errorf("got %+v", p)
	}
	for i := range 1001 {
		b.must(b.rdb.SAdd(t.Context(), record.OutcomeOwnersKey, fmt.Sprint(i)).Err())
	}
	p = b.problem(b.get("/v1/outcomes"))
	if p.Status != 422 || !strings.HasPrefix(p.Detail, "merchant_id is required") || !strings.Contains(p.DetailZh, "至多 100 個") {
		t.Errorf("of very many: got %+v", p)
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "tsr=A1", "cursor=MQpwZW5kaW5nOnRyaWdnZXJfaXNzdWUKMQo",
		"limit=1&state=dead", "after=AQ", "%zz=1", "a;b=c", "wait=1ns",
	} {
		f.Add(q)
	}
	b := newFuzzBench(f)
	f.Fuzz(func(t *testing.T, q string) {
		if strings.Contains(q, "wait") {
			return // it would wait
		}
		for _, path := range []string{"/v1/tasks?", "/v1/outcomes?", "/v1/tasks/b2c.trigger_issue.1.2?"} {
			status, body := b.serve(t, "GET", path+q, "")
			if status == http.StatusInternalServerError || !json.Valid(body) {
				t.Errorf("%s%q: got %d and %q", path, q, status, body)
			}
		}
	})
}
