package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/intents"
)

// lines are n intents, one a line.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"L%d"}}`+"\n", i)
	}
	return b.String()
}

// result is a line of an answer.
type result struct {
	Line      int
	ID        string
	Duplicate bool
	Error     string
	ErrorZh   string `json:"error_zh"`
	Problem   string
	Summary   *struct{ Lines, Stored, Duplicate, Failed int }
}

// results reads an answer to a batch: a result a line in order, and one that sums up.
func (b *bench) results(body io.Reader) (all []result, sum result) {
	b.Helper()
	in := bufio.NewScanner(body)
	for in.Scan() {
		if sum.Summary != nil {
			b.Errorf("after the summary: %s", in.Bytes())
		}
		var r result
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			b.Errorf("%s: %v", in.Bytes(), err)
		}
		if r.Summary != nil {
			sum = r
			continue
		}
		if len(all) > 0 && all[len(all)-1].Line >= r.Line {
			b.Errorf("line %d after line %d", r.Line, all[len(all)-1].Line)
		}
		all = append(all, r)
	}
	b.must(in.Err())
	if sum.Summary == nil || sum.Summary.Lines != len(all) || sum.Summary.Stored+sum.Summary.Duplicate+sum.Summary.Failed != len(all) {
		b.Errorf("%d results are summed up as %+v", len(all), sum.Summary)
	}
	return all, sum
}

func TestABatchOfAnySizeHasOneResultALine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, n := range []int{1, 10, 511, 512, 513, 1000, 20_000} {
		a := b.post("/v1/intents/batch", lines(n))
		all, sum := b.results(bytes.NewReader(a.body))
		if a.StatusCode != 200 || len(all) != n || sum.Summary.Failed != 0 {
			t.Fatalf("%d lines: got %d, %d results and %+v", n, a.StatusCode, len(all), sum.Summary)
		}
	}
}

func TestLinesThatAreWrongAreToldInTheirPlaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := strings.TrimSpace(lines(1))
	dead := b.enqueued(strings.Replace(good, "L0", "DEAD", 1))
	b.dies(dead)
	text := "\ufeff" + strings.Join([]string{
		good, "", `{"typ":1}`, `{"x":"` + strings.Repeat("x", intents.MaxSize) + `"}`, strings.Replace(good, "L0", "no such char!", 1),
		strings.Replace(good, "L0", "DEAD", 1), strings.Replace(good, `"data"`, `"replace_dead":true,"data"`, 1), "  " + good + "  ",
		strings.Replace(good, "L0", "last", 1),
	}, "\r\n")
	a := b.post("/v1/intents/batch", text)
	all, sum := b.results(bytes.NewReader(a.body))
	want := []string{"", "unknown-field", "too-large", "invalid-field", "dead", "", "", ""}
	if len(all) != len(want) || sum.Summary.Stored != 2 || sum.Summary.Duplicate != 2 || sum.Summary.Failed != 4 {
		t.Fatalf("got %s", a.body)
	}
	for i, r := range all {
		if strings.TrimPrefix(r.Problem, "urn:ecpayq:problem:") != want[i] || (r.Problem != "") != (r.Error != "" && r.ErrorZh != "") {
			t.Errorf("line %d: got %+v, want %q", r.Line, r, want[i])
		}
	}
	if all[0].Line != 1 || all[1].Line != 3 || all[7].Line != 9 {
		t.Errorf("got the lines %d, %d and %d, want 1, 3 and 9", all[0].Line, all[1].Line, all[7].Line)
	}
	for _, body := range []string{"\n", "\r\n\r\n"} {
		if a := b.post("/v1/intents/batch", body); a.StatusCode != 400 {
			t.Errorf("%q: got %d and %s", body, a.StatusCode, a.body)
		}
	}
}

// What one intent may have is what a line may have, its end aside.
func TestALineMayBeAsLargeAsAnIntent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	line := strings.TrimSpace(lines(1))
	line = line[:1] + strings.Repeat(" ", intents.MaxSize-len(line)) + line[1:]
	if a := b.post("/v1/intents", line); a.StatusCode != 201 {
		t.Fatalf("one intent: got %d and %s", a.StatusCode, a.body)
	}
	a := b.post("/v1/intents/batch", line+"\n"+line+"\r\n"+line+" \n"+" "+line+"\r\n"+line)
	all, sum := b.results(bytes.NewReader(a.body))
	if len(all) != 5 || sum.Summary.Duplicate != 3 || !strings.HasSuffix(all[2].Problem, "too-large") ||
		!strings.HasSuffix(all[3].Problem, "too-large") {
		t.Errorf("got %s, want that the third and the fourth of five are too large", a.body)
	}
}

