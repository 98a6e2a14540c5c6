//go:build slow

package main_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowly sends the header of a request to the API, and then the parts of its body with a pause between two. It returns
// the answer, which is held to openapi.yaml, and how long after the beginning it came.
func (c *child) slowly(t *testing.T, head string, pause time.Duration, parts ...string) (status int, answer string, took time.Duration) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Error(err)
		return 0, "", 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	begun := time.Now()
	fmt.Fprint(conn, head)
	for i, part := range parts {
		if i > 0 {
			time.Sleep(pause)
		}
		fmt.Fprint(conn, part)
	}
	if status, answer, err = answerTo(t, conn, head); err != nil {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	return status, answer, time.Since(begun)
}

// The times of docs/http-api.md, at their full length.
func TestSlowAClientHasTheTimeThatTheDocumentsSay(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	c := b.api(nil)
	const batch = "POST /v1/intents/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
		"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
	const one = "POST /v1/intents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
	var lines []string
	for i := range 9 {
		line := triggerIntent(fmt.Sprintf("SLOW%d", i), "") + "\n"
		lines = append(lines, fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
	}
	var wg sync.WaitGroup
	wg.Go(func() { // 40 seconds, none of which is longer without a byte than 30
		status, answer, took := c.slowly(t, batch, 5*time.Second, append(lines, "0\r\n\r\n")...)
		if status != 200 || took < 40*time.Second || !strings.Contains(answer, `{"summary":{"lines":9,`) ||
			!strings.Contains(answer, `"failed":0}`) { // two of them are those of the one that stalls
			t.Errorf("a slow sender: got %d after %s: %s", status, took, answer)
		}
	})
	wg.Go(func() {
		status, answer, took := c.slowly(t, batch, 0, lines[:2]...)
		if status != 200 || took < 29*time.Second || !strings.Contains(answer, `"lines":2,`) ||
			!strings.Contains(answer, "nothing came for 30 seconds") {
			t.Errorf("one that stalls: got %d after %s: %s", status, took, answer)
		}
	})
	wg.Go(func() {
		status, answer, took := c.slowly(t, one+"99\r\n\r\n", 0, "{")
		if status != 408 || took < 29*time.Second || !strings.Contains(answer, `"urn:ecpayq:problem:timeout"`) {
			t.Errorf("an intent that stalls: got %d after %s: %s", status, took, answer)
		}
	})
	wg.Go(func() {
		text := triggerIntent("SLOWONE", "")
		status, answer, _ := c.slowly(t, fmt.Sprintf("%s%d\r\n\r\n", one, len(text)), 4*time.Second, strings.SplitAfter(text, ",")...)
		if status != 201 {
			t.Errorf("an intent that comes slowly: got %d: %s", status, answer)
		}
	})
	wg.Wait()
}
