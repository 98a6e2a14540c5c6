package main_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// auditEntry is what audit prints.
type auditEntry struct {
	At            time.Time
	Who, What, ID string
	MerchantID    string `json:"merchant_id"`
	Note          string
	Fields        []string
}

func (b *bench) audit(args ...string) []auditEntry {
	b.Helper()
	r := b.run(append([]string{"audit"}, args...)...)
	if r.code != 0 || r.stderr != "" {
		b.Fatalf("ecpayq audit %v: exit code %d\n%s", args, r.code, r.stderr)
	}
	var all []auditEntry
	for l := range strings.Lines(r.stdout) {
		dec := json.NewDecoder(strings.NewReader(l))
		dec.DisallowUnknownFields()
		var e auditEntry
		if err := dec.Decode(&e); err != nil {
			b.Fatalf("%q: %v", l, err)
		}
		all = append(all, e)
	}
	return all
}

func TestWhatAPersonDoesToADeadTaskIsAuditedWithoutAValueOfItsPayload(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"USER": "ops"})
	b.worker()
	host, err := os.Hostname()
	b.must(err)

	unanswered := func(tsr string) string {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, DelayDay: 3}))
		b.fake.Inject(ecpaytest.Match{Subject: tsr}, ecpaytest.Fault{Drop: true})
		r := b.enqueue("trigger-issue", "--tsr", tsr)
		b.waitFor(r.ID, "dead")
		return r.ID
	}
	refuseAgain := func(number string) {
		b.fake.Inject(ecpaytest.Match{Subject: number}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	}
	replayed := b.rejectedVoid("VG11000061").ID
	corrected := b.rejectedVoid("VG11000062").ID
	replaced := b.rejectedVoid("VG11000063").ID
	word, resolved := unanswered("AUDIT1"), unanswered("AUDIT2")
	left := b.rejectedVoid("VG11000064").ID

	// The values that must not be in the audit: as they were and as they become.
	const before, after, remark = "typo", "CORRECTED-REASON", "CORRECTED-REMARK"
	refuseAgain("VG11000061")
	b.dead("replay", replayed, "--note", "ticket 1")
	b.dead("replay", corrected, "--set", "Reason="+after, "--set", "Remark="+remark, "--note", "ticket 2")
	b.dead("replay", word, "--not-executed", "--note", "not in the back office / 後台查無")
	b.enqueue("invalid", "--invoice-number", "VG11000063", "--invoice-date", invoiceDate, "--reason", after, "--replace-dead")
	b.dead("resolve", resolved, "--note", "issued by hand")
	// What changes nothing is not listed.
	b.dead("replay", left, "--dry-run")
	b.dead("replay")
	b.dead("resolve", resolved, "--note", "again")
	b.enqueue("invalid", "--invoice-number", "VG11000099", "--invoice-date", invoiceDate, "--reason", "new", "--replace-dead")

	who := "ops@" + host
	want := []auditEntry{
		{Who: who, What: "resolve", ID: resolved, Note: "issued by hand"},
		{Who: who, What: "replace", ID: replaced, Fields: []string{"Reason"}},
		{Who: who, What: "replay,not-executed", ID: word, Note: "not in the back office / 後台查無"},
		{Who: who, What: "replay,set", ID: corrected, Note: "ticket 2", Fields: []string{"Reason", "Remark"}},
		{Who: who, What: "replay", ID: replayed, Note: "ticket 1"},
	}
	got := b.audit()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(auditEntry{}, "At")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	for _, e := range got {
		if age := time.Since(e.At); age < 0 || age > 5*time.Minute {
			t.Errorf("%s of %s was %s ago", e.What, e.ID, age)
		}
	}
	for _, row := range []struct {
		name string
		args []string
		want []auditEntry
	}{
		{"id", []string{"--id", corrected}, want[3:4]},
		{"limit", []string{"--limit", "2", "--json"}, want[:2]},
		{"no limit", []string{"--limit", "0"}, want},
		{"what", []string{"--what", "replay"}, want[2:]},
		{"what, of several", []string{"--what", "not-executed"}, want[2:3]},
		{"who", []string{"--who", who, "--newer-than", "1h"}, want},
		{"merchant", []string{"--merchant-id", merchantID}, want},
		{"another merchant", []string{"--merchant-id", "1"}, nil},
		{"nobody", []string{"--who", "nobody"}, nil},
	} {
		if diff := cmp.Diff(row.want, b.audit(row.args...), cmpopts.IgnoreFields(auditEntry{}, "At")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}

	letters := b.dead("show", left).stdout
	if !strings.Contains(letters, before) {
		t.Errorf("dead show has no %q, so that its absence below would prove nothing: %s", before, letters)
	}
	b.wantNoneInTheAudit(before, after, remark)
}

// wantNoneInTheAudit looks for values of payloads in what is audited, as Redis has it.
func (b *bench) wantNoneInTheAudit(values ...string) {
	b.Helper()
	seen := 0
	for _, v := range dump(b) {
		if !strings.HasPrefix(v.where, record.AuditKey) {
			continue
		}
		seen++
		for _, value := range values {
			if strings.Contains(v.what, value) {
				b.Errorf("%s holds %q, a value of a payload", v.where, v.what)
			}
		}
	}
	if seen == 0 {
		b.Error("no audit was found in Redis")
	}
}

func TestMistakesOnTheCommandLineOfAuditAreUsageErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, args := range [][]string{{"--what", "eat"}, {"--limit", "-1"}, {"--newer-than", "-1h"}, {"stray"}} {
		if got := b.run(append([]string{"audit"}, args...)...); got.code != 2 ||
			!strings.Contains(got.stderr, "ecpayq: error: ") || got.stdout != "" {
			t.Errorf("audit %v: %+v, want exit code 2", args, got)
		}
	}
	if got := b.audit(); got != nil {
		t.Errorf("audit of nothing: %+v", got)
	}
	b.set(env{"ECPAYQ_REDIS_URL": "redis://127.0.0.1:1/0"})
	if got := b.run("audit"); got.code != 1 || !strings.Contains(got.stderr, "hint: check ECPAYQ_REDIS_URL") {
		t.Errorf("without a Redis: %+v", got)
	}
}
