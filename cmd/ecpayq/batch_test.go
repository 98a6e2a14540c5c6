package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// batchLine is what enqueue batch prints for a line.
type batchLine struct {
	Line int
	receipt
	Error  string
	Fields []struct{ Field, Problem string }
}

func batchLines(t *testing.T, text string) (list []batchLine) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	for {
		var l batchLine
		if err := dec.Decode(&l); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatalf("stdout is not what it should be: %v\n%s", err, text)
		}
		list = append(list, l)
	}
}

// triggers are lines that trigger n invoices.
func triggers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b,
			`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"BATCH%07d","RelateNumber":"R%d","DelayDay":0}}`+"\n", i, i)
	}
	return b.String()
}

func inFile(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "batch.ndjson"), text)
}

// batchTrigger is a line of a batch, with a place for the Tsr.
const batchTrigger = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":%q}}`

// batchRow is a line and what becomes of it: its state, or a part of its error.
type batchRow struct{ name, text, state, err string }

func batchRows() []batchRow {
	long := fmt.Sprintf(`{"type":"b2b:invalid","data":{"Reason":%q}}`, strings.Repeat("長", tasks.MaxPayload()))
	return []batchRow{
		{"the first, after a byte order mark", "\ufeff" + fmt.Sprintf(batchTrigger, "A"), "pending", ""},
		{"blank", "   ", "", ""},
		{"spaced, with a carriage return", " " + fmt.Sprintf(batchTrigger, "B") + " \r", "pending", ""},
		{"for later", `{"process_at":"2126-01-31T09:00:00+08:00",` + fmt.Sprintf(batchTrigger, "C")[1:], "scheduled", ""},
		{"enqueued before", fmt.Sprintf(batchTrigger, "BEFORE"), "pending", ""},
		{
			"of another queue",
			`{"data":{"MerchantID":"2000132","InvoiceNumber":"VG11000021","InvoiceDate":"2026-03-02","Reason":"訂單取消"},"type":"b2b:invalid"}`,
			"pending", "",
		},
		{"no JSON", `{"type":"b2c:trigger_issue","data":{`, "", "is no JSON object"},
		{"no object", `["b2c:trigger_issue"]`, "", "is no JSON object"},
		{"two values", fmt.Sprintf(batchTrigger, "D") + "{}", "", "more than one JSON value"},
		{"an unknown word", `{"typ":"b2c:trigger_issue","data":{}}`, "", `unknown field "typ"`},
		{"two values after each other", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"D"},"data":{"MerchantID":"2000132"}}`,
			"", `field "data" is there twice`},
		{"one name in two cases", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"AA","TSR":"BB"}}`,
			"", `unknown field "TSR": names are exact, it is "Tsr"`},
		{"one name twice", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"AA","Tsr":"BB"}}`,
			"", `field "data.Tsr" is there twice`},
		{"PHP's empty array", `{"type":"b2c:trigger_issue","data":[]}`, "", `field "data" has the wrong JSON type: it must be an object`},
		{"a power of ten", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"D","DelayDay":1e1}}`,
			"", `field "DelayDay" has the wrong JSON type: it must be a whole number in decimal digits`},
		{"an object that does not end", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"D"}`, "", "is no JSON object"},
		{"no type", `{"data":{}}`, "", "type is required"},
		{"no data", `{"type":"b2c:trigger_issue"}`, "", "data is required"},
		{"an unknown type", `{"type":"b2c:trigger","data":{}}`, "", "type must be one of b2c:trigger_issue"},
		{"an unknown field", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","TSR_":"E"}}`, "", `unknown field "TSR_"`},
		{"a field of another type", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":7}}`,
			"", `field "Tsr" has the wrong JSON type`},
		{"a time without a zone", `{"process_at":"2026-01-31 09:00",` + fmt.Sprintf(batchTrigger, "F")[1:], "", "process_at must be RFC 3339"},
		{"a field out of its limits", fmt.Sprintf(batchTrigger, strings.Repeat("S", 31)), "", "Tsr has 31 characters, at most 30"},
		{"longer than any", long, "", "is longer than"},
		{"the last, without a line break", fmt.Sprintf(batchTrigger, "Z"), "pending", ""},
	}
}

