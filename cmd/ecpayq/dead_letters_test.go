package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// letter is what dead list, show and export print.
type letter struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	MerchantID string         `json:"merchant_id"`
	Kind       string         `json:"kind"`
	RtnCode    int64          `json:"rtn_code"`
	RtnMsg     string         `json:"rtn_msg"`
	Reason     string         `json:"reason"`
	ReasonZh   string         `json:"reason_zh"`
	AdviceZh   string         `json:"advice_zh"`
	Advice     string         `json:"advice"`
	State      string         `json:"state"`
	Attempts   int            `json:"attempts"`
	DiedAt     string         `json:"died_at"`
	Payload    map[string]any `json:"payload"`
}

// dead runs ecpayq dead and demands exit code 0.
func (b *bench) dead(args ...string) result {
	b.Helper()
	r := b.run(append([]string{"dead"}, args...)...)
	if r.code != 0 {
		b.Fatalf("ecpayq dead %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

func lettersOf(t *testing.T, ndjson string) []letter {
	t.Helper()
	var all []letter
	for l := range strings.Lines(ndjson) {
		var x letter
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, x)
	}
	return all
}

// rejectedVoid is a void that ECPay refuses, dead.
func (b *bench) rejectedVoid(number string) receipt {
	b.Helper()
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
	b.fake.Inject(ecpaytest.Match{Subject: number}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	r := b.enqueue("invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", "typo")
	b.waitFor(r.ID, "dead")
	return r
}

func TestARejectedTaskIsCorrectedReplayedAndLeavesTheLedgerOnceItIsDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"USER": "ops"})
	b.worker()
	r := b.rejectedVoid("VG11000051")

	list := lettersOf(t, b.dead("list", "--json", "--type", "b2b:invalid", "--kind", "rejected", "--merchant-id", merchantID).stdout)
	if len(list) != 1 || list[0].ID != r.ID || list[0].Kind != "Rejected" ||
		list[0].RtnCode != 2103005 || list[0].State != "dead" || list[0].Attempts != 1 ||
		!strings.Contains(list[0].Advice, "--set") || !strings.Contains(list[0].AdviceZh, "修正") ||
		!strings.HasSuffix(list[0].DiedAt, "+08:00") || list[0].Payload != nil {
		t.Errorf("dead list: %+v", list)
	}
	for _, none := range [][]string{{"--kind", "NotFound"}, {"--type", "trigger-issue"}, {"--older-than", "1h"}, {"--merchant-id", "1"}} {
		if got := b.dead(append([]string{"list"}, none...)...).stdout; got != "" {
			t.Errorf("dead list %v: %s", none, got)
		}
	}
	if show := lettersOf(t, b.dead("show", r.ID).stdout); show[0].Payload["Reason"] != "typo" {
		t.Errorf("dead show: %+v", show)
	}
	// Of itself a replay of everything leaves what ECPay rejected.
	if got := b.dead("replay"); got.stdout != "" || !strings.Contains(got.stderr, "1 Rejected left alone") {
		t.Errorf("dead replay: %+v", got)
	}
	if got := b.dead("replay", "--dry-run", r.ID).stdout; !strings.Contains(got, `"would_replay"`) {
		t.Errorf("dry run: %s", got)
	}
	if got := b.run("dead", "replay", "--set", "InvoiceNumber=VG99999999", r.ID); got.code != 2 ||
		!strings.Contains(got.stderr, "another intent") {
		t.Errorf("a correction that makes another task: %+v", got)
	}
	if n := len(b.callsOn("VG11000051")); n != 1 {
		t.Errorf("%d requests so far, want 1", n)
	}
	if got := b.dead("replay", "--set", "Reason=訂單取消, 更正", "--note", "ticket 7", r.ID).stdout; !strings.Contains(got, `"outcome":"replayed"`) {
		t.Errorf("dead replay --set: %s", got)
	}
	b.waitFor(r.ID, "completed")
	b.wantEffects("VG11000051", "voided")
	if got := b.dead("list").stdout; got != "" {
		t.Errorf("done, and still listed: %s", got)
	}
	if got := b.dead("replay", r.ID).stdout; !strings.Contains(got, `"outcome":"done"`) {
		t.Errorf("replay of a done task: %s", got)
	}
	b.wantFresh()
}

