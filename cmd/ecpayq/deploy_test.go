package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// buildNextVersion builds ecpayq as the next version will be that stores tasks in
// another format: this tree with one constant changed.
func buildNextVersion(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs("../../tasks/headers.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const now, next = "m[headerSchema] = strconv.Itoa(max(h.Schema, Schema))", "m[headerSchema] = strconv.Itoa(newestSchema+1)"
	changed := strings.Replace(string(source), now, next, 1)
	newest := regexp.MustCompile(`v > newestSchema`)
	changed = newest.ReplaceAllString(changed, "v > newestSchema+1")
	if !strings.Contains(changed, next) || !strings.Contains(changed, "v > newestSchema+1") {
		t.Fatalf("%s has no line %q, or does not compare with newestSchema", file, now)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: writeFile(t, filepath.Join(dir, "headers.go"), changed)}})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "ecpayq-next")
	if err := build(path, "v0.0.1-next", "-overlay", writeFile(t, filepath.Join(dir, "overlay.json"), string(overlay))); err != nil {
		t.Fatal(err)
	}
	return path
}

// A rolling deploy: producers and workers of two versions share a queue for a
// while, and tasks of the new format get into old workers' hands.
func TestADeployWithTwoVersionsOnOneQueueLosesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	next := buildNextVersion(t)
	b := newBench(t, env{"ECPAYQ_CONCURRENCY": "4"})
	const each = 8
	var ids, newer []string
	subjects := map[string]string{}
	enqueue := func(path, name string) {
		for i := range each {
			tsr := fmt.Sprintf("%s%d", name, i)
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
			r := startProgram(t, path, b.env, "enqueue", "trigger-issue", "--tsr", tsr, "--relate-number", tsr, "--delay-day", "0").wait(patience)
			if r.code != 0 {
				t.Fatalf("enqueue: exit code %d\n%s", r.code, r.stderr)
			}
			got := oneLine[receipt](t, r.stdout)
			ids, subjects[got.ID] = append(ids, got.ID), tsr
			if path == next {
				newer = append(newer, got.ID)
			}
		}
	}
	// verdicts are those that a worker has logged about tasks of the new format.
	verdicts := func(w *child) (held map[string]bool, others []any) {
		held = map[string]bool{}
		for _, l := range w.logs() {
			id, _ := l["task_id"].(string)
			switch {
			case l["message"] != "attempt finished" || !strings.HasPrefix(subjects[id], "NEW"):
			case l["verdict"] == "hold":
				held[id] = true
				if next, err := time.ParseDuration(fmt.Sprint(l["next_in"])); err != nil || next > time.Minute {
					t.Errorf("%s is held for %v, want a minute at most", id, l["next_in"])
				}
			default:
				others = append(others, l)
			}
		}
		return held, others
	}

	old := b.worker()
	enqueue(next, "NEW")
	b.eventually("the old worker has met every task of the new format", func() bool {
		held, _ := verdicts(old)
		return len(held) == each
	})
	got := b.show(newer[0])
	if got.State != "held" || got.Attempts != 0 ||
		!strings.Contains(got.Reason, "held for a newer worker") || !strings.Contains(got.ReasonZh, "保留給較新版本") {
		t.Errorf("got %+v, want held for a newer worker, with no attempt spent", got)
	}
	if calls := len(b.fake.Calls()); calls != 0 {
		t.Errorf("the old worker sent %d requests", calls)
	}

	b.workerOf(next)
	enqueue(binary, "OLD")
	enqueue(next, "NEWER")
	b.eventually("the old worker does what it knows beside it", func() bool { return len(b.fake.Effects()) > 0 })
	old.stop() // the deploy ends
	for _, id := range ids {
		// A task that the old worker put off waits for a minute at most.
		got := oneLine[task](t, b.run("task", "wait", id, "--timeout", "80s").stdout)
		if got.State != "completed" || got.Kind != "OK" || got.Attempts != 1 {
			t.Errorf("%s: got state %s and kind %s after %d attempts, want completed and OK after 1", id, got.State, got.Kind, got.Attempts)
		}
		b.wantEffects(subjects[id], "issued")
	}
	if n := len(b.fake.Calls()); n != len(ids) {
		t.Errorf("%d requests, want one for each of %d tasks", n, len(ids))
	}
	if _, others := verdicts(old); len(others) != 0 {
		t.Errorf("the old worker did not only hold tasks of the new format: %v", others)
	}
	if dead := b.dead("list").stdout; dead != "" {
		t.Errorf("dead: %s", dead)
	}
	b.wantFresh()
}
