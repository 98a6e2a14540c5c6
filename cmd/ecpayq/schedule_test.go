package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// scheduleStatus is what schedule list prints.
type scheduleStatus struct {
	Name, Cron     string
	TimeZone       string   `json:"time_zone"`
	Kind           []string `json:"kind"`
	Type           string
	MerchantID     string `json:"merchant_id"`
	OlderThan      string `json:"older_than"`
	Limit          int
	NextAt         time.Time `json:"next_at"`
	Runs           int
	LastSlot       *time.Time `json:"last_slot"`
	Running        *time.Time
	LastAt         *time.Time `json:"last_at"`
	Replayed, Left int
	Failed         int
}

func (b *bench) schedules(yaml string) {
	b.Helper()
	b.set(env{"ECPAYQ_CONFIG": writeFile(b.T, filepath.Join(b.TempDir(), "ecpayq.yaml"), yaml)})
}

func (b *bench) scheduleList() (all []scheduleStatus) {
	b.Helper()
	r := b.run("schedule", "list")
	if r.code != 0 || r.stderr != "" {
		b.Fatalf("schedule list: %+v", r)
	}
	for l := range strings.Lines(r.stdout) {
		var s scheduleStatus
		b.must(json.Unmarshal([]byte(l), &s))
		all = append(all, s)
	}
	return all
}

func TestAWorkerReplaysByScheduleWhatNeedsNoPerson(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MAX_AGE": "1s", "ECPAYQ_BACKOFF_BASE": "100ms"})
	b.schedules("schedules:\n  - {name: often, cron: '*/2 * * * * *', kind: [Unavailable, NotFound, Unknown]}\n  " +
		"- {name: never, cron: '0 0 29 2 *', type: 'b2b:invalid'}\n")
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000081", InvoiceDate: invoiceDate}))
	b.worker()
	rejected := b.rejectedVoid("VG11000082").ID
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000081"},
		ecpaytest.Fault{RtnCode: 6070004, RtnMsg: "查無發票"}, ecpaytest.Fault{RtnCode: 6070004, RtnMsg: "查無發票"})
	r := b.enqueue("invalid", "--invoice-number", "VG11000081", "--invoice-date", invoiceDate, "--reason", "訂單取消")
	// It dies, is replayed, and done: nobody presses anything.
	b.waitForEffect("VG11000081", "voided")
	b.await(r.ID, "completed") // it leaves the ledger
	if got := b.show(rejected).State; got != "dead" {
		t.Errorf("what ECPay rejected is %s, want dead: its kind is not named", got)
	}
	a := b.audit("--id", r.ID)
	if len(a) == 0 || a[0].Who != "schedule:often" || a[0].What != "replay" || !strings.Contains(a[0].Note, "+08:00") {
		t.Errorf("audit: %+v, want who replayed it and for which time", a)
	}
	list := b.scheduleList()
	if len(list) != 2 || list[0].Name != "often" || list[0].Runs == 0 || list[0].LastSlot == nil ||
		list[0].LastAt == nil || list[0].TimeZone != "Asia/Taipei" || len(list[0].Kind) != 3 ||
		list[1].Runs != 0 || list[1].Type != "b2b:invalid" || list[1].NextAt.Month() != time.February {
		t.Errorf("schedule list: %+v", list)
	}
}

// waitForEffect waits for what ECPay did.
func (b *bench) waitForEffect(subject, name string) {
	b.Helper()
	b.eventually(subject+" is "+name, func() bool {
		for _, e := range b.fake.EffectsOn(merchantID, subject) {
			if e.Name == name {
				return true
			}
		}
		return false
	})
}

func TestAScheduleIsRunByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"USER": "ops"})
	b.schedules("schedules:\n  - {name: refused, cron: '@yearly', kind: Rejected}\n  - {name: rest, cron: '@yearly'}\n")
	b.worker()
	id := b.rejectedVoid("VG11000083").ID
	run := func(args ...string) result { return b.run(append([]string{"schedule", "run"}, args...)...) }
	if got := run("rest"); got.code != 0 || got.stdout != `{"name":"rest","replayed":0,"left":1,"failed":0}`+"\n" {
		t.Errorf("a schedule that leaves Rejected alone: %+v", got)
	}
	if got := run("refused", "--dry-run"); got.code != 0 ||
		got.stdout != `{"name":"refused","dry_run":true,"replayed":1,"left":0,"failed":0}`+"\n" || b.show(id).State != "dead" {
		t.Errorf("dry run: %+v", got)
	}
	if got := run("refused", "--note", "ticket 9"); got.code != 0 || !strings.Contains(got.stdout, `"replayed":1`) {
		t.Errorf("run: %+v", got)
	}
	b.waitFor(id, "completed")
	if a := b.audit("--id", id); len(a) != 1 || !strings.HasPrefix(a[0].Who, "ops@") || a[0].Note != "schedule refused ticket 9" {
		t.Errorf("audit: %+v", a)
	}
	for _, args := range [][]string{nil, {"nothing"}, {"rest", "refused"}} {
		if got := run(args...); got.code != 2 || got.stdout != "" {
			t.Errorf("schedule run %v: %+v, want exit code 2", args, got)
		}
	}
	if list := b.scheduleList(); len(list) != 2 || list[0].Runs != 0 || list[1].Runs != 0 {
		t.Errorf("a run by hand counts as one of its times: %+v", list)
	}
}
