package main_test

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestSIGTERMLetsARequestOnItsWayFinish(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_CONCURRENCY": "1"})
	for _, tsr := range []string{"DRAIN1", "DRAIN2"} {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
	}
	release := b.bodies.hold("/B2CInvoice/TriggerIssue")
	defer release()
	w := b.worker()
	healthy := b.runWith(env{"ECPAYQ_ADMIN_ADDR": w.admin}, "healthcheck")
	if healthy.code != 0 || healthy.stdout != "ok\n" || healthy.stderr != "" {
		t.Errorf("healthcheck of a worker that runs: got %+v, want exit code 0 and ok", healthy)
	}
	first := b.enqueue("trigger-issue", "--tsr", "DRAIN1")
	b.eventually("the request is on its way", func() bool { return len(b.bodies.all()) == 1 })
	second := b.enqueue("trigger-issue", "--tsr", "DRAIN2")

	w.signal(syscall.SIGTERM)
	w.awaitLog("draining")
	b.eventually("/readyz turns 503", func() bool {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "draining")
	})
	if status, _ := w.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez: got status %d while it drains, want 200", status)
	}
	sick := b.runWith(env{"ECPAYQ_ADMIN_ADDR": w.admin}, "healthcheck")
	if sick.code != 1 || sick.stdout != "" || !strings.Contains(sick.stderr, "draining") {
		t.Errorf("healthcheck while it drains: got %+v, want exit code 1 and why", sick)
	}
	release()
	if r := w.wait(patience); r.code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0", r.code)
	}
	if got := b.show(first.ID); got.State != "completed" || got.RtnCode != 4000004 {
		t.Errorf("the request on its way: got %+v, want completed with its answer", got)
	}
	b.wantEffects("DRAIN1", "issued")
	// A worker takes more tasks than it sends requests: the one behind may have been
	// waiting for its turn, and goes back with no attempt spent.
	if got := b.show(second.ID); got.State != "pending" && got.State != "held" || got.Attempts != 0 {
		t.Errorf("the task behind it: got state %s and %d attempts, want pending, or held for the next worker, and 0", got.State, got.Attempts)
	}
	b.worker()
	b.waitFor(second.ID, "completed")
	b.wantEffects("DRAIN2", "issued")
	if diff := cmp.Diff([]string{"TriggerIssue", "TriggerIssue"}, story(b.fake.Calls(), "DRAIN1", "DRAIN2")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// An answer that never comes must not keep a worker from ending, nor make the
// next one send the write again.
func TestSIGTERMDoesNotWaitForAnAnswerThatNeverComes(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_HTTP_TIMEOUT": "2s", "ECPAYQ_TASK_TIMEOUT": "3s", "ECPAYQ_SHUTDOWN_TIMEOUT": "4s"})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "NEVER1", RelateNumber: "RNEVER1"}))
	b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{Hang: true, AfterEffect: true})
	w := b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "NEVER1", "--relate-number", "RNEVER1", "--delay-day", "0")
	b.eventually("the request is on its way", func() bool { return len(b.fake.EffectsOn(merchantID, "NEVER1")) == 1 })
	begin := time.Now()
	w.signal(syscall.SIGTERM)
	if r := w.wait(patience); r.code != 0 {
		t.Errorf("got exit code %d, want 0", r.code)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s, want no more than the shutdown timeout of 4s and a little", took)
	}
	if got := b.show(r.ID); got.State == "completed" || got.State == "dead" {
		t.Errorf("got state %s of an unanswered write, want that it waits for the next worker", got.State)
	}
	b.worker()
	if got := b.waitFor(r.ID, "completed"); got.Kind != "AlreadyDone" {
		t.Errorf("got kind %s, want AlreadyDone: ECPay was asked", got.Kind)
	}
	b.wantEffects("NEVER1", "issued")
	if diff := cmp.Diff([]string{"TriggerIssue", "GetIssue"}, story(b.fake.Calls(), "NEVER1", "RNEVER1")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestAnIdleWorkerEndsWithinThreeSecondsOfSIGTERM(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		w := b.worker()
		begin := time.Now()
		w.signal(s)
		if r := w.wait(patience); r.code != 0 {
			t.Errorf("%s: got exit code %d, want 0", s, r.code)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s: took %s, want 3s at most", s, took)
		}
		if !strings.Contains(w.err.String(), `"message":"stopped"`) {
			t.Errorf("%s: the log does not end with stopped:\n%s", s, w.err)
		}
	}
}

func TestHealthcheckSaysWhetherTheWorkerIsReady(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	rows := []struct {
		name, addr string
		code       int
		want       string
	}{
		{"nobody listens", freeAddr(t), 1, "not reachable"},
		{"an address without a port", "127.0.0.1", 2, "host:port"},
	}
	for _, row := range rows {
		r := b.run("healthcheck", "--admin-addr", row.addr)
		if r.code != row.code || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, row.want) {
			t.Errorf("%s: got %+v, want exit code %d and %q", row.name, r, row.code, row.want)
		}
	}

	port := strings.TrimPrefix(freeAddr(t), "127.0.0.1:")
	everywhere := "0.0.0.0:" + port // as in a container
	w := b.worker(env{"ECPAYQ_ADMIN_ADDR": everywhere})
	w.admin = "127.0.0.1:" + port
	for _, addr := range []string{everywhere, ":" + port, w.admin, "localhost:" + port} {
		if r := b.run("healthcheck", "--admin-addr", addr); r.code != 0 || r.stdout != "ok\n" {
			t.Errorf("healthcheck --admin-addr %s: got %+v, want exit code 0 and ok", addr, r)
		}
	}
	b.redis.Freeze()
	if status, body := w.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "redis") {
		t.Errorf("/readyz without Redis: got status %d and %q, want 503 and that it is Redis", status, body)
	}
	if r := b.run("healthcheck", "--admin-addr", w.admin); r.code != 1 || !strings.Contains(r.stderr, "not ready: redis") {
		t.Errorf("healthcheck without Redis: got %+v, want exit code 1 and that it is Redis", r)
	}
	if status, _ := w.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez without Redis: got status %d, want 200: a restart would not help", status)
	}
	b.redis.Thaw()
	b.eventually("/readyz is 200 again", func() bool { status, _ := w.get("/readyz"); return status == http.StatusOK })
}

