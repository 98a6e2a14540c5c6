package api_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// socket is a connection on which bytes are sent as they are, also those that are no request. Its answers are held
// to openapi.yaml, as those of call are.
type socket struct {
	*net.TCPConn
	b  *bench
	in *bufio.Reader

	mu   sync.Mutex
	sent bytes.Buffer
	// asked has what was sent until the first answer came.
	asked *bufio.Reader
}

func (b *bench) connect() *socket {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	b.must(err)
	b.Cleanup(func() { _ = conn.Close() })
	return &socket{TCPConn: conn.(*net.TCPConn), b: b, in: bufio.NewReader(conn)}
}

// dial connects for 20 seconds.
func (b *bench) dial() *socket {
	b.Helper()
	s := b.connect()
	b.must(s.SetDeadline(time.Now().Add(20 * time.Second)))
	return s
}

// Write implements io.Writer. It notes what is sent before it goes, so that it is known when an answer comes.
func (s *socket) Write(text []byte) (int, error) {
	s.mu.Lock()
	s.sent.Write(text)
	s.mu.Unlock()
	return s.TCPConn.Write(text)
}

// answer reads the next answer. An error says that there is none; a body that is cut off is one as far as it came,
// and is held to nothing.
func (s *socket) answer() (answer, error) {
	s.b.Helper()
	if _, err := s.in.Peek(1); err != nil {
		return answer{}, err
	}
	req, body, notOne := s.request()
	resp, err := http.ReadResponse(s.in, req)
	for err == nil && resp.StatusCode < 200 { // it is told to go on
		resp, err = http.ReadResponse(s.in, req)
	}
	if err != nil {
		return answer{}, err
	}
	text, cut := io.ReadAll(resp.Body)
	a := answer{resp, text}
	everything := req.Method == http.MethodOptions && req.RequestURI == "*" // which Go answers, too
	switch {
	case a.byGo() || cut != nil || everything:
	case notOne != nil:
		s.b.Errorf("got %d and %s to what is no request: %v", a.StatusCode, a.body, notOne)
	default:
		d, err := description()
		if err == nil {
			err = d.Check(req, body, a.StatusCode, a.Header, a.body)
		}
		if err != nil {
			s.b.Error(err)
		}
	}
	return a, nil
}

// request is the next one that was sent, and as much of its body as was. Of what is no request it has the method only,
// by which it depends whether an answer has a body.
func (s *socket) request() (req *http.Request, body string, err error) {
	if s.asked == nil {
		s.mu.Lock()
		s.asked = bufio.NewReader(bytes.NewReader(bytes.Clone(s.sent.Bytes())))
		s.mu.Unlock()
	}
	start, _ := s.asked.Peek(8)
	if req, err = http.ReadRequest(s.asked); err != nil {
		method, _, _ := strings.Cut(string(start), " ")
		return &http.Request{Method: method}, "", err
	}
	text, _ := io.ReadAll(req.Body)
	return req, string(text), nil
}

// byGo says whether an answer is Go's own, to what is no HTTP of a kind that it knows: the last ones are for a
// Transfer-Encoding and a version.
func (a answer) byGo() bool {
	typ := a.Header.Get("Content-Type")
	return slices.Contains([]int{400, 417, 431, 501, 505}, a.StatusCode) && typ != "application/problem+json" &&
		(len(a.body) == 0 || strings.HasPrefix(typ, "text/plain"))
}
