// Package web serves HTTP to browsers, probes and scrapers, of which some are slow,
// some are many, and some speak for another site.
package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// WriteLimit is how long a client may take to read one response, from its first byte
// on: 1 MiB needs 35 KiB/s.
const WriteLimit = 30 * time.Second

const (
	headerLimit  = 5 * time.Second
	requestLimit = 30 * time.Second
	idleLimit    = time.Minute
	// answerLimit is the whole of an answer, the work for it too: a change on the
	// dashboard may take a minute.
	answerLimit = 2 * time.Minute
	maxHeader   = 64 << 10
	// maxStreams bounds what one connection of HTTP/2 asks for at once.
	maxStreams = 32
)

// NewServer returns a server that ends connections whose client takes more than limit
// to read a response, 30 s to send a request, 5 s for its header, or is idle for a
// minute.
func NewServer(h http.Handler, limit time.Duration) *http.Server {
	return &http.Server{
		Handler:           limitWrites(h, limit),
		ReadHeaderTimeout: headerLimit, ReadTimeout: requestLimit, WriteTimeout: answerLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: maxHeader,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: limit},
	}
}

// Listen listens on an address for at most so many connections at once; more wait
// until one ends.
func Listen(addr string, connections int) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, listenProblem(err))
	}
	return netutil.LimitListener(bounded{ln}, connections), nil
}

// listenProblem says why nobody can listen on an address, in words that are not Go's.
func listenProblem(err error) error {
	var address *net.AddrError
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("another program has this port; ss -ltnp shows which one")
	case errors.Is(err, syscall.EACCES):
		return errors.New("this user may not listen there; ports below 1024 are root's")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return errors.New("this machine has no such address")
	case errors.As(err, &name):
		return errors.New("it must be HOST:PORT, with a host that this machine has and a port from 0 to 65535")
	case errors.As(err, &address):
		return errors.New("it must be HOST:PORT, like 127.0.0.1:8090, with a port from 0 to 65535")
	}
	return err
}

// sendBuffer bounds what is written and not yet sent on a connection. A writer who waits goes on
// only when about a third of it is free: of the megabytes that Linux makes of it by itself, a slow
// client takes so much in a minute only, and seems to take nothing until then.
const sendBuffer = 128 << 10

// bounded gives every connection that buffer.
type bounded struct{ net.Listener }

// Accept implements [net.Listener].
func (l bounded) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // else it is as Linux makes it
	}
	return conn, err
}

// limitWrites gives each response the time from its first byte on.
func limitWrites(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&timed{ResponseWriter: w, limit: limit}, r)
	})
}

// timed sets the deadline of a response once it begins.
type timed struct {
	http.ResponseWriter
	limit time.Duration
	begun bool
}

func (t *timed) begin() {
	if !t.begun {
		t.begun = true
		// The server sets the deadline anew for the next request of the connection. Where
		// there is none to set, as in a test, there is nobody to wait for either.
		_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Now().Add(t.limit))
	}
}

// WriteHeader implements [http.ResponseWriter].
func (t *timed) WriteHeader(status int) {
	t.begin()
	t.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (t *timed) Write(p []byte) (int, error) {
	t.begin()
	return t.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }
