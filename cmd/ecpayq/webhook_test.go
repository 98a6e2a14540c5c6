package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Two secrets, of 32 bytes.
const (
	hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	nextSecret = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

// hook is a shop's address.
type hook struct {
	*bench
	server *httptest.Server
	mu     sync.Mutex
	all    []delivered
	answer func(record.Outcome) int // nil for 204
}

// delivered is one request, as the library of Standard Webhooks verified it.
type delivered struct {
	record.Outcome
	id      string
	secrets int // by how many secrets it is signed
	body    string
}

func (b *bench) hook(answer func(record.Outcome) int) *hook {
	b.Helper()
	h := &hook{bench: b, answer: answer}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		d := delivered{id: r.Header.Get("webhook-id"), body: string(body)}
		if err == nil {
			err = json.Unmarshal(body, &d.Outcome)
		}
		for _, s := range []string{hookSecret, nextSecret} {
			if v, bad := standardwebhooks.NewWebhook(s); bad == nil && v.Verify(body, r.Header) == nil {
				d.secrets++
			}
		}
		if err != nil || d.secrets == 0 || r.URL.Path != "/hook" || r.URL.RawQuery != "word=only-the-shop" {
			b.Errorf("got %s %s signed %q: %v", r.URL, body, r.Header.Get("webhook-signature"), err)
		}
		h.mu.Lock()
		h.all = append(h.all, d)
		h.mu.Unlock()
		status := http.StatusNoContent
		if h.answer != nil {
			status = h.answer(d.Outcome)
		}
		w.WriteHeader(status)
	}))
	b.Cleanup(h.server.Close)
	return h
}

func (h *hook) got() []delivered {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

// row is the endpoint in the file.
func (h *hook) row(name, secretFile, more string) string {
	return fmt.Sprintf("  - {name: %s, url: '%s/hook?word=only-the-shop', secret_file: %s, merchants: [%q], allow_private: true%s}\n",
		name, h.server.URL, secretFile, merchantID, more)
}

// file writes a file and returns its path.
func (b *bench) file(name, text string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), name)
	b.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// begun waits until an endpoint has begun: what ends from then on is delivered.
func (b *bench) begun(name string) {
	b.Helper()
	b.eventually("the webhook "+name+" has begun", func() bool {
		n, err := b.redis.Client().HLen(b.Context(), record.WebhookKeysOf("webhook:"+name).Positions).Result()
		b.must(err)
		return n > 0
	})
}

func TestAHangupExchangesSecretsAndBeginsEndpoints(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	one, two := b.hook(nil), b.hook(nil)
	secret := b.file("secret", hookSecret+"\n")
	config := b.file("c.yaml", "webhooks:\n"+one.row("one", secret, ""))
	b.set(env{"ECPAYQ_CONFIG": config})
	w := b.worker()
	b.begun("one")
	end := func(h *hook, tsr string, secrets int) {
		t.Helper()
		n := len(h.got())
		b.cancelled(tsr)
		b.eventually("its end is delivered", func() bool { return len(h.got()) == n+1 })
		for _, d := range h.got()[n:] {
			if d.secrets != secrets || d.Subject["Tsr"] != tsr {
				t.Errorf("got %s with %d signatures, want %d", d.body, d.secrets, secrets)
			}
		}
	}
	end(one, "HUP1", 1)

	b.must(os.WriteFile(secret, []byte(nextSecret+"\r\n"+hookSecret+"\n"), 0o600))
	rows := one.row("one", secret, "") + two.row("two", secret, ", states: [cancelled, stopped]")
	b.must(os.WriteFile(config, []byte("webhooks:\n"+rows), 0o600))
	w.signal(syscall.SIGHUP)
	w.awaitLog("configuration reloaded")
	b.begun("two")
	end(one, "HUP2", 2)
	b.eventually("the new one has it as well", func() bool { return len(two.got()) == 1 })

	b.must(os.WriteFile(secret, []byte("whsec_short"), 0o600))
	w.signal(syscall.SIGHUP)
	if line := w.awaitLog("configuration not reloaded, the old one stays"); strings.Contains(fmt.Sprint(line), "short") {
		t.Errorf("the log has the secret: %v", line)
	}
	end(one, "HUP3", 2)
}

