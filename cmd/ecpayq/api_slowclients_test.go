package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that goes on sending is told what became of its lines all the same.
func TestABatchOfAClientThatDoesNotPauseIsSummedUpWhenTheAPIStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	a := b.api(nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	b.must(err)
	defer conn.Close()
	const head = "POST /v1/intents/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
		"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
	fmt.Fprint(conn, head)
	go func() {
		for i := 0; ; i++ {
			line := triggerIntent(fmt.Sprintf("BUSY%d", i), "") + "\n"
			if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(line), line); err != nil {
				return
			}
		}
	}()
	b.eventually("some are stored", func() bool { return len(b.pendingTriggers()) >= 2000 })
	a.signal(syscall.SIGTERM)
	_, answer, err := answerTo(t, conn, head)
	if !strings.Contains(answer, `{"summary":`) {
		t.Fatalf("got %d bytes without a summary, and %v", len(answer), err)
	}
}

// answerTo reads the answer to a request with a header, whose body was or is sent bit by bit, and holds it to
// openapi.yaml. An error says that there is none, or that it is cut off.
func answerTo(t *testing.T, conn net.Conn, head string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	d, described := description()
	if described == nil {
		described = d.Check(req, triggerIntent("SLOW", "")+"\n", resp.StatusCode, resp.Header, text)
	}
	if described != nil {
		t.Error(described)
	}
	return resp.StatusCode, string(text), err
}

// One client that is slow makes no failure of a stop, and none of Redis.
func TestAStopThatAClientHoldsUpIsNoFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.api(nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	b.must(err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/intents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
	done := a.longPoll(triggerID("NONE"), "") // the connection before this one is accepted by then
	<-done
	begun := time.Now()
	a.signal(syscall.SIGTERM)
	r := a.wait(patience)
	if r.code != 0 || strings.Contains(r.stderr, "ECPAYQ_REDIS_URL") {
		t.Errorf("after %s: %+v, want exit code 0 and nothing about Redis", time.Since(begun), r)
	}
}
