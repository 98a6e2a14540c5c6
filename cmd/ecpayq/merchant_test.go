package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// merchant is what merchant list prints.
type merchant struct {
	ID        string    `json:"merchant_id"`
	Interval  string    `json:"interval"`
	LastAt    time.Time `json:"last_at"`
	Waiting   int       `json:"waiting"`
	NextPlace time.Time `json:"next_place"`
	Held      int       `json:"held"`
	InFlight  int       `json:"in_flight"`
	Ban       *struct {
		Since, Until time.Time
		Why          string
	}
	Denied []struct {
		Service, Fingerprint, Why string
		Since                     time.Time
		Pauses                    int
		NextProbe                 time.Time `json:"next_probe"`
		Probing                   bool
	}
}

// linesOf decodes lines of JSON without unknown fields.
func linesOf[T any](b *bench, text string) []T {
	b.Helper()
	var all []T
	for l := range strings.Lines(text) {
		var v T
		dec := json.NewDecoder(strings.NewReader(l))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			b.Fatalf("%q: %v", l, err)
		}
		all = append(all, v)
	}
	return all
}

// merchants runs ecpayq merchant list.
func (b *bench) merchants(args ...string) []merchant {
	b.Helper()
	r := b.run(append([]string{"merchant", "list"}, args...)...)
	if r.code != 0 || r.stderr != "" {
		b.Fatalf("ecpayq merchant list %v: exit code %d\n%s", args, r.code, r.stderr)
	}
	return linesOf[merchant](b, r.stdout)
}

// resumed is what merchant resume prints.
type resumed struct {
	ID      string     `json:"merchant_id"`
	Banned  *time.Time `json:"banned_until"`
	Denied  []string
	Woken   int
	Running int
}

// stageTriggers stages and enqueues triggers, and returns the ids.
func (b *bench) stageTriggers(name string, n int) (ids []string) {
	b.Helper()
	for i := range n {
		tsr := fmt.Sprintf("%s%d", name, i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		ids = append(ids, b.enqueue("trigger-issue", "--merchant-id", merchantID, "--tsr", tsr).ID)
	}
	return ids
}

// answeredCalls counts what was answered with a TransCode, of which 1 is acceptance.
func (b *bench) answeredCalls(transCode int) (n int) {
	for _, c := range b.fake.Calls() {
		if c.TransCode == transCode {
			n++
		}
	}
	return n
}

func TestAWorkerWithOldKeysHoldsWhileOneWithNewKeysGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const wrong = "WrongHashKey0000"
	fingerprint := ecpay.Fingerprint(ecpay.NewSecret(wrong), ecpay.NewSecret(ecpaytest.StageHashIV))
	old := b.worker(env{"ECPAYQ_HASH_KEY": wrong})
	first := b.stageTriggers("DENIED", 1)[0]
	held := b.await(first, "held")
	if held.Kind != "Denied" || !strings.Contains(held.Reason, fingerprint) || time.Until(held.NextAt) > 70*time.Second {
		t.Errorf("got %+v, want held as Denied for a minute, with the key's fingerprint %s", held, fingerprint)
	}
	ids := append(b.stageTriggers("BEHIND", 4), first)
	for _, id := range ids {
		if got := b.await(id, "held"); got.Kind != "Denied" {
			t.Errorf("got %+v, want held as Denied", got)
		}
	}
	if n := b.answeredCalls(110); n != 1 {
		t.Errorf("%d calls were refused, want 1: all others of the merchant hold", n)
	}
	list := b.merchants()
	if len(list) != 1 || list[0].ID != merchantID || list[0].Held != len(ids) || len(list[0].Denied) != 1 {
		t.Fatalf("got %+v, want the merchant with its %d held tasks and one refusal", list, len(ids))
	}
	if d := list[0].Denied[0]; d.Fingerprint != fingerprint || d.Service != "B2C" || d.Pauses != 1 ||
		d.Probing || !strings.Contains(d.Why, "110") || d.NextProbe.Sub(d.Since) != time.Minute {
		t.Errorf("got %+v, want who is refused, why, and the next probe a minute later", d)
	}

	// Another worker, with keys that are right. Nobody says anything to anybody.
	fresh := b.worker()
	for _, id := range ids {
		b.waitFor(id, "completed")
	}
	if n := b.answeredCalls(110); n != 1 {
		t.Errorf("%d calls were refused, want 1: the old keys are not tried within a minute", n)
	}
	fresh.stop()
	behind := b.stageTriggers("OLDONLY", 1)[0]
	if got := b.await(behind, "held"); got.Kind != "Denied" {
		t.Errorf("with the old keys alone: got %+v, want held as Denied", got)
	}
	// No key is in what is listed and logged.
	if r := b.run("merchant", "list"); !strings.Contains(r.stdout, fingerprint) || strings.Contains(r.stdout+old.err.String(), wrong) {
		t.Error("a key is shown, or no fingerprint")
	}
}

