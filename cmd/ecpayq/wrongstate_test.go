package main_test

import (
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestATaskInTheWrongStateIsSaidToBeSoWithTheNextStep(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	rdb := b.redis.Client()
	later := b.enqueue("trigger-issue", "--tsr", "LATER9", "--process-in", "1h").ID
	pending := b.enqueue("invalid", "--invoice-number", "VG11000071", "--invoice-date", invoiceDate, "--reason", "訂單取消").ID
	stopped := b.enqueue("invalid", "--invoice-number", "VG11000072",
		"--invoice-date", invoiceDate, "--reason", "訂單取消", "--process-in", "1h").ID
	broken := b.enqueue("invalid", "--invoice-number", "VG11000073",
		"--invoice-date", invoiceDate, "--reason", "訂單取消", "--process-in", "1h").ID
	b.must(rdb.Set(t.Context(), record.TaskKey(broken), "no hash", 0).Err())
	const none = "b2b.invalid.2000132.VG99999999.2026-01-01"
	for _, row := range []struct {
		args       []string
		say, never []string
	}{
		{[]string{"task", "cancel", pending}, []string{pending, "it is pending", "hint: ecpayq task wait " + pending}, []string{"dead letter"}},
		{[]string{"task", "cancel", none}, []string{none, "no task with this id", "hint: ecpayq task list"}, []string{"dead letter"}},
		{[]string{"dead", "resolve", later}, []string{later, "it is scheduled", "hint: ecpayq task wait " + later}, nil},
		{[]string{"dead", "resolve", pending}, []string{pending, "it is pending"}, nil},
		{[]string{"dead", "resolve", none}, []string{none, "no dead letter with this id", "hint: ecpayq dead list"}, nil},
		// One that goes wrong is named, and keeps no other.
		{[]string{"task", "cancel", pending, broken, stopped, later}, []string{
			"cancelled 2", pending + ": it is pending", broken + ": ", "WRONGTYPE", "2 tasks could not be cancelled",
		}, nil},
	} {
		got := b.run(append(row.args, "--note", "wrong")...)
		if got.code != 1 {
			t.Errorf("%v: %+v, want exit code 1", row.args, got)
		}
		for _, want := range row.say {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%v: no %q in\n%s", row.args, want, got.stderr)
			}
		}
		for _, bad := range append(row.never, "redis is not available") {
			if strings.Contains(got.stderr, bad) {
				t.Errorf("%v: %q in\n%s", row.args, bad, got.stderr)
			}
		}
	}
	if got := b.run("task", "cancel", later, "--note", "again"); got.code != 1 || !strings.Contains(got.stdout, `"not_found"`) ||
		!strings.Contains(got.stderr, "it was cancelled before; nothing was sent") {
		t.Errorf("cancelled again: %+v", got)
	}
	if got := b.run("dead", "show", pending); got.code != 1 || !strings.Contains(got.stderr, pending+" is pending, and no dead letter") {
		t.Errorf("dead show of what waits: %+v", got)
	}
	for _, o := range [][]string{{"--set", "Reason=x"}, {"--not-executed"}} {
		got := b.run(append([]string{"dead", "replay", pending}, o...)...)
		if got.code != 1 || !strings.Contains(got.stderr, "it is pending") || !strings.Contains(got.stderr, "hint: ecpayq task wait "+pending) ||
			strings.Contains(got.stdout, "Unknown") {
			t.Errorf("replay %v: %+v, want that it is not dead", o, got)
		}
	}
	if got := b.run("dead", "replay", pending); got.code != 0 || !strings.Contains(got.stdout, `"outcome":"busy","state":"pending"`) {
		t.Errorf("replay of what runs by itself: %+v, want its state", got)
	}
	if got := b.run("dead", "replay", "--kind", "Stopped"); got.code != 2 || !strings.Contains(got.stderr, "by its id") {
		t.Errorf("replay --kind Stopped: %+v, want that it needs ids", got)
	}
	b.redis.Kill()
	if got := b.run("dead", "resolve", "--note", "n", pending, later); got.code != 1 || !strings.Contains(got.stderr, pending) ||
		!strings.Contains(got.stderr, "redis is not available") || !strings.Contains(got.stderr, "1 more not tried") {
		t.Errorf("without Redis: %+v, want that it is away, at which id, and that one was not tried", got)
	}
}