// raw opens a connection and sends the beginning of a batch whose body comes in chunks.
func (b *bench) raw() *socket {
	b.Helper()
	conn := b.connect()
	fmt.Fprint(conn, "POST /v1/intents/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
		"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
	return conn
}

// storesSome sends as many lines as are stored at once, and returns when they are.
func (b *bench) storesSome(conn *socket) {
	b.Helper()
	chunk(conn, lines(512))
	deadline := time.Now().Add(20 * time.Second)
	for b.rdb.LLen(b.Context(), "asynq:{trigger_issue}:pending").Val() < 512 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
}

func chunk(conn *socket, text string) { fmt.Fprintf(conn, "%x\r\n%s\r\n", len(text), text) }

// Many clients write all of a body before they read any of an answer.
func TestAClientThatReadsNothingUntilAllIsSentIsServed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 60_000 // 5 MB there, 8 MB back
	conn := b.raw()
	text := lines(n)
	for len(text) > 0 {
		size := min(len(text), 77_777)
		chunk(conn, text[:size])
		text = text[size:]
	}
	fmt.Fprint(conn, "0\r\n\r\n")
	a, err := conn.answer()
	b.must(err)
	if all, sum := b.results(bytes.NewReader(a.body)); len(all) != n || sum.Summary.Stored != n {
		t.Errorf("got %d results and %+v", len(all), sum.Summary)
	}
}

// What refuses a batch is decided before its body is read, and a client that writes all of it first is told.
func TestAClientThatSendsAllOfALargeBatchFirstIsToldWhyItIsRefused(t *testing.T) {
	t.Parallel()
	secret, hash := auth.New()
	b := newBench(t, auth.Token{Name: "reads", Hash: hash, Merchants: []string{"*"}, May: []auth.Right{auth.Read}})
	text := strings.Repeat(lines(1), 20<<20/len(lines(1)))
	for name, row := range map[string]struct {
		path, contentType, token string
		want                     int
	}{
		"no token":         {"/v1/intents/batch", "application/x-ndjson", "", 401},
		"no right":         {"/v1/intents/batch", "application/x-ndjson", secret, 403},
		"not there":        {"/v1/intents/batches", "application/x-ndjson", secret, 404},
		"another type":     {"/v1/intents/batch", "application/x-www-form-urlencoded", secret, 403},
		"no single intent": {"/v1/intents", "application/json", secret, 403},
	} {
		conn := b.dial()
		_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\n"+
			"Content-Length: %d\r\n\r\n%s", row.path, row.contentType, row.token, len(text), text)
		if err != nil {
			t.Errorf("%s: the body was not taken: %v", name, err)
			continue
		}
		a, err := conn.answer()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := b.problem(a); a.StatusCode != row.want {
			t.Errorf("%s: got %d and %+v, want %d", name, a.StatusCode, p, row.want)
		}
	}
}

func TestASlowSenderLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.raw()
	for _, part := range strings.SplitAfter(lines(3), "2000132") { // also in the middle of a line
		chunk(conn, part)
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprint(conn, "0\r\n\r\n")
	a, err := conn.answer()
	b.must(err)
	if all, sum := b.results(bytes.NewReader(a.body)); len(all) != 3 || sum.Summary.Stored != 3 {
		t.Errorf("got %+v and %+v", all, sum.Summary)
	}
}

func TestWhatCameOfABodyThatIsCutOffIsStoredAndHalfALineIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.raw()
	text := lines(3)
	chunk(conn, text[:len(text)-3]) // the third line without its end, which is no JSON
	b.must(conn.CloseWrite())
	a, err := conn.answer()
	b.must(err)
	all, sum := b.results(bytes.NewReader(a.body))
	if len(all) != 2 || sum.Summary.Stored != 2 || !strings.Contains(string(a.body), "did not come to its end") {
		t.Errorf("got %s", a.body)
	}
}

func TestALineWithoutAnEndEndsTheBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.post("/v1/intents/batch", lines(2)+strings.Repeat("x", 5<<20))
	all, sum := b.results(bytes.NewReader(a.body))
	if len(all) != 2 || sum.Summary.Stored != 2 || !strings.Contains(string(a.body), "4 MiB") {
		t.Errorf("got %s", a.body)
	}
}