func TestAWorkerGoesOnAfterRedisWasAway(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.useRedis(durable)
	for _, tsr := range []string{"BACK1", "BACK2"} {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
	}
	b.worker()
	b.waitFor(b.enqueue("trigger-issue", "--tsr", "BACK1").ID, "completed")
	b.redis.Kill()
	b.must(b.redis.Restart(t.Context()))
	b.waitFor(b.enqueue("trigger-issue", "--tsr", "BACK2").ID, "completed")
	if again := b.enqueue("trigger-issue", "--tsr", "BACK1"); !again.Duplicate || again.State != "completed" {
		t.Errorf("got %+v, want a duplicate that is completed: Redis has kept it", again)
	}
	b.wantEffects("BACK1", "issued")
	b.wantEffects("BACK2", "issued")
}

// A killed worker's tasks come back when asynq finds their leases expired, a
// minute after they were last extended.
func TestAKilledWorkersRequestsKeepOneEffectEach(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_FENCE": "1s"})
	number := func(n string, voided bool) {
		t.Helper()
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: n, InvoiceDate: invoiceDate, Voided: voided}))
	}
	delayed := func(tsr string) {
		t.Helper()
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, RelateNumber: "R" + tsr}))
	}
	delayed("KILL1")
	delayed("KILL2")
	delayed("KILL3")
	delayed("KILL4")
	number("VG11000091", false)
	number("VG11000092", true)
	void := " --invoice-date " + invoiceDate
	rows := []struct {
		name, subject, args string
		landed              bool // before the kill
		state, kind         string
		effects             []string
		story               []string
	}{
		{"trigger, effect before the kill", "KILL1", "trigger-issue --tsr KILL1 --relate-number RKILL1 --delay-day 0", true,
			"completed", "AlreadyDone", []string{"issued"}, []string{"TriggerIssue", "GetIssue"}},
		{"trigger, no effect before the kill", "KILL2", "trigger-issue --tsr KILL2 --relate-number RKILL2 --delay-day 0", false,
			"completed", "OK", []string{"issued"}, []string{"TriggerIssue", "GetIssue", "TriggerIssue"}},
		{"trigger that nobody can ask about", "KILL3", "trigger-issue --tsr KILL3 --delay-day 0", true,
			"dead", "Ambiguous", []string{"issued"}, []string{"TriggerIssue"}},
		{"cancel", "KILL4", "cancel-delay-issue --tsr KILL4 --relate-number RKILL4", true,
			"completed", "AlreadyDone", []string{"cancelled"}, []string{"CancelDelayIssue", "CancelDelayIssue", "GetIssue"}},
		{"void", "VG11000091", "invalid --invoice-number VG11000091 --reason 訂單取消" + void, true,
			"completed", "AlreadyDone", []string{"voided"}, []string{"Invalid", "GetInvalid"}},
		{"void confirm", "VG11000092", "invalid-confirm --invoice-number VG11000092" + void, true,
			"completed", "AlreadyDone", []string{"void_confirmed"}, []string{"InvalidConfirm", "GetInvalidConfirm"}},
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		// No answer before the kill; ended by the client's going away.
		b.fake.Inject(ecpaytest.Match{Subject: row.subject}, ecpaytest.Fault{Hang: true, AfterEffect: row.landed})
		ids[i] = b.enqueue(strings.Fields(row.args)...).ID
	}
	w := b.worker(env{"ECPAYQ_HTTP_TIMEOUT": "40s"})
	b.eventually("all requests are on their way", func() bool {
		landed := 0
		for _, row := range rows {
			if row.landed {
				landed += len(b.fake.EffectsOn(merchantID, row.subject))
			}
		}
		return len(b.fake.Calls()) == len(rows) && landed == len(rows)-1
	})
	w.kill()
	b.worker()
	for i, row := range rows {
		b.awaitLease(ids[i])
		got := b.waitFor(ids[i], row.state)
		if got.Kind != row.kind {
			t.Errorf("%s: got kind %s, want %s", row.name, got.Kind, row.kind)
		}
		b.wantEffects(row.subject, row.effects...)
		if diff := cmp.Diff(row.story, story(b.fake.Calls(), row.subject, "R"+row.subject)); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", row.name, diff)
		}
	}
	b.wantFresh()
}

// awaitLease waits as long as asynq takes to give a dead worker's task back.
func (b *bench) awaitLease(id string) {
	b.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); b.show(id).State == "active"; <-tick.C {
		if time.Now().After(deadline) {
			b.Fatalf("asynq has not given %s back", id)
		}
	}
}