func TestAnAmbiguousTaskIsReplayedOnAPersonsWordOrResolved(t *testing.T) {
	t.Parallel()
	const fence = 4 * time.Second
	b := newBench(t, env{"ECPAYQ_FENCE": fence.String()})
	b.worker()
	ambiguous := func(tsr string) string {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, DelayDay: 3}))
		b.fake.Inject(ecpaytest.Match{Subject: tsr}, ecpaytest.Fault{Drop: true})
		r := b.enqueue("trigger-issue", "--tsr", tsr)
		if got := b.waitFor(r.ID, "dead"); got.Kind != "Ambiguous" {
			t.Fatalf("%+v", got)
		}
		return r.ID
	}
	first, second := ambiguous("WORD1"), ambiguous("WORD2")
	if got := b.run("dead", "replay", "--not-executed"); got.code != 2 {
		t.Errorf("a word about everything: %+v", got)
	}
	b.dead("replay", first, "--not-executed", "--note", "looked at ECPay")
	b.waitFor(first, "completed")
	b.wantEffects("WORD1", "scheduled")
	var sent []time.Time
	for _, call := range b.fake.Calls() {
		if call.Subject == "WORD1" {
			sent = append(sent, call.At)
		}
	}
	if len(sent) != 2 || sent[1].Sub(sent[0]) < fence-time.Second { // the mark is a little older than the call
		t.Errorf("sent at %v, want twice, %s apart", sent, fence)
	}

	if got := b.run("dead", "resolve", second); got.code != 2 || !strings.Contains(got.stderr, "--note") {
		t.Errorf("resolve without a note: %+v", got)
	}
	if got := b.dead("resolve", second, "--note", "issued by hand").stdout; !strings.Contains(got, `"outcome":"resolved"`) {
		t.Errorf("resolve: %s", got)
	}
	if got := b.run("task", "show", second); !strings.Contains(got.stdout, `"completed"`) {
		t.Errorf("task show: %s", got.stdout)
	}
	b.wantEffects("WORD2")
	for _, args := range [][]string{{"show", second}, {"replay", "b2b.invalid.1.VG00000000.2026-01-01"}} {
		if got := b.run(append([]string{"dead"}, args...)...); got.code != 1 ||
			!strings.Contains(got.stderr, "no dead letter") || !strings.Contains(got.stderr, "hint: ecpayq dead list") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

// What a person knows and the backend did not say makes ECPay answerable: no word
// about what happened is needed.
func TestATriggerThatNobodyCouldAskAboutIsAskedAboutOnceItsNumbersAreKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TELL1", RelateNumber: "RTELL1"}))
	b.fake.Inject(ecpaytest.Match{Subject: "TELL1"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "TELL1")
	if got := b.waitFor(r.ID, "dead"); got.Kind != "Ambiguous" {
		t.Fatalf("%+v", got)
	}
	b.dead("replay", r.ID, "--set", "RelateNumber=RTELL1", "--set", "DelayDay=0")
	if got := b.waitFor(r.ID, "completed"); got.Kind != "AlreadyDone" {
		t.Errorf("got kind %s, want AlreadyDone", got.Kind)
	}
	b.wantEffects("TELL1", "issued")
	if diff := cmp.Diff([]string{"TriggerIssue", "GetIssue"}, story(b.fake.Calls(), "TELL1", "RTELL1")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRunFromTheDashboardKeepsTheLedgerUntilTheTaskIsDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.worker()
	d := b.dashboard()
	r := b.rejectedVoid("VG11000053")
	first := lettersOf(t, b.dead("list").stdout)
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000053"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	d.runTask("/asynq", "archived_tasks", r.Queue, r.ID)
	b.eventually("it was tried again", func() bool { return len(b.callsOn("VG11000053")) == 2 })
	b.waitFor(r.ID, "dead")
	second := lettersOf(t, b.dead("list").stdout)
	if len(first) != 1 || len(second) != 1 || second[0].ID != r.ID || second[0].DiedAt <= first[0].DiedAt {
		t.Errorf("%+v, then %+v; want one letter, of the later death", first, second)
	}
	d.runTask("/asynq", "archived_tasks", r.Queue, r.ID)
	b.waitFor(r.ID, "completed")
	b.wantEffects("VG11000053", "voided")
	if got := b.dead("list").stdout; got != "" {
		t.Errorf("done, and still listed: %s", got)
	}
}

func TestReplaceDeadRunsTheNewPayloadInThePlaceOfTheDeadTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.worker()
	r := b.rejectedVoid("VG11000052")
	args := []string{"invalid", "--invoice-number", "VG11000052", "--invoice-date", invoiceDate, "--reason", "訂單取消"}
	stands := b.run(append([]string{"enqueue"}, args...)...)
	if again := oneLine[receipt](t, stands.stdout); stands.code != 3 || !again.Duplicate || again.State != "dead" {
		t.Errorf("%+v, want exit code 3 and a duplicate of a dead task", stands)
	}
	if again := b.enqueue(append(args, "--replace-dead")...); again.Duplicate ||
		!again.Replaced || again.State != "pending" || again.ID != r.ID {
		t.Errorf("%+v, want it replaced", again)
	}
	b.waitFor(r.ID, "completed")
	b.wantEffects("VG11000052", "voided")
	if again := b.enqueue(append(args, "--replace-dead")...); !again.Duplicate || again.State != "completed" {
		t.Errorf("%+v, want a duplicate of a done task", again)
	}
}

func TestMistakesOnTheCommandLineOfDeadAreUsageErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, args := range [][]string{
		{"list", "--kind", "Fancy"}, {"list", "--type", "nonsense"}, {"list", "--limit", "-1"}, {"list", "stray"}, {"show"}, {"show", "a", "b"},
		{"replay", "--set", "Reason"}, {"replay", "--set", "=x"}, {"resolve", "--note", "n"}, {"export", "--format", "xml"}, {"nonsense"},
	} {
		if got := b.run(append([]string{"dead"}, args...)...); got.code != 2 ||
			!strings.Contains(got.stderr, "ecpayq: error: ") || got.stdout != "" {
			t.Errorf("dead %v: %+v, want exit code 2", args, got)
		}
	}
	b.set(env{"ECPAYQ_REDIS_URL": "redis://127.0.0.1:1/0"})
	if got := b.run("dead", "list"); got.code != 1 || !strings.Contains(got.stderr, "hint: check ECPAYQ_REDIS_URL") {
		t.Errorf("without a Redis: %+v", got)
	}
}
