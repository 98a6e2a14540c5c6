package webhook_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// Why nothing was delivered is said in both languages, and in words of ours.
func TestWhyNothingWasDeliveredIsSaidInBothLanguages(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for address, want := range map[string][2]string{
		"http://" + nobody + "/hook":                          {"nothing listens", "沒有程式接受連線"},
		"https://" + strings.TrimPrefix(plain.URL, "http://"): {"does not speak TLS", "不支援 TLS"},
		secure.URL:                          {"its certificate", "憑證"},
		"https://no-such-name.invalid/hook": {"its name is not known", "查無此網域名稱"},
		speaks(t, func(c net.Conn) {}):      {"closed the connection", "即關閉連線"},
		speaks(t, func(c net.Conn) { _, _ = c.Write([]byte("?\r\n\r\n")) }): {"none of HTTP", "不是 HTTP"},
		plain.URL: {"answered 404 Not Found", "端點回應 404"},
	} {
		a := sendTo(t, address)
		if !strings.Contains(a.Text, want[0]) || !strings.Contains(a.TextZh, want[1]) {
			t.Errorf("%s: %q / %q, want %q / %q", address, a.Text, a.TextZh, want[0], want[1])
		}
		if regexp.MustCompile(`dial tcp|connect:|x509|lookup|malformed|127\.0\.0\.1`).MatchString(a.Text) {
			t.Errorf("%s: %q has words of Go's", address, a.Text)
		}
	}
	e := endpointAt(t, "https://127.0.0.1:1/hook", true)
	e.AllowPrivate = false
	s := webhook.NewSender(e, "test")
	defer s.Close()
	a := s.Send(t.Context(), e, "test_1", []byte("{}"))
	if a.Result != webhook.Forbidden || !strings.Contains(a.Text, "allow_private") || !strings.Contains(a.TextZh, "私有網路") ||
		strings.Contains(a.Text, "dial") {
		t.Errorf("a private address: %+v", a)
	}
}