func TestKeysThatCameByAReloadWakeWhatIsHeldInEveryQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	key := writeFile(t, filepath.Join(t.TempDir(), "hash_key"), "WrongHashKey0000")
	b.set(env{"ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_KEY_FILE": key})
	w := b.worker()
	ids := b.stageTriggers("RELOAD", 5)
	for i := range 5 {
		number := fmt.Sprintf("VG1100008%d", i)
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
		ids = append(ids, b.enqueue("invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", "訂單取消").ID)
	}
	for _, id := range ids {
		b.await(id, "held")
	}
	if d := b.merchants()[0].Denied; len(d) != 2 || d[0].Service != "B2B" || d[1].Service != "B2C" {
		t.Errorf("got %+v, want each service for itself", d)
	}
	permissions := b.permissions(record.KeysOfTask(ids[0]).Pace)
	writeFile(t, key, ecpaytest.StageHashKey)
	w.signal(syscall.SIGHUP)
	w.awaitLog("configuration reloaded")
	for _, id := range ids {
		b.waitFor(id, "completed")
	}
	if n := b.answeredCalls(1); n != len(ids) {
		t.Errorf("%d calls with the new keys, want %d", n, len(ids))
	}
	given := permissions()
	for i := 1; i < len(given); i++ {
		if gap := given[i].Sub(given[i-1]); gap < 200*time.Millisecond {
			t.Errorf("two calls were permitted %s apart, want 200ms: they are woken along the pace", gap)
		}
	}
	b.eventually("nothing is held", func() bool { return b.merchants()[0].Held == 0 })
}

func TestResumeEndsABanAndHoldsOfAMerchantAndLeavesWhatWaitsForItsFence(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"USER": "ops"})
	// One is unanswered and waits for its fence; one waits for a person at ECPay.
	b.fake.Inject(ecpaytest.Match{Subject: "FENCE0"}, ecpaytest.Fault{Drop: true})
	b.fake.Inject(ecpaytest.Match{Subject: "PERSON0"}, ecpaytest.Fault{RtnCode: 5070350})
	b.worker()
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "FENCE0", RelateNumber: "FENCE0"}))
	fence := b.enqueue("trigger-issue", "--tsr", "FENCE0", "--relate-number", "FENCE0", "--delay-day", "0").ID
	b.await(fence, "held") // it was asked about
	ids := b.stageTriggers("PERSON", 1)
	b.await(ids[0], "held")
	b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	banned := b.stageTriggers("BANNED", 1)
	b.await(banned[0], "held")
	ids = append(append(ids, banned...), b.stageTriggers("BEHIND", 3)...)
	for _, id := range ids {
		b.await(id, "held")
	}
	list := b.merchants("--troubled")
	if len(list) != 1 || list[0].Ban == nil || list[0].Held != len(ids) || list[0].Waiting != 3 ||
		list[0].Interval != "200ms" || list[0].NextPlace.Before(list[0].Ban.Until) {
		t.Fatalf("got %+v, want a ban, 5 held and 3 in line behind it", list)
	}
	if ban := list[0].Ban; ban.Until.Sub(ban.Since) < 29*time.Minute || !strings.Contains(ban.Why, "403") {
		t.Errorf("got %+v, want a ban of half an hour because of a 403", ban)
	}

	r := b.run("merchant", "resume", merchantID, "--note", "back office says go on")
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if got := linesOf[resumed](b, r.stdout); len(got) != 1 || got[0].ID != merchantID ||
		got[0].Banned == nil || got[0].Woken != len(ids) || got[0].Running != 0 {
		t.Errorf("got %+v, want a ban that was lifted and %d tasks woken", got, len(ids))
	}
	for _, id := range ids {
		b.waitFor(id, "completed")
	}
	if got := b.show(fence); got.State != "held" || got.Kind != "Ambiguous" {
		t.Errorf("the unanswered one: got %+v, want that it waits for its fence", got)
	}
	again := linesOf[resumed](b, b.run("merchant", "resume", merchantID).stdout)
	if diff := cmp.Diff([]resumed{{ID: merchantID}}, again); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
	if len(b.merchants("--troubled")) != 0 || len(b.merchants()) != 1 {
		t.Errorf("got %+v, want the merchant, without trouble", b.merchants())
	}
	acts := b.audit("--what", "resume")
	if len(acts) != 2 || acts[1].MerchantID != merchantID || acts[1].ID != "" ||
		acts[1].Note != "back office says go on" || !strings.HasPrefix(acts[1].Who, "ops@") {
		t.Errorf("audit: %+v", acts)
	}
	if got := len(b.audit("--merchant-id", merchantID)); got != 2 {
		t.Errorf("%d acts on the merchant, want 2", got)
	}
}

func TestMistakesOnTheCommandLineOfMerchant(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"merchant resume":                 {2, "MerchantID"},
		"merchant":                        {2, "list, resume"},
		"merchant list 1234567":           {1, "1234567"},
		"merchant resume 1234567":         {1, "merchant list"},
		"merchant resume --force 2000132": {2, "force"},
	} {
		r := b.run(strings.Fields(args)...)
		if r.code != want.code || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, want.text) {
			t.Errorf("%s: got exit code %d, %q and %q; want %d and %q", args, r.code, r.stdout, r.stderr, want.code, want.text)
		}
	}
	if got := b.audit(); len(got) != 0 {
		t.Errorf("mistakes are audited: %+v", got)
	}
	if got := b.merchants(); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
}
