package bench

import (
	"io"
	"net"
	"sync"
	"time"
)

// proxy passes bytes on to Redis, and what Redis answers back a little later. It
// delays, it does not throttle: what comes in one after the other goes out as
// close together. All of the delay is on the way back, since for a client only
// the round trip counts.
type proxy struct {
	ln     net.Listener
	target string
	delay  time.Duration

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
	wg     sync.WaitGroup
}

func startProxy(target string, delay time.Duration) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, target: target, delay: delay}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

// close ends the proxy and all connections.
func (p *proxy) close() error {
	err := p.ln.Close()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

// keep remembers a connection for close; false when that has been called.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return !p.closed
}

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client) || !p.keep(server) {
			_, _ = client.Close(), server.Close()
			return
		}
		p.wg.Go(func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		})
		p.wg.Go(func() { p.back(client, server) })
	}
}

// chunk is what Redis has sent at once, and when it is passed on.
type chunk struct {
	due   time.Time
	bytes []byte
}

// back passes on what server sends to client, each chunk at its time.
func (p *proxy) back(client, server net.Conn) {
	defer client.Close()
	chunks := make(chan chunk, 1024)
	p.wg.Go(func() {
		defer close(chunks)
		for {
			buf := make([]byte, 16<<10)
			n, err := server.Read(buf)
			if n > 0 {
				chunks <- chunk{time.Now().Add(p.delay), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range chunks {
		sleepUntil(c.due)
		if _, err := client.Write(c.bytes); err != nil {
			_ = server.Close()
			for range chunks { // so that the reader ends
			}
			return
		}
	}
}
