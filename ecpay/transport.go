package ecpay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Hosts by name (developers.ecpay.com.tw, every operation's page).
const (
	StageURL      = "https://einvoice-stage.ecpay.com.tw"
	ProductionURL = "https://einvoice.ecpay.com.tw"
)

// ParseBaseURL accepts "stage", "production" and a base URL. Plain http is for
// loopback addresses only: TLS is the only protection an answer has.
func ParseBaseURL(s string) (*url.URL, error) {
	switch s {
	case "stage":
		s = StageURL
	case "production":
		s = ProductionURL
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, errors.New(`ECPay URL must be "stage", "production" or an absolute URL`)
	}
	switch {
	case u.User != nil:
		return nil, errors.New("ECPay URL may not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("ECPay URL may not hold a query or fragment")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, errors.New("ECPay URL may use plain http with a loopback address only; use https")
	default:
		return nil, fmt.Errorf("ECPay URL has scheme %q; use https", u.Scheme)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

const (
	connectTimeout    = 5 * time.Second
	maxResponseHeader = 64 << 10
)

// newTransport keeps to HTTP/1.1: one request occupies one connection, so that
// counting what was written to it proves whether a request was sent.
func newTransport(
	dial func(context.Context, string, string) (net.Conn, error), plain bool, maxConns int, roots *tls.Config,
) *http.Transport {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		tlsConfig.RootCAs = roots.RootCAs
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConns:           maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
		Protocols:              protocols,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); plain && (!ok || !tcp.IP.IsLoopback()) {
				_ = conn.Close()
				return nil, errors.New("plain http to an address that is not loopback")
			}
			return &countingConn{Conn: conn}, nil
		},
	}
	if plain {
		t.Proxy = nil
	}
	return t
}

// countingConn counts the bytes written, so that an error can be told apart
// from an error after the request began to leave.
type countingConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	// Counted before the write: a write that fails half-way may have left.
	c.written.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// sendProof watches one request and tells whether any byte of it left.
// [http.Transport] may use several connections for one request: it goes to a
// new one when a kept-alive one turns out closed before a byte was written.
type sendProof struct {
	mu     sync.Mutex
	conns  []*countingConn
	before []int64
	opaque bool
}

func (p *sendProof) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			p.mu.Lock()
			defer p.mu.Unlock()
			conn := info.Conn
			if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
				conn = t.NetConn()
			}
			c, ok := conn.(*countingConn)
			if !ok {
				p.opaque = true // a transport of the caller's: nothing can be proven
				return
			}
			p.conns = append(p.conns, c)
			p.before = append(p.before, c.written.Load())
		},
	})
}

// notSent is meaningful after RoundTrip returned: net/http waits for its writer
// before it reports an error.
func (p *sendProof) notSent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.conns {
		if c.written.Load() != p.before[i] {
			return false
		}
	}
	return !p.opaque
}
