package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestAWorkerWithFewOpenFilesSaysSoAndStaysReachable(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_IN_FLIGHT": "32", "ECPAYQ_MERCHANT_INTERVAL": "0s"})
	const limit, n = 64, 64
	var lines strings.Builder
	for i := range n {
		tsr := fmt.Sprintf("FILES%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		b.fake.Inject(ecpaytest.Match{Subject: tsr}, ecpaytest.Fault{Latency: 300 * time.Millisecond})
		fmt.Fprintf(&lines, "{\"type\":\"b2c:trigger_issue\",\"data\":{\"MerchantID\":%q,\"Tsr\":%q,\"PayType\":\"2\"}}\n", merchantID, tsr)
	}
	if r := b.run("enqueue", "batch", writeFile(t, filepath.Join(t.TempDir(), "lines"), lines.String())); r.code != 0 {
		t.Fatalf("batch: %+v", r)
	}
	w := b.workerBy([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, limit), binary})
	w.awaitLog("only 64 files may be open, of which this worker wants 208: it opens at most 14 connections to Redis " +
		"with each of its two clients, and sends at most 12 requests to ECPay at once; raise the limit (ulimit -n, or LimitNOFILE of systemd)")

	// Probes that stay connected, and one that connects anew each time.
	for range 4 {
		c, err := net.Dial("tcp", w.admin)
		b.must(err)
		t.Cleanup(func() { _ = c.Close() })
	}
	anew := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	probed := 0
	eventually(t, "every task is done", func() bool {
		resp, err := anew.Get("http://" + w.admin + "/readyz")
		if err != nil {
			t.Errorf("/readyz: %v", err)
			return true
		}
		resp.Body.Close()
		if probed++; resp.StatusCode != http.StatusOK {
			t.Errorf("/readyz: status %d", resp.StatusCode)
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid))
		if err != nil || len(open) > limit-4 {
			t.Errorf("%d files are open (%v), want some left of %d", len(open), err, limit)
		}
		return len(b.fake.Effects()) == n
	})
	if probed < 3 {
		t.Errorf("probed %d times only", probed)
	}
}