// A shop's server that takes requests and answers none keeps its deliveries waiting, and nothing else.
func TestAnEndpointThatNeverAnswersHoldsUpNoInvoice(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_CONCURRENCY": "4"})
	silent := make(chan struct{})
	h := b.hook(func(record.Outcome) int { <-silent; return http.StatusNoContent })
	b.Cleanup(func() { close(silent) }) // before the server of the endpoint waits for its requests
	b.set(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n"+h.row("shop", b.file("s", hookSecret), ""))})
	w := b.worker()
	b.begun("shop")
	client := b.client()
	const n = 60
	ids := make([]string, n)
	for i := range n {
		tsr := fmt.Sprintf("MUTE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		r, err := client.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{MerchantID: merchantID, Tsr: tsr})
		b.must(err)
		ids[i] = r.ID
	}
	for _, id := range ids {
		b.awaitEnd(id)
	}
	b.eventually("a delivery is on its way", func() bool { return len(h.got()) > 0 })
	if got := len(parseOutcomes(t, b.run("outcomes").stdout)); got != n {
		t.Errorf("%d outcomes, want %d: they are recorded whether they are delivered or not", got, n)
	}
	if got := len(h.got()); got >= n {
		t.Errorf("%d deliveries were begun although none was answered", got)
	}
	w.stop()
}

// cancelled enqueues a task for later and cancels it, which is its end.
func (b *bench) cancelled(tsr string) {
	b.Helper()
	r := b.enqueue("trigger-issue", "--tsr", tsr, "--process-in", "1h")
	if got := b.run("task", "cancel", r.ID, "--note", "n"); got.code != 0 {
		b.Fatalf("task cancel: %s", got.stderr)
	}
}

func TestTheCommandsShowTestEnableAndReplayWebhooks(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var gone atomic.Bool
	gone.Store(true)
	h := b.hook(func(record.Outcome) int {
		if gone.Load() {
			return http.StatusGone
		}
		return http.StatusOK
	})
	b.set(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n"+h.row("shop", b.file("s", hookSecret), ""))})
	type status struct {
		Name, URL, State, Disabled, Reason string
		Pending, Waiting, Dead             int
	}
	list := func() (s status) {
		t.Helper()
		got := b.run("webhook", "list")
		if got.code != 0 || json.Unmarshal([]byte(got.stdout), &s) != nil {
			t.Fatalf("webhook list: %+v", got)
		}
		return s
	}
	if s := list(); s.Name != "shop" || s.State != "enabled" || s.URL != h.server.URL {
		t.Errorf("before there was anything: %+v", s)
	}
	if got := b.run("webhook", "test", "shop"); got.code != 1 || !strings.Contains(got.stdout, `"result":"gone","status":410`) {
		t.Errorf("webhook test: %+v", got)
	}
	b.worker()
	b.begun("shop")
	b.cancelled("CLI1")
	b.cancelled("CLI2")
	b.eventually("it is disabled", func() bool { return list().State == "disabled" })
	b.eventually("both wait", func() bool { s := list(); return s.Pending+s.Waiting == 2 })
	if s := list(); s.Disabled != "gone" || !strings.Contains(s.Reason, "410") {
		t.Errorf("it is %+v", s)
	}
	doctor := b.run("doctor", "--no-ecpay").stdout
	if !strings.Contains(doctor, `"check":"webhooks","status":"warning","detail":"shop is disabled since`) {
		t.Errorf("doctor: %s", doctor)
	}
	gone.Store(false)
	if got := b.run("webhook", "test", "shop"); got.code != 0 || !strings.Contains(got.stdout, `"result":"delivered","status":200`) {
		t.Errorf("webhook test: %+v", got)
	}
	got := b.run("webhook", "enable", "shop")
	if got.code != 0 || !strings.HasPrefix(got.stdout, `{"name":"shop","state":"enabled","woken":`) {
		t.Errorf("webhook enable: %+v", got)
	}
	b.eventually("all is delivered", func() bool { s := list(); return s.State == "enabled" && s.Pending+s.Waiting == 0 })

	all := h.got()
	last := all[len(all)-1]
	if got := b.run("webhook", "replay", "shop", last.id); got.code != 0 || got.stdout != `{"name":"shop","replayed":1}`+"\n" {
		t.Errorf("webhook replay of an id: %+v", got)
	}
	b.eventually("it comes again", func() bool { return len(h.got()) == len(all)+1 })
	hour := last.At.Add(-time.Hour).Format(time.RFC3339)
	if got := b.run("webhook", "replay", "shop", "--since", hour); got.stdout != `{"name":"shop","replayed":2}`+"\n" {
		t.Errorf("webhook replay of an hour: %+v", got)
	}
	b.eventually("both come again", func() bool { return len(h.got()) == len(all)+3 })
	if again := h.got()[len(all)]; again.id != last.id || again.body != last.body {
		t.Errorf("it came as %+v, before as %+v", again, last)
	}
}

func TestMistakesAboutWebhooksAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const fine = "url: 'https://shop.example/h', secret_file: x, merchants: ['*']"
	good := strings.Replace(fine, "secret_file: x", "secret_file: "+b.file("s", hookSecret), 1)
	for _, tc := range []struct{ row, args, want string }{
		{"url: 'https://shop.example/h', merchants: ['*']", "list", "endpoint shop: secret_file is missing"},
		{strings.Replace(fine, "https", "http", 1), "list", "url must begin with https://"},
		{strings.Replace(fine, "shop.example", "10.0.0.1", 1), "list", "allow_private: true allows it"},
		{strings.Replace(fine, "shop.example", "169.254.169.254", 1) + ", allow_private: true", "list", "link-local"},
		{"url: 'https://shop.example/h', secret_file: x", "list", `merchants is missing; give MerchantIDs, or ["*"] for all`},
		{fine + ", states: [paid]", "list", `states has "paid"`},
		{fine + ", types: [issue]", "list", `types has "issue"`},
		{fine + ", in_flight: 101", "list", "in_flight is 101"},
		{fine + ", interval: 2m", "list", "interval must be from 0s to 1m"},
		{fine + ", urls: x", "list", `unknown field "urls"`},
		{strings.Replace(fine, "secret_file: x", "secret_file: /nowhere", 1), "test shop", "/nowhere"},
		{good, "test other", `no webhook "other"; the file has shop`},
		{good, "test", "name the webhook"},
		{fine, "replay shop", "give the webhook-ids, or --since"},
		{fine, "replay shop out_1_2_3 --dead", "not both"},
		{fine, "replay shop out_1_2", "is no webhook-id"},
		{fine, "replay shop --since yesterday", "--since is \"yesterday\""},
		{"", "enable shop", "has no webhooks"},
		{"", "enable", "name the webhook"},
	} {
		text := ""
		if tc.row != "" {
			text = "webhooks:\n  - {name: shop, " + tc.row + "}\n"
		}
		got := b.runWith(env{"ECPAYQ_CONFIG": b.file("c.yaml", text)}, append([]string{"webhook"}, strings.Fields(tc.args)...)...)
		if got.code == 0 || !strings.Contains(got.stderr, tc.want) {
			t.Errorf("%s with %q: exit code %d and %s, want %q", tc.args, tc.row, got.code, got.stderr, tc.want)
		}
	}
	bad := strings.Replace(fine, "secret_file: x", "secret_file: "+b.file("s", "whsec_bm90IGEgc2VjcmV0"), 1)
	w := start(t, b.env.with(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n  - {name: shop, "+bad+"}\n")}), "worker")
	got := w.wait(30 * time.Second)
	if got.code == 0 || !strings.Contains(got.stderr, "endpoint shop: secret_file") || strings.Contains(got.stderr, "bm90") {
		t.Errorf("a worker with a broken secret: %+v", got)
	}
}

func TestTheDocumentedRedisUserIsEnoughForWebhooks(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), nil)
	var status atomic.Int64
	status.Store(http.StatusInternalServerError)
	h := b.hook(func(record.Outcome) int { return int(status.Load()) })
	b.set(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n"+h.row("shop", b.file("s", hookSecret), ", interval: 10ms"))})
	w := b.worker()
	b.begun("shop")
	b.cancelled("ACLHOOK")
	b.eventually("it fails", func() bool { return len(h.got()) == 1 })
	status.Store(http.StatusOK)
	b.cancelled("ACLHOOK2")
	for _, args := range []string{"list", "enable shop", "replay shop --dead", "replay shop --since 2026-01-01T00:00:00Z"} {
		if got := b.run(append([]string{"webhook"}, strings.Fields(args)...)...); got.code != 0 {
			t.Errorf("webhook %s: %s", args, got.stderr)
		}
	}
	b.eventually("both are delivered", func() bool { return len(h.got()) >= 3 })
	w.stop()
	for _, r := range refusals(t, admin) {
		t.Errorf("Redis refused %s", r)
	}
}

func TestNoSecretOfAWebhookIsStoredLoggedOrShown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	h := b.hook(func(record.Outcome) int { return http.StatusTeapot })
	b.set(env{"ECPAYQ_CONFIG": b.file("c.yaml", "webhooks:\n"+h.row("shop", b.file("s", hookSecret), "")), "ECPAYQ_LOG_LEVEL": "debug"})
	w := b.worker()
	b.begun("shop")
	b.cancelled("LEAK1")
	b.eventually("it fails", func() bool { return len(h.got()) > 0 && strings.Contains(w.err.String(), "not delivered") })
	h.server.Close() // so that there is an error with an address in it
	b.run("webhook", "enable", "shop")
	b.eventually("it is not reached", func() bool { return strings.Contains(w.err.String(), "was not reached") })
	_, metrics := w.get("/metrics")
	if !strings.Contains(metrics, `ecpayq_webhook_tries_total{endpoint="shop",result="refused"} 1`) ||
		!strings.Contains(metrics, `ecpayq_webhook_deliveries{endpoint="shop",state="waiting"}`) {
		t.Errorf("the metrics say nothing of it: %s", metrics)
	}
	list, test := b.run("webhook", "list"), b.run("webhook", "test", "shop")
	all := w.err.String() + w.stdout.String() + metrics + list.stdout + list.stderr + test.stdout + test.stderr
	for _, v := range dump(b) {
		all += v.where + v.what
	}
	raw := strings.TrimPrefix(hookSecret, "whsec_")
	forbidden{"the secret": append(secretForms("0123456789abcdef0123456789abcdef"), raw), "the word in the address": {"only-the-shop"}}.
		search(t, "a log, Redis, a metric or a command", all)
	if !strings.Contains(all, "LEAK1") || !strings.Contains(all, h.server.URL) {
		t.Error("nothing of the delivery was looked at")
	}
}
