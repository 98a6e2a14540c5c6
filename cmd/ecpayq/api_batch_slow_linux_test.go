//go:build slow

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestSlowABatchOfAMillionLinesTakesTheAPIConstantMemory sends one to a running API, and reads the results
// as they come: fifty times the lines take no more than a little more.
func TestSlowABatchOfAMillionLinesTakesTheAPIConstantMemory(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	c := b.api(nil)
	client := &http.Client{Timeout: 10 * time.Minute}
	peak := func(n int) int64 {
		t.Helper()
		body, w := io.Pipe()
		go func() {
			out := bufio.NewWriterSize(w, 64<<10)
			for i := range n {
				fmt.Fprintf(out, `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"MILL%dX%d"}}`+"\n", n, i)
			}
			w.CloseWithError(out.Flush())
		}()
		ended := make(chan struct{})
		most := make(chan int64)
		go func() { most <- peakMemory(c.cmd.Process.Pid, ended) }()
		start := time.Now()
		resp, err := client.Post(c.url+"/v1/intents/batch", "application/x-ndjson", body)
		b.must(err)
		defer resp.Body.Close()
		lines, last := 0, []byte(nil)
		in := bufio.NewScanner(resp.Body)
		for ; in.Scan(); lines++ {
			last = append(last[:0], in.Bytes()...)
		}
		b.must(in.Err())
		var sum struct {
			Summary struct{ Lines, Stored, Failed int }
		}
		b.must(json.Unmarshal(last, &sum))
		if sum.Summary.Lines != n || sum.Summary.Stored != n || lines != n+1 || bytes.Contains(last, []byte("problem")) {
			t.Errorf("of %d lines: %d lines of results, the last %s", n, lines, last)
		}
		close(ended)
		m := <-most
		t.Logf("%d lines in %s, peak memory %d KB", n, time.Since(start).Round(time.Second), m)
		return m
	}
	small, large := peak(20_000), peak(1_000_000)
	if small == 0 || large > small+24<<10 { // two dozen bytes kept of each line would show
		t.Errorf("peak memory is %d KB for 1,000,000 lines and %d KB for 20,000, want about the same", large, small)
	}
	if got := b.redis.Client().LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); got != 1_020_000 {
		t.Errorf("%d tasks, want 1,020,000", got)
	}
}
