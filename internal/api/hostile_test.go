package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
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

func (b *bench) dial() *net.TCPConn {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	b.must(err)
	b.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	return conn.(*net.TCPConn)
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
func (b *bench) statuses(name, text string, conn net.Conn) string {
	b.Helper()
	var all []string
	method, _, _ := strings.Cut(text, " ")
	for in := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return strings.Join(all, " ")
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 { // else it is told to go on
			all = append(all, fmt.Sprint(resp.StatusCode))
			b.harmless(name, method, answer{resp, body})
		}
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
	gos := []int{400, 417, 431, 501, 505} // the last ones for a Transfer-Encoding and a version
	switch typ := a.Header.Get("Content-Type"); {
	case a.StatusCode < 400:
	case typ == "application/problem+json":
		if a.StatusCode >= 500 {
			b.Errorf("%s: got %d and %s", name, a.StatusCode, a.body)
		}
		if method != http.MethodHead {
			b.problem(a)
		}
	case !slices.Contains(gos, a.StatusCode) || len(a.body) > 0 && !strings.HasPrefix(typ, "text/plain"):
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

// Where a body ends is said once, or the request is none.
func framings() []shot {
	n := fmt.Sprintf("Content-Length: %d", len(taken))
	hidden := wire("POST /v1/intents HTTP/1.1", smuggled, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(smuggled)))
	return []shot{
		{"a length and chunks", chunked(inChunk(taken), "Content-Length: 6"), "200"},
		{"chunks and a length that hides a request", chunked("0\r\n\r\n"+hidden, fmt.Sprintf("Content-Length: %d", 5+len(hidden))), "400"},
		{"two lengths", posted(smuggled, "Content-Length: 3", n), "400"},
		{"two lengths, the first is right", posted(smuggled, fmt.Sprintf("Content-Length: %d", len(smuggled)), "Content-Length: 3"), "400"},
		{"the same length twice", posted(taken, n, n), "200"},
		{"a list of lengths", posted(smuggled, "Content-Length: 3, 3"), "400"},
		{"a length with a sign", posted(smuggled, "Content-Length: +77"), "400"},
		{"a negative length", posted(smuggled, "Content-Length: -1"), "400"},
		{"a hexadecimal length", posted(smuggled, "Content-Length: 0x4d"), "400"},
		{"a length with a space in it", posted(smuggled, "Content-Length: 7 7"), "400"},
		{"a length beyond 64 bits", posted(smuggled, "Content-Length: 99999999999999999999"), "400"},
		{"the greatest length", posted(smuggled, "Content-Length: 9223372036854775807"), "413"},
		{"an empty length", posted(smuggled, "Content-Length: "), "400"},
		{"a length in full-width digits", posted(smuggled, "Content-Length: ７７"), "400"},
		{"a length before a colon with a space", posted(smuggled, "Content-Length : 77"), "400"},
		{"a length that is folded", posted(smuggled, "Content-Length:\r\n 3"), "400"},
		{"no length", posted(smuggled), "400"},
		{"less than was said", posted(smuggled, "Content-Length: 200"), "400"},
		{"more than was said", posted(smuggled, "Content-Length: 20"), "400"},
		{"a request after it that was not announced", framed(`{"x":"`+marker+`"}`) + hidden, "400"},
		{"chunks of gzip", posted(inChunk(smuggled), "Transfer-Encoding: gzip, chunked"), "501"},
		{"chunks before gzip", posted(inChunk(smuggled), "Transfer-Encoding: chunked, gzip"), "501"},
		{"identity", posted(smuggled, "Transfer-Encoding: identity", n), "501"},
		{"no such encoding", posted(inChunk(smuggled), "Transfer-Encoding: x"+marker), "501"},
		{"chunks in quotes", posted(inChunk(smuggled), `Transfer-Encoding: "chunked"`), "501"},
		{"chunks twice in a header", posted(inChunk(smuggled), "Transfer-Encoding: chunked, chunked"), "501"},
		{"chunks in two headers", posted(inChunk(smuggled), "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "501"},
		{"chunks and something else", posted(inChunk(smuggled), "Transfer-Encoding: chunked", "Transfer-Encoding: x"), "501"},
		{"chunks by a name with a space", posted(inChunk(smuggled), "Transfer-Encoding : chunked"), "400"},
		{"chunks by a name with a tab", posted(inChunk(smuggled), "Transfer-Encoding\t: chunked"), "400"},
		{"chunks after a vertical tab", posted(inChunk(smuggled), "Transfer-Encoding: \vchunked"), "400"},
		{"chunks of HTTP/1.0", strings.Replace(chunked(inChunk(smuggled)), "HTTP/1.1", "HTTP/1.0", 1), "400"},
		{"chunks by another name", posted(inChunk(smuggled), "Transfer_Encoding: chunked"), "400"},
		{"a body of a GET", wire("GET /v1/intents HTTP/1.1", smuggled, n), "405"},
	}
}

func chunkings() []shot {
	size := fmt.Sprintf("%x", len(smuggled))
	part := func(s string) string { return s + "\r\n" + smuggled + "\r\n0\r\n\r\n" }
	return []shot{
		{"no number", chunked(part("zz")), "400"},
		{"nothing for a number", chunked(part("")), "400"},
		{"negative", chunked(part("-1")), "400"},
		{"with a sign", chunked(part("+" + size)), "400"},
		{"with a prefix", chunked(part("0x" + size)), "400"},
		{"with an underscore", chunked(part("4_d")), "400"},
		{"of 64 bits", chunked(part("ffffffffffffffff")), "400"},
		{"of more than 64 bits", chunked(part("1" + strings.Repeat("0", 16))), "400"},
		{"of thousands of zeros", chunked(part(strings.Repeat("0", 5000) + size)), "400"},
		{"a NUL in the size", chunked(part("4\x00d")), "400"},
		{"a bare CR after the size", chunked(size + "\r" + smuggled + "\r\n0\r\n\r\n"), "400"},
		{"no line end after a chunk", chunked(size + "\r\n" + smuggled + "0\r\n\r\n"), "400"},
		{"too short a chunk", chunked("3\r\n" + smuggled + "\r\n0\r\n\r\n"), "400"},
		{"no last chunk", chunked(size + "\r\n" + smuggled + "\r\n"), "400"},
		{"half of the last chunk", chunked(size + "\r\n" + smuggled + "\r\n0"), "400"},
		{"an extension of 20 KB", chunked(part(size + ";" + marker + "=" + strings.Repeat("x", 20_000))), "400"},
		{"a trailer that is a header", chunked("2\r\n{}\r\n0\r\nContent-Length: 500\r\nAuthorization: " + marker + "\r\n\r\n"), "422"},
		{"a trailer that is none", chunked(size + "\r\n" + smuggled + "\r\n0\r\n" + marker + "\r\n\r\n"), "400"},
		{"a trailer of 100 KB", chunked(size + "\r\n" + smuggled + "\r\n0\r\nA: " + strings.Repeat("x", 100_000) + "\r\n\r\n"), "400"},
		{"thousands of tiny chunks", chunked(strings.Repeat("1\r\n \r\n", 5000) + "0\r\n\r\n"), "400"},
		{"a body that does not end", chunked(strings.Repeat("400\r\n"+strings.Repeat("[", 1024)+"\r\n", 200)), "413"},
	}
}

func headerShapes() []shot {
	long := strings.Repeat("x", 70<<10)
	return []shot{
		{"a header of 70 KiB", get("/livez", "X-Long: "+long), "431"},
		{"a name of 70 KiB", get("/livez", long+": x"), "431"},
		{"a target of 70 KiB", get("/" + long), "431"},
		{"a method of 70 KiB", "GET " + long, "431"},
		{"20,000 headers", get("/livez", strings.Repeat("A: b\r\n", 20_000)+"A: b"), "431"},
		{"3,000 headers", get("/livez", strings.Repeat("A: b\r\n", 3000)+"A: b"), "200"},
		{"a folded header", get("/livez", "X-Folded: a\r\n "+marker), "200"},
		{"a fold where there is no header", "GET /livez HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n", "400"},
		{"no colon", get("/livez", marker), "400"},
		{"no name", get("/livez", ": "+marker), "400"},
		{"a name with a space", get("/livez", "X Y: "+marker), "400"},
		{"a name with a NUL", get("/livez", "X\x00Y: "+marker), "400"},
		{"a name that is not ASCII", get("/livez", "標頭: "+marker), "400"},
		{"a value with a NUL", get("/livez", "X: \x00"+marker), "400"},
		{"a value with a bare CR", get("/livez", "X: a\rSmuggled: "+marker), "400"},
		{"a value with an escape", get("/livez", "X: \x1b[2J"+marker), "400"},
		{"line ends without CR", "GET /livez HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n", "200"},
		{"expects what there is not", framed(smuggled, "Expect: "+marker), "417"},
		{"an upgrade to HTTP/2", get("/livez", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "200"},
		{"an upgrade to a web socket", get("/v1/outcomes", "Upgrade: websocket", "Sec-WebSocket-Key: "+marker), "200"},
		{"a range", get("/openapi.yaml", "Range: bytes=0-0,0-0,0-0,-1"), "200"},
		{"a trace that is none", framed(taken, "traceparent: 00-"+marker, "tracestate: "+strings.Repeat("a=b,", 2000)), "200"},
		{"two traces", framed(taken, "traceparent: 00-"+strings.Repeat("0", 32)+"-"+strings.Repeat("0", 16)+"-01", "traceparent: x"), "200"},
		{"a method in a header", get("/v1/intents", "X-HTTP-Method-Override: POST"), "405"},
		{"an address in a header", get("/v1/tasks", "X-Forwarded-Host: "+marker, "X-Forwarded-For: "+marker, "X-Original-URL: /livez"), "200"},
		{"another site", get("/v1/tasks", "Origin: http://"+marker+".example"), "403"},
		{"another site, and a second one that is this", get("/v1/tasks", "Origin: null", "Origin: http://127.0.0.1"), "403"},
		{"another site says so", framed(smuggled, "Sec-Fetch-Site: cross-site"), "403"},
		{"another site in a way that is new", framed(smuggled, "Sec-Fetch-Site: "+marker), "403"},
	}
}

// Without tokens only names of this machine are answered.
func hosts() []shot {
	var list []shot
	of := func(name, host, want string) {
		list = append(list, shot{name, "GET /v1/tasks HTTP/1.1\r\nConnection: close\r\n" + host + "\r\n\r\n", want})
	}
	of("none", "X: y", "400")
	of("an empty one", "Host: ", "403")
	of("two", "Host: 127.0.0.1\r\nHost: "+marker, "400")
	of("a list", "Host: 127.0.0.1, "+marker, "400")
	of("somebody", "Host: "+marker+"@127.0.0.1", "400")
	of("a path", "Host: 127.0.0.1/"+marker, "400")
	of("a longer name", "Host: 127.0.0.1."+marker, "403")
	of("a longer name of this machine", "Host: localhost."+marker, "403")
	of("a port that is a name", "Host: "+marker+":127.0.0.1", "403")
	of("an address as a number", "Host: 2130706433", "403")
	of("an address in octal", "Host: 0177.0.0.1", "403")
	of("any address", "Host: 0.0.0.0", "403")
	of("an address of another machine in one of this", "Host: [::ffff:10.0.0.1]", "403")
	of("a NUL", "Host: 127.0.0.1\x00"+marker, "400")
	of("of HTTP/1.0, none", "X: y", "400")
	list = append(list,
		shot{"another in the target", "GET http://" + marker + "/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "403"},
		shot{"none, in HTTP/1.0", "GET /v1/tasks HTTP/1.0\r\n\r\n", "403"},
	)
	return list
}

func firstLines() []shot {
	line := func(s string) string { return wire(s, "") }
	return []shot{
		{"a small method", line("post /v1/intents HTTP/1.1"), "405"},
		{"no such method", line("FOO /v1/intents HTTP/1.1"), "405"},
		{"TRACE", wire("TRACE /v1/intents HTTP/1.1", "", "X: "+marker), "405"},
		{"PATCH", line("PATCH /v1/tasks/b2c.trigger_issue.2000132.A HTTP/1.1"), "405"},
		{"DELETE", line("DELETE /v1/tasks/b2c.trigger_issue.2000132.A HTTP/1.1"), "405"},
		{"HEAD of what is posted", line("HEAD /v1/intents HTTP/1.1"), "405"},
		{"OPTIONS of everything", line("OPTIONS * HTTP/1.1"), "200"},
		{"PUT of everything", line("PUT * HTTP/1.1"), "404"},
		{"CONNECT to a machine", line("CONNECT " + marker + ":443 HTTP/1.1"), "403"},
		{"CONNECT to a path", line("CONNECT /v1/intents HTTP/1.1"), "405"},
		{"a method of 500 letters", line(strings.Repeat("M", 500) + " /v1/intents HTTP/1.1"), "405"},
		{"a method with a NUL", line("PO\x00ST /v1/intents HTTP/1.1"), "400"},
		{"a method with a bracket", line("POST(" + marker + ") /v1/intents HTTP/1.1"), "400"},
		{"no method", line(" /v1/intents HTTP/1.1"), "400"},
		{"no version", line("POST /v1/intents"), "400"},
		{"a small version", line("POST /v1/intents http/1.1"), "400"},
		{"version 9", line("POST /v1/intents HTTP/9.9"), "505"},
		{"version 2 in words", line("POST /v1/intents HTTP/2.0"), "505"},
		{"a version and more", line("POST /v1/intents HTTP/1.1 " + marker), "400"},
		{"tabs", line("POST\t/v1/intents\tHTTP/1.1"), "400"},
		{"two spaces", line("POST  /v1/intents HTTP/1.1"), "400"},
		{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "403"},
		{"the beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 200) + "\r\n\r\n", "400"},
		{"another protocol", "SSH-2.0-" + marker + "\r\n\r\n", "400"},
		{"Redis", "*1\r\n$8\r\nFLUSHALL\r\n\r\n", "400"},
		{"only zeros", strings.Repeat("\x00", 300), "400"},
		{"empty lines", strings.Repeat("\r\n", 300), "400"},
		{"nothing", "", ""},
	}
}

// A path is what it is, however it is written.
func targets() []shot {
	var list []shot
	for target, want := range map[string]string{
		"//v1/tasks": "404", "/v1//tasks": "404", "/v1/./tasks": "404", "/v1/x/../tasks": "404", "/../v1/tasks": "404", "/v1/tasks/.": "404",
		"/v1/%2e%2e/v1/tasks": "404", "/v1/%2e/tasks": "404", "/v1/tasks/%2e%2e": "404", "/v1/tasks/%2e%2e%2ftasks": "404",
		"/v1%2ftasks": "404", "/v1/tasks%2f": "404", "/v1/tasks/": "404", "/%2fv1/tasks": "404", "/v1/tasks%00": "404",
		"/v1/tasks%0d%0aX:%20" + marker: "404", "/v1\\tasks": "404", "/v1/..%5c..%5ctasks": "404", "/v1/%5c/tasks": "404",
		"/v1/tasks;x=" + marker: "404", "/v1/tasks%3fstate=dead": "404", "/v1/tasks%23": "404", "/V1/tasks": "404", "/v1/tasks.json": "404",
		"/v1/tasks\x00": "400", "/v1/ta\x7fsks": "400", "/v1/%zz": "400", "/v1/tasks/%": "400", "/v1/tasks/%u0041": "400", "v1/tasks": "400",
		"\\v1\\tasks": "400", "http:v1": "404", "http:///v1/tasks": "200", "http://127.0.0.1": "404", "http://[::1/v1/tasks": "400",
		"/%76%31/tasks": "200", "/v1/t%61sks": "200", "//127.0.0.1/v1/tasks": "404", "/v1/tasks/%ff%fe": "404", "/v1/tasks/\xff\xfe": "404",
		"/v1/tasks/" + strings.Repeat("a", 30_000): "404", "/" + strings.Repeat("a/", 20_000): "404", "/" + strings.Repeat("../", 10_000): "404",
		"/" + strings.Repeat("%2e%2e%2f", 5000): "404", "/v1/intents/batch/..": "404", "/v1/tasks/a%2fb%2fcancel": "404", "?": "400",
		"/v1/tasks/{id}": "404", "/metrics/..%2fv1/tasks": "404", "/etc/passwd": "404", "/v1/tasks/..;/metrics": "404", "/debug/pprof/": "404",
	} {
		list = append(list, shot{fmt.Sprintf("%.60q", target), get(target), want})
	}
	return list
}

// Ids belong to the merchant that stands in them.
func ids(token string) []shot {
	var list []shot
	for id, want := range map[string]string{
		"b2c.trigger_issue.3002607.A": "403", "b2c.trigger_issue.~32000132.A": "404", "b2c.trigger_issue.~33002607.A": "403",
		"b2c.trigger_issue.2000132~00.A":  "403",
		"b2c.trigger_issue.2000132~2EA.A": "403", "b2c.trigger_issue.~2A.A": "403", "b2c.trigger_issue.*.A": "404",
		"b2c.trigger_issue.2000132": "404", "b2c.trigger_issue..A": "404", "b2c..2000132.A": "404", "B2C.trigger_issue.2000132.A": "404",
		"b2c.trigger_issue.2000132.": "404", "b2c.trigger_issue.2000132.{A}": "404", "b2c.trigger_issue.{2000132}.A": "404",
		"b2c.trigger_issue.%7b3002607%7d.A": "404", "b2c.trigger_issue.2000132.%7b3002607%7d": "404", "b2c.trigger_issue.2000132.~": "404",
		"b2c.trigger_issue.2000132.~7B3002607~7D": "404", "b2c.trigger_issue.2000132.~zz": "404", "b2c.trigger_issue.2000132.~7b": "404",
		"b2c.trigger_issue.2000132.a%2fcancel": "404", "b2c.trigger_issue.2000132.%00": "404", "b2c.trigger_issue.2000132.%0a*1": "404",
		"b2c.trigger_issue.2000132.A.B.C.D": "404", "b2c.trigger_issue.2000132." + strings.Repeat("9", 40_000): "404",
		"b2c.trigger_issue.2000132.%e5%8f%b0": "404", "b2c.trigger_issue.2000132.%ff": "404", "b2c.trigger_issue.２０００１３２.A": "404",
		"b2c.trigger_issue.2000132." + marker: "404", "b2c." + marker + ".2000132.A": "404", "b2c%2etrigger_issue%2e3002607%2eA": "403",
		"b2c.trigger_issue.~32~30~30~30~31~33~32.A": "404", "%20b2c.trigger_issue.2000132.A": "404", "asynq:%7Btrigger_issue%7D:t:A": "404",
		"b2c:trigger_issue.2000132.A": "404", "b2c.trigger_issue.2000132.A%3Fwait=30s": "404", "b2c.trigger_issue.2000132.A;wait=30s": "404",
	} {
		bearer := "Authorization: Bearer " + token
		list = append(list, shot{fmt.Sprintf("%.60q", id), get("/v1/tasks/"+id, bearer), want})
		body := `{"note":"` + marker + `"}`
		list = append(list, shot{fmt.Sprintf("%.60q resolved", id), wire("POST /v1/tasks/"+id+"/resolve HTTP/1.1", body, bearer,
			"Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body))), want})
	}
	return list
}

// What is no query is not a shorter one.
func queries() []ask {
	var list []ask
	for query, want := range map[string]int{
		"tsr=a&tsr=b": 422, "limit=1&limit=1": 422, "tsr=a&ts%72=b": 422, "TSR=a": 400, "tsr%00=a": 400, "tsr[]=a": 400, "=": 400, "&&&": 200,
		"merchant_id=%zz": 400, "tsr=A1&merchant_id=2%": 400, "state=dead;merchant_id=1": 400, ";": 400, "%": 400, "%zz=1": 400,
		"limit=0x10": 422, "limit=1e2": 422, "limit=-1": 422, "limit=99999999999999999999": 422, "limit=%EF%BC%91": 422, "limit=1%00": 422,
		"limit=%2b1": 200, "limit=": 422, "state=DEAD": 422, "state=dead%00": 422, "state=" + marker: 422, "cursor=" + marker: 422,
		"cursor=MQo": 422, "cursor=MQpsZWRnZXI6KgowCg": 200, "cursor=" + strings.Repeat("A", 30_000): 422, marker + "=1": 400,
		"tsr=" + strings.Repeat("9", 50_000): 200, "tsr=%00": 200, "tsr=%ff": 200, "tsr=*": 200, "tsr=%7B%7D&merchant_id=%7B%7D": 200,
		strings.Repeat("limit=1&", 8000): 422, "merchant_id=*": 200, "merchant_id=%7B3002607%7D&tsr=a": 200,
		strings.Repeat("merchant_id=1&", 3000) + "tsr=a": 200,
		strings.Repeat("x=1&", 10_000):                   400, "wait=1s": 400,
	} {
		list = append(list, ask{fmt.Sprintf("%.60q", query), "GET", "/v1/tasks?" + query, "", want, nil})
	}
	for query, want := range map[string]int{
		"wait=-1s": 422, "wait=1": 422, "wait=1e9s": 422, "wait=9999999999h": 422, "wait=NaN": 422, "wait=" + marker: 422, "wait=1ns": 200,
		"wait=30s&wait=30s": 422, "after=" + marker: 422, "after=AQ&after=AQ": 422, "after=" + strings.Repeat("_", 30_000): 422,
		"after=%00": 422, "merchant_id=%7B%7D": 422, "merchant_id=": 422, "merchant_id=%zz": 400, "limit=1001": 422, ";": 400, "cursor=AQ": 400,
		strings.Repeat("merchant_id=1&", 3000): 200,
	} {
		list = append(list, ask{fmt.Sprintf("outcomes, %.60q", query), "GET", "/v1/outcomes?" + query, "", want, nil})
	}
	return list
}

func tokenTricks(token string) []shot {
	var list []shot
	of := func(name, want string, headers ...string) {
		list = append(list, shot{name, get("/v1/tasks", headers...), want})
	}
	bearer := "Authorization: Bearer " + token
	of("none", "401")
	of("a cookie", "401", "Cookie: Authorization=Bearer "+token)
	of("another scheme", "401", "Authorization: Basic "+token)
	of("no scheme", "401", "Authorization: "+token)
	of("no space", "401", "Authorization: Bearer"+token)
	of("in quotes", "401", `Authorization: Bearer "`+token+`"`)
	of("one letter less", "401", bearer[:len(bearer)-1])
	of("one letter more", "401", bearer+"A")
	of("two in a header", "401", bearer+", Bearer "+token)
	of("a NUL", "400", bearer+"\x00")
	of("60 KB", "401", "Authorization: Bearer "+strings.Repeat(marker, 6000))
	of("another", "401", "Authorization: Bearer ecpayq_"+strings.Repeat("A", 43))
	of("two headers, the first is wrong", "401", "Authorization: Bearer "+marker, bearer)
	of("two headers, the second is wrong", "401", bearer, "Authorization: Bearer "+marker)
	of("the same twice", "401", bearer, bearer)
	of("by another name", "401", "Proxy-Authorization: Bearer "+token, "X-Authorization: Bearer "+token)
	of("small letters", "200", "authorization: bEARER "+token)
	list = append(list, shot{"in the query", get("/v1/tasks?access_token=" + token), "401"})
	list = append(list, shot{"in the target", get("http://Bearer:" + token + "@127.0.0.1/v1/tasks"), "401"})
	list = append(list, shot{"one that may not", wire("POST /v1/intents HTTP/1.1", smuggled, fmt.Sprintf("Content-Length: %d", len(smuggled)),
		"Content-Type: application/json", "Authorization: Bearer "+marker), "401"})
	return list
}

// What a body is, is said once.
func bodyHeaders() []shot {
	const gz = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + marker
	of := func(body string, headers ...string) string {
		return wire("POST /v1/intents HTTP/1.1", body, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))...)
	}
	const json = "Content-Type: application/json"
	return []shot{
		{"no type", of(smuggled), "415"},
		{"two types", of(smuggled, "Content-Type: text/plain", json), "415"},
		{"two types, the first is right", of(taken, json, "Content-Type: text/plain"), "415"},
		{"a list of types", of(smuggled, "Content-Type: application/json, text/plain"), "415"},
		{"a type that is none", of(smuggled, "Content-Type: "+marker), "415"},
		{"a parameter that is none", of(smuggled, "Content-Type: application/json; =\""+marker), "415"},
		{"a parameter twice", of(smuggled, "Content-Type: application/json; charset=a; charset="+marker), "415"},
		{"another charset", of(taken, "Content-Type: application/json; charset=utf-16"), "200"},
		{"a form of files", of(smuggled, "Content-Type: multipart/form-data; boundary="+marker), "415"},
		{"gzip", of(gz, json, "Content-Encoding: gzip"), "415"},
		{"gzip in capitals", of(gz, json, "Content-Encoding: GZIP"), "415"},
		{"gzip that is not said", of(gz, json), "400"},
		{"a list of encodings", of(gz, json, "Content-Encoding: identity, gzip"), "415"},
		{"two encodings", of(taken, json, "Content-Encoding: identity", "Content-Encoding: gzip"), "415"},
		{"Brotli", of(gz, json, "Content-Encoding: br"), "415"},
		{"an encoding for which there is no name", of(gz, json, "Content-Encoding: "+marker), "415"},
		{"UTF-16", of("\xff\xfe{\x00}\x00", json), "400"},
		{"two keys", of(smuggled, json, "Idempotency-Key: a", "Idempotency-Key: a"), "422"},
		{"an empty key", of(smuggled, json, "Idempotency-Key: "), "422"},
		{"a long key", of(smuggled, json, "Idempotency-Key: "+strings.Repeat(marker, 100)), "422"},
		{"a key with a tab", of(smuggled, json, "Idempotency-Key: a\t"+marker), "422"},
		{"a key that is not ASCII", of(smuggled, json, "Idempotency-Key: 鍵"+marker), "422"},
		{"a batch that is one intent", strings.Replace(of(smuggled, json), "/intents", "/intents/batch", 1), "415"},
		{"an intent that is a batch", of(smuggled, "Content-Type: application/x-ndjson"), "415"},
	}
}

// texts are bodies that are not the JSON of one intent.
func texts() []ask {
	secret := `"` + marker + `"`
	var list []ask
	of := func(name, body string, want int) {
		list = append(list, ask{name, "POST", "/v1/intents", body, want, nil})
	}
	of("lists in lists", strings.Repeat("[", 8500)+strings.Repeat("]", 8500), 400)
	of("lists that do not end", strings.Repeat("[", 17_000), 400)
	of("objects in objects", strings.Repeat(`{"a":`, 2500)+secret+strings.Repeat("}", 2500), 400)
	of("objects in data", `{"type":"b2c:trigger_issue","data":`+strings.Repeat(`{"a":`, 2500)+secret+strings.Repeat("}", 2500)+"}", 400)
	of("too deep for any parser", `{"type":`+strings.Repeat("[", 10_100)+"1", 400)
	of("a byte order mark", "\ufeff"+smuggled, 400)
	of("a NUL before", "\x00"+smuggled, 400)
	of("a NUL after", smuggled+"\x00", 400)
	of("something after", smuggled+secret, 400)
	of("a bracket after", smuggled+"}", 400)
	of("two", smuggled+"\n"+smuggled, 400)
	of("a comma after", strings.TrimSuffix(smuggled, "}")+",}", 400)
	of("a comment", strings.Replace(smuggled, ",", "/*"+marker+"*/,", 1), 400)
	of("single quotes", strings.ReplaceAll(smuggled, `"`, "'"), 400)
	of("no quotes", `{type:`+secret+`}`, 400)
	of("other quotes", strings.ReplaceAll(smuggled, `"`, "“"), 400)
	of("another space", strings.Replace(smuggled, ":", ":\u00a0", 1), 400)
	of("a vertical tab", "\v"+smuggled, 400)
	of("a value where a name is", `{"type":`+secret+`:1}`, 400)
	of("a value in a list where a name is", `[`+secret+`:1]`, 400)
	of("a line end in a string", `{"type":"`+marker+"\n\"}", 400)
	of("a string that does not end", `{"type":"`+marker, 400)
	of("an escape that is none", `{"type":"\x41`+marker+`"}`, 400)
	of("half an escape", `{"type":"`+marker+`\u00"}`, 400)
	of("not UTF-8", intent("\xff"), 400)
	of("too long a form of UTF-8", intent("\xc0\xaf"), 400)
	of("surrogates as UTF-8", intent("\xed\xa0\x80"), 400)
	of("half a pair", `{"type":"b2c:trigger_issue\ud800","data":{"a":`+secret+`}}`, 422)
	of("half a pair in data", intent(`\udc00`+marker), 422)
	of("half a pair in a name", `{"\ud800":`+secret+`}`, 400)
	of("a pair the wrong way", intent(`\udc00\ud800`+marker), 422)
	of("null", "null", 422)
	of("a number", "1e400", 400)
	of("not a number", `{"type":NaN}`, 400)
	of("a number with a zero before", `{"type":01}`, 400)
	of("text", secret, 400)
	of("spaces", strings.Repeat(" ", 17_000), 400)
	of("much too long", `{"type":"`+strings.Repeat(marker, 100_000)+`"}`, 413)
	of("a name twice by an escape", `{"type":`+secret+`,"\u0074ype":"b2c:trigger_issue","data":{}}`, 400)
	of("a name twice in data", `{"type":"b2c:trigger_issue","data":{"Tsr":`+secret+`,"\u0054sr":"A"}}`, 400)
	of("a name in other letters", `{"type":"b2c:trigger_issue","data":{"T\u017fr":`+secret+`}}`, 400)
	of("a name with a space", `{"type ":`+secret+`}`, 400)
	of("an empty name", `{"":`+secret+`}`, 400)
	of("a name with a NUL", `{"type\u0000":`+secret+`}`, 400)
	of("a name of 10 KB", `{"`+strings.Repeat("n", 10_000)+`":`+secret+`}`, 400)
	of("a prototype", `{"__proto__":{"type":`+secret+`}}`, 400)
	of("1,000 names", "{"+strings.Repeat(`"a":1,`, 1000)+`"b":1}`, 400)
	of("a form", "type=b2c%3Atrigger_issue&data="+marker, 400)
	of("XML", `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///`+marker+`">]><a>&b;</a>`, 400)
	return list
}

// values are intents of which a value is wrong.
func values() []ask {
	var list []ask
	of := func(name, body string, want int) {
		list = append(list, ask{name, "POST", "/v1/intents", body, want, nil})
	}
	with := func(data string) string {
		return `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A1",` + data + `}}`
	}
	at := func(v string) string { return strings.Replace(smuggled, `"data"`, `"process_at":`+v+`,"data"`, 1) }
	for _, n := range []string{"1e400", "1e1", "-0", "1.0", "-1", "99999999999999999999", strings.Repeat("9", 16_000), `"1"`, "[1]", "true"} {
		of(fmt.Sprintf("DelayDay %.20s", n), with(`"DelayDay":`+n), 422)
	}
	for _, v := range []string{
		"", marker + "/", `\u0000`, `A\u0000B`, `A\nB`, `A B`, "../A", "A/B", "{A}", "A}B{", "A:B", "*", "台灣", `\u202eA`,
		strings.Repeat("9", 31),
		"%00",
		"~41", "A'B", `A\"B`, "<b>", "${A}", strings.Repeat("9", 15_000),
	} {
		of(fmt.Sprintf("Tsr %.20q", v), intent(v), 422)
		of(fmt.Sprintf("MerchantID %.20q", v), strings.Replace(smuggled, "2000132", v, 1), 422)
	}
	for _, v := range []string{
		`"` + marker + `"`, `""`, "1767225600", "{}", "true", `"2036-01-01"`, `"2036-13-01T00:00:00Z"`, `"2036-01-01T00:00:00Z\u0000"`,
		`"2036-01-01T00:00:00"`, `" 2036-01-01T00:00:00Z"`, `"+10000-01-01T00:00:00Z"`, `"2036-02-30T00:00:00Z"`, `"2036-01-01T25:00:00Z"`,
	} {
		of("process_at "+v, at(v), 422)
	}
	of("a type that is a path", strings.Replace(smuggled, "b2c:trigger_issue", "../"+marker, 1), 422)
	of("a type with a NUL", strings.Replace(smuggled, "b2c:trigger_issue", `b2c:trigger_issue\u0000`, 1), 422)
	of("replace_dead as text", strings.Replace(smuggled, `"data"`, `"replace_dead":"`+marker+`","data"`, 1), 422)
	of("replace_dead as a number", strings.Replace(smuggled, `"data"`, `"replace_dead":1,"data"`, 1), 422)
	of("data as text", `{"type":"b2c:trigger_issue","data":"`+marker+`"}`, 422)
	of("data of null", `{"type":"b2c:trigger_issue","data":null}`, 422)
	of("a queue of one's own", strings.Replace(smuggled, `"data"`, `"queue":"`+marker+`","data"`, 1), 400)
	of("an id of one's own", strings.Replace(smuggled, `"data"`, `"id":"`+marker+`","data"`, 1), 400)
	return list
}

func acts() []ask {
	const path = "/v1/tasks/b2c.trigger_issue.2000132.NOBODY/"
	secret := `"` + marker + `"`
	var list []ask
	of := func(name, act, body string, want int) {
		list = append(list, ask{act + ", " + name, "POST", path + act, body, want, nil})
	}
	for _, act := range []string{"cancel", "resolve", "replay"} {
		of("of nobody", act, `{"note":`+secret+`}`, 404)
		of("a note that is a list", act, `{"note":[`+secret+`]}`, 422)
		of("a note that is long", act, `{"note":"`+strings.Repeat(marker, 200)+`"}`, 422)
		of("a note twice", act, `{"note":"a","not\u0065":`+secret+`}`, 400)
		of("half a pair in a note", act, `{"note":"`+marker+`\ud800"}`, 422)
		of("something after", act, `{"note":"a"}`+secret, 400)
		of("half of it", act, `{"note":`+secret, 400)
		of("a name of nobody", act, `{"note":"a","by":`+secret+`}`, 400)
		of("a correction that is a list", act, `{"note":"a","set":[`+secret+`]}`, 422)
		of("corrections in corrections", act, `{"note":"a","set":{"a":{"b":`+secret+`}}}`, 422)
		of("a correction twice", act, `{"note":"a","set":{"a":"b","\u0061":`+secret+`}}`, 400)
		of("a word that is text", act, `{"note":"a","not_executed":`+secret+`}`, 422)
		of("a list", act, `[`+secret+`]`, 400)
		of("much", act, `{"note":"`+strings.Repeat(marker, 10_000)+`"}`, 413)
	}
	of("no note", "cancel", `{"note":"\u3000\u00a0"}`, 422)
	of("no note", "resolve", `{"note":null}`, 422)
	return list
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
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		b.must(err)
		body, _ := io.ReadAll(resp.Body)
		b.harmless(name, "POST", answer{resp, body})
		if resp.StatusCode < 400 || time.Since(begun) > 3*time.Second {
			b.Errorf("a body %s: got %d after %s", name, resp.StatusCode, time.Since(begun))
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
