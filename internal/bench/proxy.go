package bench

import (
	"io"
	"net"
	"net/url"
	"runtime"
	"sync"
	"time"
)

// proxy passes bytes on to Redis, and what Redis answers back a little later. It
// delays, it does not throttle: what comes in one after the other goes out as
// close together, on one connection or on many. All of the delay is on the way
// back, since for a client only the round trip counts.
type proxy struct {
	ln     net.Listener
	target string
	delay  time.Duration
	chunks chan chunk // in the order of their times, since all wait equally long

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
	p := &proxy{ln: ln, target: target, delay: delay, chunks: make(chan chunk, 1<<16)}
	p.wg.Go(p.accept)
	go p.deliver()
	return p, nil
}

// startDelay runs a proxy before a Redis in this process.
func startDelay(o order) (ready, func(), error) {
	runtime.GOMAXPROCS(runtime.NumCPU() + 1) // one sleeps, see deliver
	target, err := url.Parse(o.RedisURL)
	if err != nil {
		return ready{}, nil, err
	}
	p, err := startProxy(target.Host, o.Delay)
	if err != nil {
		return ready{}, nil, err
	}
	return ready{URL: "redis://" + p.addr() + "/0"}, func() { _ = p.close() }, nil
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
	close(p.chunks)
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

// chunk is what Redis has sent at once, when it is passed on, and to whom. Without
// bytes it is the end of the connection.
type chunk struct {
	due   time.Time
	to    net.Conn
	bytes []byte
}

// back takes what server sends for client.
func (p *proxy) back(client, server net.Conn) {
	for {
		buf := make([]byte, 16<<10)
		n, err := server.Read(buf)
		if n > 0 {
			p.chunks <- chunk{time.Now().Add(p.delay), client, buf[:n]}
		}
		if err != nil {
			p.chunks <- chunk{time.Now().Add(p.delay), client, nil}
			return
		}
	}
}

// deliver passes on each chunk at its time. One goroutine does it for all
// connections: many that sleep in the system would wait for each other's
// processors.
func (p *proxy) deliver() {
	for c := range p.chunks {
		sleepUntil(c.due)
		if c.bytes == nil {
			_ = c.to.Close()
		} else if _, err := c.to.Write(c.bytes); err != nil {
			_ = c.to.Close() // the client went away; its other half notices
		}
	}
}
