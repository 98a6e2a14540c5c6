package main_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestTheDashboardRefusesWhatOtherSitesSend(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("trigger-issue", "--tsr", "GUARD1", "--process-in", "1h")
	d := b.dashboard()
	_, port, _ := strings.Cut(strings.TrimPrefix(d.url, "http://"), ":")
	run := "/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run"
	refused := []struct {
		name    string
		headers map[string]string
	}{
		{"a form of another site", map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{"a form of a sibling site", map[string]string{"Sec-Fetch-Site": "same-site"}},
		{"an Origin of another site, from an old browser", map[string]string{"Origin": "http://evil.example"}},
		{"an Origin of another port", map[string]string{"Origin": "http://127.0.0.1:1"}},
		{"the Origin null", map[string]string{"Origin": "null"}},
		{"a foreign Host (DNS rebinding)", map[string]string{"Host": "evil.example:" + port}},
		{"a Host that begins like loopback", map[string]string{"Host": "127.0.0.1.evil.example:" + port}},
		{"a Host that ends like localhost", map[string]string{"Host": "evil.localhost.example"}},
		{"an address of the network as Host", map[string]string{"Host": "192.168.1.5:" + port}},
	}
	for _, row := range refused {
		for _, path := range []string{run, strings.TrimPrefix(run, "/asynq")} {
			if status, _ := d.post(path, row.headers); status != http.StatusForbidden {
				t.Errorf("%s: POST %s: got status %d, want 403", row.name, path, status)
			}
		}
	}
	if got := b.show(r.ID); got.State != "scheduled" {
		t.Errorf("got state %s after refused requests, want scheduled", got.State)
	}
	req, err := http.NewRequest(http.MethodGet, d.url+"/asynq/api/queues", nil)
	b.must(err)
	req.Host = "evil.example"
	resp, err := plainHTTP.Do(req)
	b.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("GET under a foreign Host: got status %d, want 403", resp.StatusCode)
	}

	for _, headers := range []map[string]string{
		{"Origin": d.url, "Sec-Fetch-Site": "same-origin"},
		{"Host": "localhost:" + port, "Origin": "http://localhost:" + port},
	} {
		if status, body := d.post("/asynq/api/queues/"+r.Queue+":pause", headers); status != http.StatusNoContent {
			t.Errorf("its own page (%v): got status %d, want 204\n%s", headers, status, body)
		}
		if status, _ := d.post("/asynq/api/queues/"+r.Queue+":resume", headers); status != http.StatusNoContent {
			t.Errorf("its own page (%v): got status %d, want 204", headers, status)
		}
	}
}

func TestTheDashboardShowsTheQueuesAndItsPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("invalid", "--invoice-number", "VG11000051", "--invoice-date", invoiceDate, "--reason", "訂單取消")
	d := b.dashboard()
	status, body := d.get("/asynq/api/queues/invalid/pending_tasks")
	if status != http.StatusOK || !strings.Contains(body, r.ID) || !strings.Contains(body, "訂單取消") {
		t.Errorf("pending tasks: got status %d and %s, want the task with its payload", status, body)
	}
	if status, body := d.get("/asynq/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: got status %d, want 200 and HTML", status)
	}
	resp, err := plainHTTP.Get(d.url + "/")
	b.must(err)
	resp.Body.Close()
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || got != "/asynq/" {
		t.Errorf("GET /: got status %d to %q, want 302 to /asynq/", resp.StatusCode, got)
	}
	if got := d.stdout.String(); got != "" {
		t.Errorf("got %q on stdout, want nothing", got)
	}
	d.stop()
}

func TestAReadOnlyDashboardRefusesEveryChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("trigger-issue", "--tsr", "RO1", "--process-in", "1h")
	d := b.dashboard("--read-only")
	for _, path := range []string{
		"/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run",
		"/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run",
		"/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":archive",
		"/asynq/api/queues/" + r.Queue + ":pause",
	} {
		if status, _ := d.post(path, nil); status != http.StatusMethodNotAllowed && status != http.StatusForbidden {
			t.Errorf("POST %s: got status %d, want 405 or 403", path, status)
		}
	}
	if status, body := d.get("/asynq/api/queues/" + r.Queue + "/scheduled_tasks"); status != http.StatusOK || !strings.Contains(body, r.ID) {
		t.Errorf("list: got status %d and %s, want the task", status, body)
	}
	if got := b.show(r.ID); got.State != "scheduled" {
		t.Errorf("got state %s, want scheduled", got.State)
	}
}

func TestTheDashboardListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8980", "example.com:8980", ""} {
		r := b.run("dashboard", "--addr", addr)
		if r.code == 0 || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, "loopback") {
			t.Errorf("--addr %q: got exit code %d, %q on stdout and %q, want an error about loopback", addr, r.code, r.stdout, r.stderr)
		}
		if !strings.Contains(r.stderr, "\nhint: ") || !strings.Contains(r.stderr, "127.0.0.1") {
			t.Errorf("--addr %q: got %q, want a hint that names 127.0.0.1", addr, r.stderr)
		}
	}
}

func TestTheDashboardEndsOnSIGTERM(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	d := b.dashboard()
	d.signal(syscall.SIGTERM)
	if r := d.wait(patience); r.code != 0 {
		t.Errorf("got exit code %d, want 0", r.code)
	}
}
