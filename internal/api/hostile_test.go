package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

)

// marker is in what is refused, and is in no answer. smuggled is an intent that is sent where
// none may be read.
const (
	marker   = "sEcReT-7Q"
	smuggled = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"SMUGGLED"}}`
	tsr      = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"` // and what stands in it
)

// shot is what is sent on a connection of its own, byte by byte, and the statuses that come back.
type shot struct {
	name, text string
	// want are the statuses of all answers, empty for a connection that ends without any; "a|b" is
	// either.
	want string
	// half closes the sending side at the end.
	half bool
}

// wire is a request after which the connection ends.
func wire(line, body string, headers ...string) string {
	return line + "\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + strings.Join(append(headers, "", ""), "\r\n") + body
}

// posted is an intent's request with headers of its own that say where the body ends.
func posted(body string, headers ...string) string {
	return wire("POST /v1/intents HTTP/1.1", body, append(headers, "Content-Type: application/json")...)
}

// chunked is a body in one chunk.
func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

func length(body string) string { return fmt.Sprintf("Content-Length: %d", len(body)) }

// fire sends a shot and checks what comes back.
func (b *bench) fire(t *testing.T, s shot) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, s.text) // what refuses need not read all of it
		if s.half {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	var got []string
	method, _, _ := strings.Cut(s.text, " ")
	for in := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			break
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 { // else it is told to go on
			got = append(got, fmt.Sprint(resp.StatusCode))
			harmless(t, s.name, method, answer{resp, body})
		}
	}
	_ = conn.Close()
	<-written
	if all := strings.Join(got, " "); !slices.Contains(strings.Split(s.want, "|"), all) {
		t.Errorf("%s: got %q, want %q", s.name, all, s.want)
	}
}

// harmless checks that an answer is one of ours, or Go's plain one to what is no HTTP, and has no
// value that was refused.
func harmless(t *testing.T, name, method string, a answer) {
	t.Helper()
	var header strings.Builder
	_ = a.Header.Write(&header)
	if strings.Contains(string(a.body)+header.String(), marker) {
		t.Errorf("%s: the value is in %s%s", name, &header, a.body)
	}
	gos := []int{400, 417, 431, 501, 505} // it says 501 to a Transfer-Encoding, and 505 to a version
	switch typ := a.Header.Get("Content-Type"); {
	case a.StatusCode < 400:
	case typ == "application/problem+json":
		b := &bench{TB: t}
		if method != http.MethodHead {
			b.problem(a)
		}
		if a.StatusCode >= 500 {
			t.Errorf("%s: got %d and %s", name, a.StatusCode, a.body)
		}
	case !slices.Contains(gos, a.StatusCode) || len(a.body) > 0 && !strings.HasPrefix(typ, "text/plain"):
		t.Errorf("%s: got %d with Content-Type %q and %s", name, a.StatusCode, typ, a.body)
	}
}

func TestHostileProbe(t *testing.T) {
	b := newBench(t)
	id := b.enqueued(trigger)
	t.Run("g", func(t *testing.T) {
		for _, p := range []string{"/v1/tasks/" + id + "?wait=30s", "/v1/outcomes?wait=30s"} {
			t.Run(p, func(t *testing.T) {
				t.Parallel()
				conn, _ := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
				begun := time.Now()
				fmt.Fprint(conn, wire("GET "+p+" HTTP/1.1", ""))
				all, err := io.ReadAll(conn)
				t.Logf("%s %v\n%s", time.Since(begun), err, all)
			})
		}
		t.Run("half", func(t *testing.T) {
			for _, p := range []string{"/v1/tasks/" + id, "/v1/outcomes", "/v1/tasks", "/v1/tasks?tsr=A", "/metrics", "/readyz"} {
				for range 3 {
					conn, _ := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
					fmt.Fprint(conn, wire("GET "+p+" HTTP/1.1", ""))
					conn.(*net.TCPConn).CloseWrite()
					all, err := io.ReadAll(conn)
					t.Logf("%s %v %.300s", p, err, all)
				}
			}
		})
		t.Run("smuggle", func(t *testing.T) {
			for _, text := range []string{
				"POST /v1/intents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
				posted(`{"type":"sEcReT-7Q":1}`, "Content-Length: 22"),
				posted(`{"type":"a",:"sEcReT-7Q"}`, "Content-Length: 25"),
			} {
				conn, _ := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
				fmt.Fprint(conn, text)
				conn.(*net.TCPConn).CloseWrite()
				all, err := io.ReadAll(conn)
				t.Logf("%v %s", err, all)
			}
		})
		t.Run("api", func(t *testing.T) {
			for _, at := range []string{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+12:00", "9999-12-31T23:59:59.5Z"} {
				for _, x := range []string{"b2c:trigger_issue"} {
					n := strings.NewReplacer(":", "", "-", "", "+", "", ".", "").Replace(at)
					body := fmt.Sprintf(`{"type":%q,"data":{"MerchantID":"2000132","Tsr":"%s"},"process_at":%q}`, x, n, at)
					a := b.post("/v1/intents", body)
					t.Logf("%s: %d %s", at, a.StatusCode, a.body)
					if a.StatusCode < 300 {
						a = b.get(a.Header.Get("Location"))
						t.Logf("%d %s %v", a.StatusCode, a.body, a.Header)
					}
				}
			}
			for _, q := range []string{"state=dead&merchant_id=%zz", "merchant_id=1;x=2", "merchant_id=%zz", "%zz=1", "tsr=ORDER1001&merchant_id=9%", "limit=1000&merchant_id=*", "merchant_id=%7B%7D", "merchant_id=%00", "tsr=a&merchant_id=%7B%7D", "state=dead&merchant_id=%7B%7D"} {
				a := b.get("/v1/tasks?" + q)
				t.Logf("%s: %d %.200s", q, a.StatusCode, a.body)
				a = b.get("/v1/outcomes?" + q)
				t.Logf("%s: %d %.200s", q, a.StatusCode, a.body)
			}
			a := b.get("/v1/tasks")
			t.Logf("list: %d %s", a.StatusCode, a.body)
			nest := `{"type":"x","data":` + strings.Repeat(`{"`+strings.Repeat("a", 60)+`":`, 240) + `{"a":1,"a":2}` + strings.Repeat("}", 240) + "}"
			a = b.post("/v1/intents", nest)
			t.Logf("amplify %d bytes: %d, %d bytes", len(nest), a.StatusCode, len(a.body))
			nest = `{"type":"x","data":` + strings.Repeat(`{"":`, 3000) + `{"a":1,"a":2}` + strings.Repeat("}", 3000) + "}"
			a = b.post("/v1/intents", nest)
			t.Logf("amplify %d bytes: %d, %d bytes", len(nest), a.StatusCode, len(a.body))
			nest = `{"type":"x","data":` + strings.Repeat(`[`, 8000) + `{"a":1,"a":2}` + strings.Repeat("]", 8000) + "}"
			a = b.post("/v1/intents", nest)
			t.Logf("amplify %d bytes: %d, %d bytes %.200s", len(nest), a.StatusCode, len(a.body), a.body)
			a = b.post("/v1/intents/batch", `{"type":"x","data":{"a":1}}`)
			t.Logf("%d bytes: %d, %d bytes", 27, a.StatusCode, len(a.body))
			a = b.post("/v1/intents/batch", `{"type":"b2c:issue","data":{}}`)
			t.Logf("%d bytes: %d, %d bytes %s", 27, a.StatusCode, len(a.body), a.body)
			a = b.post("/v1/intents", trigger, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate", "a="+strings.Repeat("x", 256))
		})
	})
}