func TestATokenHasAPartOfThePlacesForBatches(t *testing.T) {
	t.Parallel()
	first, firstHash := auth.New()
	second, secondHash := auth.New()
	b := newBench(t, auth.Token{Name: "a", Hash: firstHash, Merchants: []string{"*"}, May: auth.Rights()},
		auth.Token{Name: "b", Hash: secondHash, Merchants: []string{"*"}, May: auth.Rights()})
	refused := make(chan struct{}, 20)
	for range 9 { // of which the last finds no place
		conn := b.connect()
		fmt.Fprintf(conn, "POST /v1/intents/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n", first)
		go func() {
			if a, err := conn.answer(); err == nil && a.StatusCode == 503 {
				refused <- struct{}{}
			}
		}()
	}
	<-refused
	if a := b.call("POST", "/v1/intents/batch", first, lines(1)); a.StatusCode != 503 {
		t.Errorf("the token with many: got %d", a.StatusCode)
	}
	if a := b.call("POST", "/v1/intents/batch", second, lines(1)); a.StatusCode != 200 {
		t.Errorf("another: got %d and %s", a.StatusCode, a.body)
	}
}

func TestABatchIsAnsweredWhenTheAPIStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.raw()
	b.storesSome(conn)
	b.api.Stop()
	a, err := conn.answer()
	b.must(err)
	if all, _ := b.results(bytes.NewReader(a.body)); len(all) != 512 || !strings.Contains(string(a.body), "stopping") {
		t.Errorf("got %s", a.body)
	}
}

func TestOfManyBatchesAtOnceSomeAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const places, more = 16, 3
	answers := make(chan answer, places+more)
	var open []*socket
	for range places + more {
		conn := b.raw()
		chunk(conn, lines(1))
		open = append(open, conn)
		go func() {
			a, err := conn.answer()
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	for range more { // while the others have a place
		if a := <-answers; a.Response == nil || a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("got %+v", a)
		}
	}
	for _, conn := range open {
		fmt.Fprint(conn, "0\r\n\r\n")
	}
	for range places {
		if a := <-answers; a.Response == nil || a.StatusCode != 200 {
			t.Errorf("got %+v", a)
		}
	}
}

func TestTheRestOfABatchIsNotTriedOnceRedisRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.raw()
	b.storesSome(conn)
	b.must(b.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err())
	chunk(conn, strings.TrimPrefix(lines(3000), lines(512)))
	fmt.Fprint(conn, "0\r\n\r\n")
	a, err := conn.answer()
	b.must(err)
	all, sum := b.results(bytes.NewReader(a.body))
	if len(all) != 3000 || sum.Summary.Stored != 512 || sum.Summary.Failed != 3000-512 ||
		all[2999].Problem != "urn:ecpayq:problem:redis-unavailable" {
		t.Errorf("got %d results and %+v", len(all), sum.Summary)
	}
}

// Results that do not fit into memory leave no file behind.
func TestNoFileIsLeftOfABatch(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	b := newBench(t)
	if all, _ := b.results(bytes.NewReader(b.post("/v1/intents/batch", lines(5000)).body)); len(all) != 5000 {
		t.Errorf("got %d results", len(all))
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	if a := b.post("/v1/intents/batch", lines(5000)); a.StatusCode != 200 {
		t.Errorf("without a place for it: got %d", a.StatusCode)
	}
	a := b.post("/v1/intents/batch", lines(70_000))
	if p := b.problem(a); a.StatusCode != 503 || !strings.Contains(p.Detail, "no room") || p.Title != "No room for the results" {
		t.Errorf("too much without one: got %d and %+v", a.StatusCode, p)
	}
}

// serve answers without a connection, for fuzzing. What is answered is held to openapi.yaml.
func (b *bench) serve(t testing.TB, method, target, body string) (status int, answer []byte) {
	r, err := http.NewRequest(method, "http://127.0.0.1", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawQuery = path, query
	r.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "batch") {
		r.Header.Set("Content-Type", "application/x-ndjson")
	}
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	answer = w.Body.Bytes()
	d, err := description()
	if err == nil {
		err = d.Check(r, body, w.Code, w.Result().Header, answer)
	}
	if err != nil {
		t.Error(err)
	}
	return w.Code, answer
}

func FuzzIntent(f *testing.F) {
	b := newFuzzBench(f)
	for _, text := range []string{trigger, lines(3), `{"type":"b2b:invalid","data":{}}`, `{`, "", "\xff",
		`{"type":"b2c:trigger_issue","data":{"Tsr":1e1}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if status, body := b.serve(t, "POST", "/v1/intents", text); status >= 500 || !json.Valid(body) {
			t.Errorf("%q: got %d and %s", text, status, body)
		}
		status, body := b.serve(t, "POST", "/v1/intents/batch", text)
		if status >= 500 || status == 200 && !bytes.Contains(body, []byte(`{"summary":{"lines":`)) {
			t.Errorf("%q as a batch: got %d and %s", text, status, body)
		}
	})
}
