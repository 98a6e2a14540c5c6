package webhook_test

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// A delivery to an endpoint that takes others meanwhile is tried for as long as one that takes none is left enabled.
func TestTheTenTriesTakeThreeDays(t *testing.T) {
	t.Parallel()
	var least, most time.Duration
	for try := 1; try < webhook.MaxTries; try++ {
		least += webhook.PauseAfter(try, 0, 0)
		most += webhook.PauseAfter(try, 0, 0.999)
	}
	if want := 72*time.Hour + 11*time.Minute + 5*time.Second; least != want || most > want*11/10 || least < webhook.Patience {
		t.Errorf("%d tries take %s to %s, want %s and a tenth more at most", webhook.MaxTries, least, most, want)
	}
	if got := webhook.PauseAfter(1, time.Hour, 0); got != time.Hour {
		t.Errorf("with a Retry-After of an hour: got %s", got)
	}
}

// endpointAt is one at an address.
func endpointAt(t testing.TB, address string, private bool) webhook.Endpoint {
	t.Helper()
	u, err := webhook.ParseURL(address, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := webhook.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{webhook.AllMerchants}
	return webhook.Endpoint{Name: "shop", URL: u, Secrets: []webhook.Key{key}, Merchants: all, AllowPrivate: private}
}

// sendTo sends once to an address on this machine.
func sendTo(t *testing.T, address string) webhook.Answer {
	t.Helper()
	e := endpointAt(t, address, true)
	s := webhook.NewSender(e, "test")
	defer s.Close()
	return s.Send(t.Context(), e, "test_1", []byte("{}"))
}

// speaks is the address of a server that has read the head of a request, and then says what it
// likes.
func speaks(t *testing.T, say func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					say(c)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + hiddenPath
}

// hiddenPath has words that nobody may read.
const hiddenPath = "/hidden-path?word=hidden-query"

func shows(a webhook.Answer) bool { return strings.Contains(a.Text, "hidden") }

func TestEveryStatusHasAVerdict(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscan(r.URL.Query().Get("status"), &status)
		if after := r.URL.Query().Get("after"); after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	for status := 200; status <= 599; status++ {
		want := webhook.Failed
		switch {
		case status < 300:
			want = webhook.Delivered
		case status < 400:
			want = webhook.Redirected
		case status == 410:
			want = webhook.Gone
		case status == 429:
			want = webhook.Throttled
		case status < 500:
			want = webhook.Refused
		}
		a := sendTo(t, fmt.Sprintf("%s/?status=%d", server.URL, status))
		if a.Result != want || a.Status != status || !strings.Contains(a.Text, fmt.Sprint(status)) || a.RetryAfter != 0 {
			t.Errorf("%d: got %+v, want %s", status, a, want)
		}
	}
	for status, want := range map[int]webhook.Result{
		200: webhook.Delivered, 302: webhook.Redirected, 404: webhook.Refused,
		429: webhook.Throttled, 500: webhook.Failed, 503: webhook.Throttled,
	} {
		a := sendTo(t, fmt.Sprintf("%s/?status=%d&after=7", server.URL, status))
		if a.Result != want || (a.RetryAfter != 0) != (want == webhook.Throttled) {
			t.Errorf("%d with Retry-After: got %+v, want %s", status, a, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, text string
		want       time.Duration
	}{
		{"none", "", 0},
		{"zero", "0", 0},
		{"seconds", "120", 2 * time.Minute},
		{"spaces", " 120 ", 2 * time.Minute},
		{"a day", "86400", 24 * time.Hour},
		{"more than a day", "86401", 24 * time.Hour},
		{"the most of 31 bits", "2147483647", 24 * time.Hour},
		{"negative", "-5", 0},
		{"a sign", "+5", 0},
		{"a fraction", "1.5", 0},
		{"hexadecimal", "0x10", 0},
		{"garbage", "soon", 0},
		{"a date", "Sun, 29 Nov 2026 12:03:00 GMT", 3 * time.Minute},
		{"a date of RFC 850", "Sunday, 29-Nov-26 12:03:00 GMT", 3 * time.Minute},
		{"a date that is over", "Sun, 29 Nov 2026 11:00:00 GMT", 0},
		{"a date far off", "Sun, 29 Nov 9999 11:00:00 GMT", 24 * time.Hour},
		{"a date long ago", "Mon, 01 Jan 0001 00:00:00 GMT", 0},
		{"a date of RFC 3339", "2026-11-29T12:03:00Z", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := webhook.RetryAfterOf(tt.text, now); got != tt.want {
				t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "5", "-1", "99999999999999999999", "Sun, 29 Nov 2026 12:03:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(text, int64(1_795_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		if d := webhook.RetryAfterOf(text, time.Unix(unix, 0)); d < 0 || d > 24*time.Hour {
			t.Fatalf("%q at %d: got %s", text, unix, d)
		}
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere, here atomic.Int64
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer second.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here.Add(1)
		var status int
		fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.Header()["Location"] = []string{r.URL.Query().Get("to")}
		w.WriteHeader(status)
	}))
	defer first.Close()
	want := int64(0)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{second.URL, "/hidden", "", "https://[hidden", "/%25zz%zzhidden"} {
			a := sendTo(t, fmt.Sprintf("%s/?status=%d&to=%s", first.URL, status, strings.ReplaceAll(to, "%", "%25")))
			if want++; a.Result != webhook.Redirected || a.Status != status || shows(a) {
				t.Errorf("%d to %q: got %+v", status, to, a)
			}
		}
	}
	if here.Load() != want || elsewhere.Load() != 0 {
		t.Errorf("%d requests came to the endpoint, want %d, and %d to where it sent them", here.Load(), want, elsewhere.Load())
	}
}

// TestSendWithProxyOfEnvironment is what the child of the next test runs.
func TestSendWithProxyOfEnvironment(t *testing.T) {
	if os.Getenv("HTTPS_PROXY") == "" || os.Getenv("WEBHOOK_TEST_CHILD") == "" {
		t.Skip("the next test runs it")
	}
	// That the environment is obeyed by what asks it; the host is none.
	if resp, err := http.Get("https://control.invalid/"); err == nil {
		resp.Body.Close()
	}
	e := endpointAt(t, "https://shop.invalid/hook", false)
	a := webhook.NewSender(e, "test").Send(t.Context(), e, "test_1", nil)
	t.Logf("got %+v", a)
	if a.Result != webhook.Unreachable {
		t.Errorf("got %+v", a)
	}
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	t.Parallel()
	hosts := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSendWithProxyOfEnvironment$", "-test.v")
	cmd.Env = append(os.Environ(), "WEBHOOK_TEST_CHILD=1",
		"HTTPS_PROXY="+proxy.URL, "HTTP_PROXY="+proxy.URL, "ALL_PROXY="+proxy.URL, "NO_PROXY=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	close(hosts)
	var got []string
	for h := range hosts {
		got = append(got, h)
	}
	if len(got) != 1 || got[0] != "control.invalid:443" {
		t.Errorf("the proxy was asked for %q\n%s", got, out)
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	says := func(text string) string { return speaks(t, func(c net.Conn) { io.WriteString(c, text) }) }
	for _, tt := range []struct {
		name, address string
		want          webhook.Result
	}{
		{"nobody listens", "http://" + closed.Addr().String() + hiddenPath, webhook.Unreachable},
		{"it hangs up", says(""), webhook.Unreachable},
		{"it hangs up in the headers", says("HTTP/1.1 200 OK\r\nX-A: 1\r\n"), webhook.Unreachable},
		{"it hangs up in the body", says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nok"), webhook.Delivered},
		{"it hangs up in the body of an error", says("HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\nno"), webhook.Failed},
		{"a broken chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), webhook.Delivered},
		{"it repeats the request", says("POST " + hiddenPath + " HTTP/1.1\r\nHost: a\r\n\r\n"), webhook.Unreachable},
		{"a status that is none", says("HTTP/1.1 hidden\r\n\r\n"), webhook.Unreachable},
		{"a header that is none", says("HTTP/1.1 200 OK\r\nhidden\r\n\r\n"), webhook.Unreachable},
		{"a first header that is none", says("HTTP/1.1 200 OK\r\n hidden\r\n\r\n"), webhook.Unreachable},
		{"a header's name that is none", says("HTTP/1.1 200 OK\r\nhid den\x01: 1\r\n\r\n"), webhook.Unreachable},
		{"a length that is none", says("HTTP/1.1 200 OK\r\nContent-Length: hidden\r\n\r\n"), webhook.Unreachable},
		{"two lengths", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"), webhook.Unreachable},
		{"giant headers", says("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 100_000) + "\r\n\r\n"), webhook.Unreachable},
		{"many headers", says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: a\r\n", 20_000) + "\r\n"), webhook.Unreachable},
		{"long headers", says("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 10_000) + "\r\nContent-Length: 0\r\n\r\n"), webhook.Delivered},
		{"early hints for ever", says(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-A: a\r\n\r\n", 1000)), webhook.Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := sendTo(t, tt.address)
			if a.Result != tt.want || a.Text == "" || (a.Status == 0) != (tt.want == webhook.Unreachable) {
				t.Errorf("got %+v, want %s", a, tt.want)
			}
			if shows(a) {
				t.Errorf("%q shows what nobody may read", a.Text)
			}
			t.Log(a.Text)
		})
	}
}

func TestAnAnswerThatDoesNotEndIsCutOff(t *testing.T) {
	t.Parallel()
	drip := func(head, each string) func(net.Conn) {
		return func(c net.Conn) {
			io.WriteString(c, head)
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, each); err != nil {
					return
				}
			}
		}
	}
	for _, tt := range []struct {
		name string
		say  func(net.Conn)
		want webhook.Result
	}{
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, webhook.Unreachable},
		{"headers", drip("HTTP/1.1 200 OK\r\n", "X-A: a\r\n"), webhook.Unreachable},
		{"a line of a header", drip("HTTP/1.1 200 OK\r\nX-A: ", "a"), webhook.Unreachable},
		{"body", drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"), webhook.Delivered},
		{"body of an error", drip("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"), webhook.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			a := sendTo(t, speaks(t, tt.say))
			if took := time.Since(begun); took < 14*time.Second || took > 18*time.Second || a.Result != tt.want || shows(a) {
				t.Errorf("got %+v after %s, want %s after 15 s", a, took, tt.want)
			}
			if tt.want == webhook.Unreachable && !strings.Contains(a.Text, "15 seconds") {
				t.Errorf("got %q", a.Text)
			}
		})
	}
}

func TestOfABodyThatDoesNotEndLittleIsRead(t *testing.T) {
	t.Parallel()
	const enough = 64 << 20
	sent := make(chan int, 1)
	a := sendTo(t, speaks(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
		n, piece := 0, strings.Repeat("字", 10_000)
		for n < enough {
			m, err := io.WriteString(c, piece)
			if n += m; err != nil {
				break
			}
		}
		sent <- n
	}))
	if n := <-sent; a.Result != webhook.Delivered || n >= enough || len(a.Body) > 400 || len(a.Body) < 390 || strings.Contains(a.Body, "?") {
		t.Errorf("%d bytes were taken, got %+v", n, a)
	}
}

func TestTheCertificateIsChecked(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	protocol := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		protocol <- r.Proto
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	send := func(address string, trust bool) webhook.Answer {
		e := endpointAt(t, address, true)
		s := webhook.NewSender(e, "test")
		defer s.Close()
		if trust {
			s.Trust(pool)
		}
		return s.Send(t.Context(), e, "test_1", []byte("{}"))
	}
	if a := send(server.URL+hiddenPath, false); a.Result != webhook.Unreachable || !strings.Contains(a.Text, "certificate") || shows(a) {
		t.Errorf("nobody vouches for it, and it is %+v", a)
	}
	byName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + hiddenPath
	if a := send(byName, true); a.Result != webhook.Unreachable || !strings.Contains(a.Text, "another name") || shows(a) {
		t.Errorf("it is for another name, and it is %+v", a)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were sent to who has no certificate", n)
	}
	if a := send(server.URL+hiddenPath, true); a.Result != webhook.Delivered {
		t.Fatalf("got %+v", a)
	}
	if p := <-protocol; p != "HTTP/2.0" {
		t.Errorf("it was sent by %s", p)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if a := send("https"+strings.TrimPrefix(plain.URL, "http")+hiddenPath, true); a.Result != webhook.Unreachable || shows(a) {
		t.Errorf("without TLS it is %+v", a)
	}
}
