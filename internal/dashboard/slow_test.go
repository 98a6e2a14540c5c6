package dashboard_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/web"
)

// heap is what is in use once garbage is gone.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestSlowReadersHoldNoCopyOfTheirOwnAndAreCutOff is not parallel: it measures the
// memory of the process.
func TestSlowReadersHoldNoCopyOfTheirOwnAndAreCutOff(t *testing.T) {
	w := newWorld(t, nil)
	const limit, readers = 500 * time.Millisecond, 24
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	server := web.NewServer(w.d, limit)
	closed := make(chan struct{}, 10*readers)
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	const path = "/asynq/static/js/2.83624df2.chunk.js"
	size := w.get(path).Body.Len()

	before, most := heap(), 0
	conns := make([]net.Conn, readers)
	for i := range conns {
		c, err := net.Dial("tcp", ln.Addr().String())
		w.must(err)
		t.Cleanup(func() { _ = c.Close() })
		w.must(c.(*net.TCPConn).SetReadBuffer(4 << 10))
		// A few copies, one after the other, are more than the kernel takes off the server.
		for range 8 {
			_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, ln.Addr())
			w.must(err)
		}
		conns[i] = c
		most = max(most, heap()-before)
	}
	if most > 4*size {
		t.Errorf("%d slow readers of %d bytes hold %d bytes, want a few copies at most", readers, size, most)
	}
	for i := range conns {
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d connections whose client does not read are still open", len(conns)-i, len(conns))
		}
	}
	resp, err := http.Get("http://" + ln.Addr().String() + path)
	w.must(err)
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || int(n) != size {
		t.Errorf("a quick reader got %d bytes and %v, want %d", n, err, size)
	}
}
