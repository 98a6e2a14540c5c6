package main_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// cpu is the processor time that the child has used.
func (c *child) cpu() time.Duration {
	c.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	// The fields follow the name, which is in parentheses: state is the third of
	// them all, utime and stime are the 14th and 15th, in ticks of 10 ms.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			c.t.Fatalf("%v in %s", err, stat)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// particulars are what differs between complaints of one source: what they are
// about, and the error.
var particulars = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]|[0-9]+|: (dial|read|write|EOF|i/o).*`)

func TestAWorkerSitsOutAnOutageOfRedisQuietlyAndGoesOnByItself(t *testing.T) {
	t.Parallel()
	const outage = 8 * time.Second
	// The fence is short, and the fake's memory shorter, in case that ECPay is asked
	// after the outage.
	b := newBenchWithout(t, ecpaytest.Config{Window: 14 * time.Second},
		env{"ECPAYQ_LOG_LEVEL": "info", "ECPAYQ_CONCURRENCY": "4", "ECPAYQ_FENCE": "15s"})
	b.useRedis(redistest.Options{AppendFsync: "always"})

	// Four requests are on their way when Redis goes, and more tasks wait.
	release := b.bodies.hold("/B2CInvoice/TriggerIssue")
	defer release()
	var ids []string
	for i := range 20 {
		tsr := fmt.Sprintf("OUTAGE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		ids = append(ids, b.enqueue("trigger-issue", "--tsr", tsr, "--relate-number", tsr, "--delay-day", "0").ID)
	}
	w := b.worker()
	b.eventually("four requests are on their way", func() bool { return len(b.bodies.all()) == 4 })
	if status, _ := w.get("/readyz"); status != http.StatusOK {
		t.Fatalf("/readyz: status %d before the outage", status)
	}
	logged := len(w.logs())

	b.redis.Kill()
	used, begin := w.cpu(), time.Now()
	release() // ECPay answers, and nobody can write it down
	b.eventually("/readyz turns 503", func() bool {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "redis")
	})
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("/readyz took %s to turn 503", took)
	}
	if status, _ := w.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez: status %d, want 200: a restart mends nothing", status)
	}
	enqueued := time.Now()
	r := b.run("enqueue", "trigger-issue", "--tsr", "TOOLATE")
	if took := time.Since(enqueued); took > 8*time.Second {
		t.Errorf("an enqueue during the outage took %s, want about 5s at most", took)
	}
	b.wantRedisHint(r, awayRow{})
	pauseUntil(t, begin.Add(outage))
	used, took := w.cpu()-used, time.Since(begin)
	t.Logf("the worker used %s of CPU in %s without Redis: %.1f %% of a core",
		used, took.Round(time.Millisecond), 100*used.Seconds()/took.Seconds())
	if used > took/5 {
		t.Errorf("the worker used %s of CPU in %s without Redis, want less than a fifth", used, took)
	}

	b.must(b.redis.Restart(t.Context()))
	back := time.Now()
	b.eventually("/readyz turns 200", func() bool { status, _ := w.get("/readyz"); return status == http.StatusOK })
	for i, id := range ids {
		if got := b.waitFor(id, "completed"); got.Attempts != 1 {
			t.Errorf("%s: %d attempts, want 1", id, got.Attempts)
		}
		b.wantEffects(fmt.Sprintf("OUTAGE%d", i), "issued")
	}
	t.Logf("all was done %s after Redis was back", time.Since(back).Round(time.Millisecond))
	writes := 0
	for _, c := range b.fake.Calls() {
		if c.Operation == "TriggerIssue" {
			writes++
		}
	}
	if writes != len(ids) {
		t.Errorf("%d writes, want one for each of %d tasks", writes, len(ids))
	}
	lines := w.logs()[logged:] // before another task is carried
	if r := b.run("enqueue", "trigger-issue", "--tsr", "TOOLATE"); r.code != 0 {
		t.Errorf("an enqueue after the outage: exit code %d\n%s", r.code, r.stderr)
	}
	wantFewComplaints(t, lines)
}

// wantFewComplaints: every attempt that ended while Redis was away ended well, and each source complained once.
func wantFewComplaints(t *testing.T, lines []map[string]any) {
	t.Helper()
	complaints := map[string]int{}
	for _, l := range lines {
		switch {
		case l["message"] == "attempt finished" && l["verdict"] != "done" && l["verdict"] != "hold":
			t.Errorf("an attempt did not end well: %v", l)
		case l["level"] != "info":
			complaints[fmt.Sprint(l["component"], " ", particulars.ReplaceAllString(fmt.Sprint(l["message"]), ""))]++
		}
	}
	if len(complaints) == 0 || len(complaints) > 8 {
		t.Errorf("%d complaints, want a few: %v", len(complaints), complaints)
	}
	for complaint, n := range complaints {
		if n > 1 {
			t.Errorf("%q is in the log %d times, want once for each outage", complaint, n)
		}
	}
	t.Logf("complaints: %v", complaints)
}

// pauseUntil lets an outage last: what is waited for is time itself.
func pauseUntil(t *testing.T, at time.Time) {
	select {
	case <-time.After(time.Until(at)):
	case <-t.Context().Done():
	}
}