func TestABatchReportsEveryLineAndStoresTheGoodOnes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.enqueue("trigger-issue", "--tsr", "BEFORE", "--delay-day", "0")
	rows := batchRows()
	var text []string
	for _, row := range rows {
		text = append(text, row.text)
	}
	all := strings.Join(text, "\n")
	r := b.run("enqueue", "batch", inFile(t, all))
	if r.code != 1 {
		t.Errorf("exit code %d, want 1\n%s", r.code, r.stderr)
	}
	results := batchLines(t, r.stdout)
	for i, row := range rows {
		if row.state == "" && row.err == "" {
			continue
		}
		if len(results) == 0 {
			t.Fatalf("%s: no result", row.name)
		}
		got := results[0]
		results = results[1:]
		if got.Line != i+1 || got.State != row.state || got.Duplicate != (row.name == "enqueued before") ||
			!strings.Contains(got.Error, row.err) || (row.err == "") != (got.Error == "") {
			t.Errorf("%s: %+v, want line %d, state %q and error %q", row.name, got, i+1, row.state, row.err)
		}
		if (row.err == "") != (got.ID != "") {
			t.Errorf("%s: id %q", row.name, got.ID)
		}
		if row.err != "" && !strings.Contains(r.stderr, fmt.Sprintf("ecpayq: line %d: ", i+1)) {
			t.Errorf("%s: it is not on stderr", row.name)
		}
		if row.name == "a field out of its limits" && (len(got.Fields) != 1 || got.Fields[0].Field != "Tsr") {
			t.Errorf("%s: fields %+v", row.name, got.Fields)
		}
	}
	if len(results) != 0 {
		t.Errorf("more results: %+v", results)
	}
	for _, want := range []string{"line 5: warning: the earlier task, which stands, differs in DelayDay\n",
		"stored 5, duplicate 1, differing 1, invalid 18\n", "18 of 24 lines were not stored"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "SSSS") || strings.Contains(r.stderr, "長長") {
		t.Errorf("stderr quotes a value:\n%s", r.stderr)
	}

	again := b.run("enqueue", "batch", inFile(t, fmt.Sprintf(batchTrigger, "A")+"\n"))
	if got := batchLines(t, again.stdout); again.code != 0 || len(got) != 1 || !got[0].Duplicate {
		t.Errorf("%+v, want a duplicate and exit code 0", again)
	}
}

func TestALineOfManyMegabytesKeepsNoOtherFromBeingStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	text := fmt.Sprintf(batchTrigger, "A") + "\n" + strings.Repeat("x", 5<<20) + "\n" + fmt.Sprintf(batchTrigger, "B") + "\n"
	r := b.run("enqueue", "batch", inFile(t, text))
	if results := batchLines(t, r.stdout); len(results) != 3 || !strings.Contains(results[1].Error, "is longer than") || results[2].Line != 3 {
		t.Errorf("got %+v and %s, want the second line refused and the others stored", results, r.stderr)
	}
}

func TestTheProblemsOfABatchAreToldOnceAndNotWithoutEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const wrong = 10_000
	r := b.run("enqueue", "batch", inFile(t, triggers(1)+strings.Repeat("{}\n", wrong)+triggers(2)))
	if got := batchLines(t, r.stdout); r.code != 1 || len(got) != wrong+3 || got[wrong+2].Line != wrong+3 {
		t.Fatalf("exit code %d and %d results", r.code, len(got))
	}
	if n := strings.Count(r.stderr, "\n"); n > 30 || !strings.Contains(r.stderr, "and 9980 more") {
		t.Errorf("%d lines on stderr:\n%s", n, tail(r.stderr, 1000))
	}
}

func TestABatchFromAPipeIsAnsweredWhileThePipeIsOpen(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r, w, err := os.Pipe()
	b.must(err)
	defer r.Close()
	c := startWith(t, r, b.env, "enqueue", "batch", "-")
	lines := strings.SplitAfter(triggers(3), "\n")
	for i, line := range lines[:2] {
		_, err := io.WriteString(w, line)
		b.must(err)
		b.eventually("the line is answered", func() bool { return strings.Count(c.stdout.String(), "\n") == i+1 })
	}
	// An interruption ends it although the pipe is open.
	c.signal(syscall.SIGINT)
	end := c.wait(time.Minute)
	if end.code != 1 || !strings.Contains(end.stderr, "interrupted after line 2") || len(batchLines(t, end.stdout)) != 2 {
		t.Errorf("%+v, want that it says that it was interrupted", end)
	}
	_ = w.Close()
}

