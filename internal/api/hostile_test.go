package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/auth"
)

// marker is in what is refused, and in no answer.
const marker = "sEcReT-7Q"

func intent(tsr string) string {
	return `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"` + tsr + `"}}`
}

// smuggled is an intent that is sent where none may be read, and taken one that may: it is there
// before, so that it is a duplicate.
var smuggled, taken = intent("SMUGGLED"), intent("TAKEN")

// shot is what is sent on a connection of its own, byte by byte.
type shot struct {
	name, text string
	// want are the statuses of all answers in order; empty for none.
	want string
}

// wire is a request after which the connection ends.
func wire(line, body string, headers ...string) string {
	return line + "\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + strings.Join(append(headers, "", ""), "\r\n") + body
}

// get asks for a target.
func get(target string, headers ...string) string {
	return wire("GET "+target+" HTTP/1.1", "", headers...)
}

// posted is an intent's request; the headers say where its body ends.
func posted(body string, headers ...string) string {
	return wire("POST /v1/intents HTTP/1.1", body, append(headers, "Content-Type: application/json")...)
}

// framed is one whose body, by Content-Length, comes in another form.
func framed(body string, headers ...string) string {
	return posted(body, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))...)
}

// chunked is one whose body is in chunks that are as they are.
func chunked(body string, headers ...string) string {
	return posted(body, append(headers, "Transfer-Encoding: chunked")...)
}

