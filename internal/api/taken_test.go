package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// wrong opens a connection and sends a batch of so many lines, each of which is refused in about
// 190 bytes.
func (b *bench) wrong(n int) *socket {
	b.Helper()
	conn := b.connect()
	b.must(conn.SetReadBuffer(64 << 10)) // else it keeps up to 6 MB that nobody has read
	text := strings.Repeat(`{"typ":1}`+"\n", n)
	_, err := fmt.Fprintf(conn, "POST /v1/intents/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
		"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	b.must(err)
	return conn
}

// paced reads little at once, and then nothing for a while.
type paced struct {
	net.Conn
	read int
}

func (p *paced) Read(text []byte) (int, error) {
	n, err := p.Conn.Read(text[:min(len(text), 50_000)])
	if p.read += n; p.read > 50_000 {
		p.read = 0
		time.Sleep(200 * time.Millisecond)
	}
	return n, err
}

// The kernel lets a writer go on when a third of what it keeps was taken, not at every byte. That takes this client,
// which reads 250 KB a second, 0.2 s of the 128 KiB that the server has it keep, and 5 s of the 4 MB that Linux would.
func TestAClientThatReadsSlowlyGetsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.api.SetUntaken(2 * time.Second)
	const n = 30_000
	conn := b.wrong(n)
	conn.in = bufio.NewReader(&paced{Conn: conn.TCPConn})
	a, err := conn.answer() // to look at it takes a busy machine longer than the pauses, and comes after them
	b.must(err)
	if all, sum := b.results(bytes.NewReader(a.body)); len(all) != n || sum.Summary.Failed != n {
		t.Errorf("got %d results and %+v", len(all), sum.Summary)
	}
}

func TestAnAnswerThatIsNotTakenIsCutLoggedAndCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.api.SetUntaken(200 * time.Millisecond)
	stalled, gone := b.wrong(60_000), b.wrong(60_000)
	b.must(gone.SetLinger(0))
	_, err := gone.Read(make([]byte, 1)) // so that the answer is on its way
	b.must(err)
	b.must(gone.Close())
	metrics := func() string { return string(b.get("/metrics").body) }
	want := []string{`ecpayq_api_batch_answers_cut_total{reason="gone"} 1`, `ecpayq_api_batch_answers_cut_total{reason="stalled"} 1`}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := metrics()
		if strings.Contains(got, want[0]) && strings.Contains(got, want[1]) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s, want %q", got, want)
		}
	}
	if log := b.log.String(); !strings.Contains(log, `"reason":"stalled","lines":60000`) || !strings.Contains(log, `"reason":"gone"`) {
		t.Errorf("the log has %s", log)
	}
	_ = stalled.Close()
}