func TestABatchThatIsKilledIsResumedByRunningItAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"}) // all of them pending
	const n = 30_000
	file := inFile(t, triggers(n))
	rdb := b.redis.Client()
	pending := func() int64 { return rdb.LLen(t.Context(), "asynq:{trigger_issue}:pending").Val() }
	connected := func() string {
		_, after, _ := strings.Cut(rdb.Info(t.Context(), "clients").Val(), "connected_clients:")
		n, _, _ := strings.Cut(after, "\r\n")
		return n
	}
	alone := connected()
	c := start(t, b.env, "enqueue", "batch", file)
	b.eventually("some tasks are stored", func() bool { return pending() > 0 })
	c.kill()
	// What it had sent before it was killed is executed all the same, and only then is its connection closed.
	b.eventually("Redis has read all that it sent", func() bool { return connected() == alone })
	before := pending()
	if before == n {
		t.Fatal("it had stored everything before it was killed; make the file longer")
	}
	r := b.run("enqueue", "batch", file)
	if r.code != 0 || pending() != n {
		t.Fatalf("exit code %d and %d tasks, want 0 and %d\n%s", r.code, pending(), n, r.stderr)
	}
	stored, duplicate := 0, 0
	for i, l := range batchLines(t, r.stdout) {
		if l.Line != i+1 || l.State != "pending" || len(l.Differs) > 0 {
			t.Fatalf("%+v", l)
		}
		if l.Duplicate {
			duplicate++
		} else {
			stored++
		}
	}
	if want := int(before); duplicate != want || stored != n-want {
		t.Errorf("%d duplicates and %d stored, want %d and %d", duplicate, stored, want, n-want)
	}
}

func TestABatchEndsWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	r := b.runWith(env{"ECPAYQ_REDIS_URL": "redis://" + freeAddr(t) + "/0"}, "enqueue", "batch", inFile(t, triggers(100_000)))
	if r.code != 1 || !strings.Contains(r.stderr, "error: line 1: ") || !strings.Contains(r.stderr, "hint: check ECPAYQ_REDIS_URL") {
		t.Errorf("exit code %d, want 1 with a hint\n%s", r.code, r.stderr)
	}
	if n := len(batchLines(t, r.stdout)); n != 1 {
		t.Errorf("%d results, want the first", n)
	}
}

func TestAFileThatCannotBeReadIsAMistakeOnTheCommandLine(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"no file":   {nil, "give one file"},
		"two files": {[]string{"a", "b"}, "give one file"},
		"not there": {[]string{filepath.Join(t.TempDir(), "missing")}, "no such file"},
		"directory": {[]string{t.TempDir()}, "is a directory"},
	} {
		r := b.run(append([]string{"enqueue", "batch"}, row.args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, row.want) || r.stdout != "" {
			t.Errorf("%s: %+v, want exit code 2 and %q", name, r, row.want)
		}
	}
}

func TestABatchReplacesDeadTasksWhenAsked(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.worker()
	dead := b.rejectedVoid("VG11000091")
	w.stop()
	line := `{"type":"b2b:invalid","data":{"MerchantID":"2000132","InvoiceNumber":"VG11000091","InvoiceDate":"` +
		invoiceDate + `","Reason":"已修正"}}`
	for i, row := range []struct {
		args     []string
		code     int
		state    string
		replaced bool
	}{{nil, 3, "dead", false}, {[]string{"--replace-dead", "--process-in", "1h"}, 0, "scheduled", true}} {
		r := b.run(append([]string{"enqueue", "batch", inFile(t, line)}, row.args...)...)
		got := batchLines(t, r.stdout)
		if r.code != row.code || len(got) != 1 || got[0].ID != dead.ID || got[0].State != row.state || got[0].Replaced != row.replaced {
			t.Errorf("run %d: %+v, want %s", i, r, row.state)
		}
	}
	if acts := b.audit(); len(acts) != 1 || acts[0].ID != dead.ID {
		t.Errorf("audit: %s", cmp.Diff(nil, acts))
	}
}
