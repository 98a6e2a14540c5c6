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

