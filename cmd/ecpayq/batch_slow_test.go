//go:build slow

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestSlowABatchOfAnySizeTakesTheSameMemory: twenty times the lines take no more.
// GOMEMLIMIT has the garbage collector clear away in time what is not used, so that
// what is measured is what the command keeps.
func TestSlowABatchOfAnySizeTakesTheSameMemory(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s", "GOMEMLIMIT": "24MiB"})
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
		if end := c.wait(5 * time.Minute); end.code != 1 {
			t.Fatalf("exit code %d, want 1 for the wrong lines\n%s", end.code, end.stderr)
		}
		_ = r.Close()
		usage := c.cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if runtime.GOOS != "linux" { // elsewhere it is in other units
			return 1
		}
		return usage.Maxrss
	}
	small, large := peak(20_000), peak(400_000)
	t.Logf("peak memory: %d KB for 20,000 lines, %d KB for 400,000", small, large)
	// Two dozen bytes kept of each line would show.
	if large > small+8<<10 {
		t.Errorf("peak memory is %d KB for 400,000 lines and %d KB for 20,000, want about the same", large, small)
	}
	if n := b.redis.Client().LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); n != 420_000 {
		t.Errorf("%d tasks, want 420000", n)
	}
}
