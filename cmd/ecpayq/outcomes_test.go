package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// outcome is a line of ecpayq outcomes.
type outcome struct {
	Seq        int64             `json:"seq"`
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	MerchantID string            `json:"merchant_id"`
	Subject    map[string]string `json:"subject"`
	State      string            `json:"state"`
	Kind       string            `json:"kind"`
	RtnCode    int64             `json:"rtn_code"`
	RtnMsg     string            `json:"rtn_msg"`
	Invoice    *tasks.Invoice    `json:"invoice"`
	At         time.Time         `json:"at"`
	Cursor     string            `json:"cursor"`
}

func parseOutcomes(t *testing.T, text string) []outcome {
	t.Helper()
	var all []outcome
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var o outcome
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, o)
	}
	return all
}

func TestOutcomesTellEachEndOnceAndGoOnAnywhere(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{
		"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_NOT_FOUND_GRACE": "0s", "ECPAYQ_CONCURRENCY": "4",
	})
	const n, unknown = 12, 4
	client := b.client()
	ids := map[string]bool{}
	for i := range n + unknown {
		tsr := fmt.Sprintf("END%d", i)
		if i < n { // ECPay does not know the others
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		}
		r, err := client.TriggerIssue(t.Context(), tasks.B2CTriggerIssue{MerchantID: merchantID, Tsr: tsr, RelateNumber: "R" + tsr})
		b.must(err)
		ids[r.ID] = true
	}
	follower := start(t, b.env, "outcomes", "--follow")
	b.worker()
	for id := range ids {
		b.awaitEnd(id)
	}
	b.eventually("the end of each is told", func() bool { return len(parseOutcomes(t, follower.stdout.String())) >= len(ids) })
	follower.stop()

	all := parseOutcomes(t, b.run("outcomes").stdout)
	if followed := parseOutcomes(t, follower.stdout.String()); len(followed) != len(all) {
		t.Errorf("%d outcomes were followed, %d are there", len(followed), len(all))
	}
	if len(all) != len(ids) {
		t.Errorf("%d outcomes, want one for each of %d tasks", len(all), len(ids))
	}
	for i, o := range all {
		got := b.look(o.ID)
		if o.Seq != int64(i+1) || !ids[o.ID] || (o.State == record.OutcomeDone) != (got.State == record.StateCompleted) {
			t.Errorf("outcome %d of task that is %s: %+v", i+1, got.State, o)
		}
		if o.Type != "b2c:trigger_issue" || o.MerchantID != merchantID || "b2c.trigger_issue."+merchantID+"."+o.Subject["Tsr"] != o.ID {
			t.Errorf("outcome %d does not say what it is about: %+v", i+1, o)
		}
		delete(ids, o.ID)
	}

	// Who stopped reading anywhere goes on there.
	middle := all[len(all)/2]
	rest := parseOutcomes(t, b.run("outcomes", "--after", middle.Cursor, "--merchant-id", merchantID).stdout)
	if len(rest) != len(all)-int(middle.Seq) || len(rest) > 0 && rest[0].Seq != middle.Seq+1 {
		t.Errorf("after outcome %d there are %d more, want %d", middle.Seq, len(rest), len(all)-int(middle.Seq))
	}
	if r := b.run("outcomes", "--after", all[len(all)-1].Cursor); r.code != 0 || r.stdout != "" {
		t.Errorf("after the last one: %+v, want nothing", r)
	}
	if r := b.run("outcomes", "--after", "nonsense"); r.code != 2 || !strings.Contains(r.stderr, "cursor") {
		t.Errorf("a cursor that is none: %+v, want exit code 2 and why", r)
	}
	if got := parseOutcomes(t, b.run("outcomes", "--limit", "3").stdout); len(got) != 3 {
		t.Errorf("--limit 3 prints %d", len(got))
	}
}

// awaitEnd waits until a task is completed or dead.
func (b *bench) awaitEnd(id string) {
	b.Helper()
	b.eventually(id+" has ended", func() bool { t := b.look(id); return t.Ended() })
}

func TestOutcomesNameAMerchantWhoseKeyIsAnothers(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	ctx, rdb := t.Context(), b.redis.Client()
	other := record.OutcomeKeysOf(redisx.TopologyOf(rdb), "3000001").Outcomes
	b.must(rdb.SAdd(ctx, record.OutcomeOwnersKey, "3000001").Err())
	b.must(rdb.Set(ctx, other, "no stream", 0).Err())
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "END1"}))
	stored := b.enqueue("trigger-issue", "--tsr", "END1")
	b.worker()
	b.awaitEnd(stored.ID)
	r := b.run("outcomes")
	if all := parseOutcomes(t, r.stdout); r.code != 1 || len(all) != 1 || all[0].State != "done" ||
		!strings.Contains(r.stderr, "another program wrote the key of outcomes of 3000001") || !strings.Contains(r.stderr, "RENAME") {
		t.Errorf("got exit code %d, %s%s, want 1, the outcome of END1, and 3000001 named", r.code, r.stdout, r.stderr)
	}
	after := b.run("outcomes", "--after", parseOutcomes(t, r.stdout)[0].Cursor)
	if after.code != 1 || after.stdout != "" || !strings.Contains(after.stderr, "3000001") {
		t.Errorf("after it: got exit code %d, %s%s, want 1, nothing, and 3000001 named", after.code, after.stdout, after.stderr)
	}
	b.must(rdb.Rename(ctx, other, "moved").Err())
	if r := b.run("outcomes"); r.code != 0 || len(parseOutcomes(t, r.stdout)) != 1 {
		t.Errorf("when it is moved away: got exit code %d, %s%s, want 0 and the outcome of END1", r.code, r.stdout, r.stderr)
	}
}