// inChunk is a body in one chunk.
func inChunk(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// under is the bench for a test of its own.
func (b *bench) under(t *testing.T) *bench {
	c := *b
	c.TB = t
	return &c
}

// fire sends shots and checks what comes back.
func (b *bench) fire(shots []shot) {
	b.Helper()
	for _, s := range shots {
		conn := b.dial()
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = io.WriteString(conn, s.text) // who refuses need not read all of it
			if !strings.HasPrefix(s.text, "GET ") {
				_ = conn.CloseWrite()
			}
		}()
		if got := b.statuses(s.name, s.text, conn); got != s.want {
			b.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
		_ = conn.Close()
		<-written
	}
}

// statuses are those of all answers until the connection ends.
func (b *bench) statuses(name, text string, conn *socket) string {
	b.Helper()
	var all []string
	method, _, _ := strings.Cut(text, " ")
	for {
		a, err := conn.answer()
		if err != nil {
			return strings.Join(all, " ")
		}
		all = append(all, fmt.Sprint(a.StatusCode))
		b.harmless(name, method, a)
	}
}

// harmless checks that an answer is one of ours, or Go's own to what is no HTTP of a kind that it
// knows, and has no value that was refused.
func (b *bench) harmless(name, method string, a answer) {
	b.Helper()
	var header bytes.Buffer
	_ = a.Header.Write(&header)
	if strings.Contains(string(a.body)+header.String(), marker) {
		b.Errorf("%s: the value is in %s%s", name, &header, a.body)
	}
	switch typ := a.Header.Get("Content-Type"); {
	case a.StatusCode < 400 || a.byGo():
	case typ == "application/problem+json":
		if a.StatusCode >= 500 {
			b.Errorf("%s: got %d and %s", name, a.StatusCode, a.body)
		}
		if method != http.MethodHead {
			b.problem(a)
		}
	default:
		b.Errorf("%s: got %d with Content-Type %q and %s", name, a.StatusCode, typ, a.body)
	}
}

// ask is a request that any client sends.
type ask struct {
	name, method, path, body string
	want                     int
	headers                  []string
}

// ask asks, and checks the answers.
func (b *bench) ask(token string, list []ask) {
	b.Helper()
	for _, q := range list {
		a := b.call(q.method, q.path, token, q.body, q.headers...)
		if b.harmless(q.name, q.method, a); a.StatusCode != q.want {
			b.Errorf("%s: got %d and %.300s, want %d", q.name, a.StatusCode, a.body, q.want)
		}
	}
}

// onlyTaken checks that so many tasks are stored, with nothing of what was refused, and no key of it.
func (b *bench) onlyTaken(want int) {
	b.Helper()
	for _, key := range b.rdb.Keys(b.Context(), "*").Val() {
		if strings.Contains(key, marker) || strings.Contains(key, "SMUGGLED") {
			b.Errorf("%q is stored", key)
		}
	}
	stored := b.rdb.Keys(b.Context(), "asynq:*:t:*").Val()
	if len(stored) != want {
		b.Errorf("%q are stored, want %d", stored, want)
	}
	for _, key := range stored {
		if all := b.rdb.HGetAll(b.Context(), key).Val(); strings.Contains(fmt.Sprint(all), marker) {
			b.Errorf("%s has %q", key, all)
		}
	}
}

// It is not parallel: it counts goroutines.
func TestHostileRequestsAreRefusedAndLeaveNothingBehind(t *testing.T) {
	token, hash := auth.New()
	open := newBench(t)
	guarded := newBench(t, auth.Token{Name: "mine", Hash: hash, Merchants: []string{"2000132"}, May: auth.Rights()})
	works := func(tsr string) {
		for token, b := range map[string]*bench{"": open, token: guarded} {
			if a := b.call("POST", "/v1/intents", token, intent(tsr)); a.StatusCode != http.StatusCreated {
				t.Errorf("a usual intent: got %d and %s", a.StatusCode, a.body)
			}
		}
	}
	works("TAKEN")
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	before := runtime.NumGoroutine()
	t.Run("all", func(t *testing.T) {
		for name, f := range map[string]func(*bench){
			"framing": func(b *bench) { b.fire(framings()) }, "chunks": func(b *bench) { b.fire(chunkings()) },
			"headers": func(b *bench) { b.fire(headerShapes()) }, "hosts": func(b *bench) { b.fire(hosts()) },
			"lines": func(b *bench) { b.fire(firstLines()) }, "targets": func(b *bench) { b.fire(targets()) },
			"queries": func(b *bench) { b.ask("", queries()) }, "types": func(b *bench) { b.fire(bodyHeaders()) },
			"texts": func(b *bench) { b.ask("", texts()) }, "values": func(b *bench) { b.ask("", values()) },
			"acts": func(b *bench) { b.ask("", acts()) }, "batches": (*bench).hostileBatches, "connections": (*bench).hostileConnections,
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); f(open.under(t)) })
		}
		t.Run("tokens", func(t *testing.T) { t.Parallel(); guarded.under(t).fire(tokenTricks(token)) })
		t.Run("ids", func(t *testing.T) { t.Parallel(); guarded.under(t).fire(ids(token)) })
	})
	works("TAKENlast")
	for _, b := range []*bench{open, guarded} {
		b.onlyTaken(2) // the first and the last
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for deadline := time.Now().Add(15 * time.Second); runtime.NumGoroutine() > before+8; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("%d goroutines, %d before: %s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// hostileBatches are lines that are none; of those that are, each is stored once.
func (b *bench) hostileBatches() {
	long := strings.Repeat(marker, 3000)
	for _, row := range []struct {
		name, body string
		failed     int // -1 where there is no line
	}{
		{"a bare CR between two", taken + "\r" + taken, 1},
		{"other line ends", taken + "\u2028" + taken + "\u0085" + taken, 1},
		{"NULs", "\x00\x00\n\x00\n" + taken + "\n", 2},
		{"a NUL after a line", taken + "\x00\n", 1},
		{"no line end", taken, 0},
		{"half a line", taken + "\n" + smuggled[:40], 1},
		{"a line of 27 KB", long + "\n" + taken + "\n", 1},
		{"a line of 1 MB without an end", strings.Repeat(long, 40), 1},
		{"thousands of empty lines", strings.Repeat("\n", 50_000) + taken + strings.Repeat("\r\n", 50_000), 0},
		{"only empty lines", strings.Repeat("\n", 50_000), -1},
		{"only spaces", strings.Repeat(" \t\n", 5000), -1},
		{"byte order marks", "\ufeff" + taken + "\n\ufeff" + taken, 1},
		{"two in a line", taken + taken, 1},
		{"a list", "[" + taken + ",\n" + taken + "]", 2},
		{"brackets", strings.Repeat("{\n", 3000), 3000},
		{"deep ones", strings.Repeat(strings.Repeat("[", 10_100)+"\n", 50), 50},
		{"not UTF-8", "\xff\xfe\n" + intent("\xff") + "\n", 2},
		{"half pairs", intent(`\ud800`+marker) + "\n", 1},
		{"a name twice", strings.Replace(taken, "{", `{"type":"`+marker+`",`, 1) + "\n", 1},
		{"server-sent events", "data: " + taken + "\n\n", 1},
		{"lines of a multipart body", "--" + marker + "\r\n\r\n" + taken + "\r\n--" + marker + "--\r\n", 2},
	} {
		a := b.post("/v1/intents/batch", row.body)
		b.harmless(row.name, "POST", a)
		if row.failed < 0 {
			if a.StatusCode != http.StatusBadRequest {
				b.Errorf("%s: got %d and %.300s", row.name, a.StatusCode, a.body)
			}
			continue
		}
		if _, sum := b.results(bytes.NewReader(a.body)); sum.Summary == nil || sum.Summary.Failed != row.failed {
			b.Errorf("%s: got %d and %+v, want %d to fail", row.name, a.StatusCode, sum.Summary, row.failed)
		}
	}
}

// hostileConnections are those whose other side does not behave.
func (b *bench) hostileConnections() {
	keep := func(text string) string { return strings.Replace(text, "Connection: close\r\n", "", 1) }
	wrong, live := keep(framed(`{"x":"`+marker+`"}`)), keep(get("/livez"))
	b.fire([]shot{
		{"requests in a row", keep(framed(taken)) + keep(framed(taken)) + get("/livez"), "200 200 200"},
		{"a usual one after one that is wrong", wrong + wrong + framed(taken), "400 400 200"},
		{"what is no request after one", live + marker + "\r\n\r\n", "200 400"},
		{"1,000 requests in a row", strings.Repeat(live, 1000) + get("/livez"), strings.TrimSpace(strings.Repeat("200 ", 1001))},
		{"a body after what needs none", "POST" + live[3:] + smuggled, "405 400"},
		{"half closed before the body", keep(posted("", "Content-Length: 50")), "400"},
		{"refused before a body of a megabyte", framed(strings.Repeat(" ", 1<<20)), "413"},
	})
	b.leave()
	b.expectRefused()
	b.slowHeader()
}

// leave asks for what is waited for, and goes.
func (b *bench) leave() {
	b.Helper()
	for _, target := range []string{"/v1/tasks/b2c.trigger_issue.2000132.TAKEN?wait=30s", "/v1/outcomes?wait=30s"} {
		for i := range 20 {
			conn := b.dial()
			_, err := io.WriteString(conn, get(target)+strings.Repeat("x", i%2*i)) // more comes in some
			b.must(err)
			if i%4 < 2 {
				b.must(conn.SetLinger(0)) // a reset
			}
			if i > 4 {
				time.Sleep(20 * time.Millisecond) // so that it waits
			}
			b.must(conn.Close())
		}
	}
}

// expectRefused asks whether a body is wanted that is not: the answer comes before the body.
func (b *bench) expectRefused() {
	b.Helper()
	const expect = "Expect: 100-continue"
	for name, text := range map[string]string{
		"too large":            posted("", expect, "Content-Length: 99999999"),
		"of no type":           wire("POST /v1/intents HTTP/1.1", "", expect, "Content-Length: 77"),
		"for no path":          wire("POST /v1/nothing HTTP/1.1", "", expect, "Transfer-Encoding: chunked"),
		"for another method":   wire("PUT /v1/intents HTTP/1.1", "", expect, "Content-Length: 77"),
		"from another site":    posted("", expect, "Content-Length: 77", "Origin: http://"+marker),
		"of a GET":             get("/v1/intents", expect, "Content-Length: 77"),
		"of a batch of a type": wire("POST /v1/intents/batch HTTP/1.1", "", expect, "Transfer-Encoding: chunked", "Content-Type: "+marker),
	} {
		conn, begun := b.dial(), time.Now()
		_, err := io.WriteString(conn, text)
		b.must(err)
		a, err := conn.answer()
		b.must(err)
		b.harmless(name, "POST", a)
		if a.StatusCode < 400 || time.Since(begun) > 3*time.Second {
			b.Errorf("a body %s: got %d after %s", name, a.StatusCode, time.Since(begun))
		}
		_ = conn.Close()
	}
}

// slowHeader sends a header letter by letter.
func (b *bench) slowHeader() {
	b.Helper()
	begun, conn := time.Now(), b.dial()
	defer conn.Close()
	_, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
	for ; err == nil && time.Since(begun) < 12*time.Second; time.Sleep(100 * time.Millisecond) {
		_, err = io.WriteString(conn, "x")
	}
	if took := time.Since(begun); err == nil || took > 10*time.Second {
		b.Errorf("a header that does not end was read for %s", took)
	}
}

// A time of one's own is no other's trouble: in another zone it may be in a year of five digits, of
// which there is no JSON.
func TestHostileTimesDoNotKeepOthersFromTheirTasks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i, at := range []string{
		"9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "9999-12-31T16:00:00.5Z", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59",
		"0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2036-12-31T23:59:60Z",
	} {
		id := fmt.Sprintf("TAKEN%d", i)
		a := b.post("/v1/intents", strings.Replace(intent(id), `"data"`, `"process_at":"`+at+`","data"`, 1))
		if b.harmless(at, "POST", a); a.StatusCode != http.StatusCreated && a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d and %s", at, a.StatusCode, a.body)
		}
		for _, path := range []string{"/v1/tasks", "/v1/tasks/b2c.trigger_issue.2000132." + id} {
			a := b.get(path)
			if b.harmless(at, "GET", a); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusNotFound {
				t.Errorf("%s, %s: got %d and %s", at, path, a.StatusCode, a.body)
			}
		}
		b.must(b.rdb.FlushAll(t.Context()).Err())
	}
}

// Whoever names a merchant thousands of times gets its task once.
func TestHostileQueriesFindATaskOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(taken)
	for query, want := range map[string]int{"tsr=TAKEN&limit=1&": 1, "tsr=TAKEN&": 1, "relate_number=TAKEN&": 0, "": 1} {
		a := b.get("/v1/tasks?" + query + strings.Repeat("merchant_id=2000132&", 2500))
		if n := strings.Count(string(a.body), `"`+id+`"`); a.StatusCode != http.StatusOK || n != want {
			t.Errorf("%q: got %d and the task %d times, want %d", query, a.StatusCode, n, want)
		}
	}
}
