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

// TestSlowABatchOfAnySizeTakesTheSameMemory: four times the lines take no more.
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
	small, large := peak(50_000), peak(200_000)
	t.Logf("peak memory: %d KB for 50,000 lines, %d KB for 200,000", small, large)
	if large > 2*small || large > 80<<10 { // twice is what the garbage collector may leave lying about
		t.Errorf("peak memory is %d KB for 200,000 lines and %d KB for 50,000, want about the same", large, small)
	}
	if n := b.redis.Client().LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); n != 250_000 {
		t.Errorf("%d tasks, want 250000", n)
	}
}
