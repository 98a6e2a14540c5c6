package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of one request.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 15 * time.Second // of all, from the name to the end of the answer
	maxHeader     = 16 << 10
	maxAnswer     = 64 << 10 // of an answer, that its connection can be used again
	shownAnswer   = 400
)

// Sender sends to one endpoint.
type Sender struct {
	// transport, without a Client, follows no redirect: a Client reads where one leads, and says
	// so in its errors.
	transport *http.Transport
	agent     string
	now       func() time.Time
}

// NewSender returns one. agent is what it is called in the header User-Agent.
//
// The environment names no proxy: one would connect to whatever address it is given.
func NewSender(e Endpoint, agent string) *Sender {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: guard(e.AllowPrivate)}
	most := e.inFlight()
	return &Sender{
		transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: maxHeader,
			MaxConnsPerHost: most, MaxIdleConnsPerHost: most, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		agent: agent, now: time.Now,
	}
}

func (e Endpoint) inFlight() int {
	if e.InFlight == 0 {
		return DefaultInFlight
	}
	return e.InFlight
}

// Close closes what is idle.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Send sends a body once, with the time and the signatures of this try.
func (s *Sender) Send(ctx context.Context, e Endpoint, id string, body []byte) Answer {
	begun := time.Now()
	a := s.send(ctx, e, id, body)
	a.Took = time.Since(begun)
	return a
}

func (s *Sender) send(ctx context.Context, e Endpoint, id string, body []byte) Answer {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL.String(), bytes.NewReader(body))
	if err != nil {
		return errorOf(err)
	}
	at := s.now()
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {s.agent},
		http.CanonicalHeaderKey(headerID):        {id},
		http.CanonicalHeaderKey(headerTimestamp): {strconv.FormatInt(at.Unix(), 10)},
		http.CanonicalHeaderKey(headerSignature): {signatures(e.Secrets, id, at, body)},
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return errorOf(err)
	}
	defer resp.Body.Close()
	read, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status has said it
	a := statusOf(resp.StatusCode, retryAfterOf(resp.Header.Get("Retry-After"), at))
	a.Body = shown(read)
	return a
}

// shown is how an answer begins.
func shown(b []byte) string {
	b = b[:min(len(b), shownAnswer)]
	for len(b) > 0 && !utf8.Valid(b) && len(b) > shownAnswer-utf8.UTFMax {
		b = b[:len(b)-1]
	}
	return strings.ToValidUTF8(string(b), "?")
}
