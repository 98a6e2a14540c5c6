package main_test

import (
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestTasksForLaterAreListedAndCancelledAndMayBeEnqueuedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const at = "2099-01-02T03:04:05+08:00"
	one := b.enqueue("trigger-issue", "--tsr", "LATER1", "--process-at", at).ID
	two := b.enqueue("invalid", "--invoice-number", "VG11000091", "--invoice-date", invoiceDate, "--reason", "訂單取消", "--process-in", "1h").ID
	list := func(args ...string) (ids []string) {
		r := b.run(append([]string{"task", "list"}, args...)...)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("task list %v: %+v", args, r)
		}
		for l := range strings.Lines(r.stdout) {
			got := oneLine[task](t, l)
			ids = append(ids, got.ID)
			if got.State != "scheduled" || got.NextAt.IsZero() {
				t.Errorf("listed as %+v, want scheduled with its time", got)
			}
		}
		return ids
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, two + " " + one}, {[]string{"--state", "scheduled", "--json"}, two + " " + one},
		{[]string{"--state", "held"}, ""}, {[]string{"--limit", "1"}, two},
		{[]string{"--type", "trigger-issue"}, one}, {[]string{"--merchant-id", "1"}, ""},
		{[]string{"--merchant-id", merchantID, "--type", "b2b:invalid"}, two},
	} {
		if got := strings.Join(list(row.args...), " "); got != row.want {
			t.Errorf("task list %v: got %q, want %q", row.args, got, row.want)
		}
	}
	for _, args := range [][]string{{"cancel", one}, {"cancel", "--note", "x"},
		{"cancel", one, "--note", " "}, {"list", "--state", "dead"}, {"list", "x"}} {
		if r := b.run(append([]string{"task"}, args...)...); r.code != 2 {
			t.Errorf("task %v: got exit code %d, want 2", args, r.code)
		}
	}
	cancelled := b.run("task", "cancel", one, "--note", "ordered twice")
	if cancelled.code != 0 || !strings.Contains(cancelled.stdout, `"outcome":"cancelled"`) {
		t.Errorf("task cancel: %+v", cancelled)
	}
	if got := list(); len(got) != 1 || got[0] != two {
		t.Errorf("after it: listed %v, want %s alone", got, two)
	}
	if got := b.dead("list").stdout; got != "" {
		t.Errorf("a cancelled task is in the ledger: %s", got)
	}
	if a := b.audit("--id", one); len(a) != 1 || a[0].What != "cancel" || a[0].Note != "ordered twice" {
		t.Errorf("audit: %+v", a)
	}
	if r := b.run("task", "cancel", one, "--note", "again"); r.code != 1 || !strings.Contains(r.stdout, `"not_found"`) {
		t.Errorf("cancelled again: %+v", r)
	}

	// Nothing was sent, so the shop may change its mind.
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "LATER1"}))
	b.worker()
	if again := b.enqueue("trigger-issue", "--tsr", "LATER1"); again.Duplicate {
		t.Errorf("enqueued again: %+v, want no duplicate", again)
	}
	b.waitFor(one, "completed")
	b.wantEffects("LATER1", "issued")
	if r := b.run("task", "cancel", one, "--note", "too late"); r.code != 1 || !strings.Contains(r.stdout, `"done"`) {
		t.Errorf("a task that is done: %+v", r)
	}
}
