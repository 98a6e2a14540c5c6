//go:build slow

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSlowABatchOfAnySizeTakesTheSameMemory: twenty times the lines take no more.
func TestSlowABatchOfAnySizeTakesTheSameMemory(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	peak := func(n int) int64 {
		t.Helper()
		r, w, err := os.Pipe()
		b.must(err)
		go func() {
			defer w.Close()
			out := bufio.NewWriter(w)
			for i := range n {
				fmt.Fprintf(out, `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"MEM%dX%d"}}`+"\n", n, i)
				if i%10 == 0 {
					_, _ = io.WriteString(out, "{\"type\":\n") // a wrong one
				}
			}
			_ = out.Flush()
		}()
		c := startWith(t, r, b.env, "enqueue", "batch", "-", "--json")
		ended := make(chan struct{})
		most := make(chan int64)
		go func() { most <- peakMemory(c.cmd.Process.Pid, ended) }()
		if end := c.wait(5 * time.Minute); end.code != 1 {
			t.Fatalf("exit code %d, want 1 for the wrong lines\n%s", end.code, end.stderr)
		}
		close(ended)
		_ = r.Close()
		return <-most
	}
	small, large := peak(20_000), peak(400_000)
	t.Logf("peak memory: %d KB for 20,000 lines, %d KB for 400,000", small, large)
	// Two dozen bytes kept of each line would show.
	if small == 0 || large > small+8<<10 {
		t.Errorf("peak memory is %d KB for 400,000 lines and %d KB for 20,000, want about the same", large, small)
	}
	if n := b.redis.Client().LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); n != 420_000 {
		t.Errorf("%d tasks, want 420000", n)
	}
}

// peakMemory is how much memory a process had at most, in KB, as far as it was seen
// until it ended. What wait4 says of a child counts its parent's at the start too.
func peakMemory(pid int, ended <-chan struct{}) (most int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(status)) {
			if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
				most = max(most, n)
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return most
		}
	}
}
