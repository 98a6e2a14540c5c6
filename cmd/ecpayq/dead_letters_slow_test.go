//go:build slow

package main_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestSlowTenThousandAndFiftyArchivedTasksAreListedExportedAndReplayed(t *testing.T) {
	t.Parallel()
	const n = 10_050                                        // asynq keeps 9,999 and makes orphans of the rest
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"}) // all of them pending
	client := asynq.NewClientFromRedisClient(b.redis.Client())
	slots := make(chan struct{}, 16)
	for i := range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			number := fmt.Sprintf("VG%08d", i)
			payload := fmt.Sprintf(`{"MerchantID":%q,"InvoiceNumber":%q,"InvoiceDate":%q,"Reason":"=1+1","Remark":""}`,
				merchantID, number, invoiceDate)
			id := "b2b.invalid." + merchantID + "." + number + "." + invoiceDate
			if _, err := client.Enqueue(asynq.NewTask("b2b:invalid", []byte(payload)), asynq.TaskID(id), asynq.Queue("invalid")); err != nil {
				t.Error(err)
			}
		}()
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	inspector := asynq.NewInspectorFromRedisClient(b.redis.Client())
	if _, err := inspector.ArchiveAllPendingTasks("invalid"); err != nil {
		t.Fatal(err)
	}
	w := b.worker() // has the sweeper
	b.grows(n, "the letters of the ledger", func() int {
		letters, err := b.redis.Client().ZCard(t.Context(), record.OwnerDeadKey(merchantID)).Result()
		b.must(err)
		return int(letters)
	})
	w.awaitLog("dead tasks swept")
	w.stop()

	listed := lettersOf(t, b.dead("list", "--json").stdout)
	if len(listed) != n {
		t.Errorf("%d listed, want %d", len(listed), n)
	}
	if exported := lettersOf(t, b.dead("export").stdout); len(exported) != n || exported[0].Payload["Reason"] != "=1+1" {
		t.Errorf("%d exported as NDJSON, want %d with their payloads", len(exported), n)
	}
	rows, err := csv.NewReader(strings.NewReader(b.dead("export", "--format", "csv").stdout)).ReadAll()
	if err != nil || len(rows) != n+1 || rows[0][0] != "id" {
		t.Errorf("%d rows of CSV, %v; want %d and a header", len(rows), err, n)
	}
	// A person archived them, so that only their ids have them run again.
	if r := b.dead("replay"); r.stdout != "" || !strings.Contains(r.stderr, fmt.Sprintf("%d that a person stopped left alone", n)) {
		t.Errorf("a bare replay: %+v, want that it leaves all alone", r)
	}
	args := []string{"replay"}
	for _, l := range listed {
		args = append(args, l.ID)
	}
	got := b.dead(args...)
	replayed := map[string]bool{}
	for s := bufio.NewScanner(strings.NewReader(got.stdout)); s.Scan(); {
		var o struct{ ID, Outcome string }
		if err := json.Unmarshal(s.Bytes(), &o); err != nil || o.Outcome != "replayed" {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		replayed[o.ID] = true
	}
	if len(replayed) != n || !strings.Contains(got.stderr, fmt.Sprintf("replayed %d", n)) {
		t.Errorf("%d replayed, want %d: %s", len(replayed), n, got.stderr)
	}
	pending, err := b.redis.Client().LRange(t.Context(), "asynq:{invalid}:pending", 0, -1).Result()
	slices.Sort(pending)
	if err != nil || len(pending) != n || len(slices.Compact(pending)) != n {
		t.Errorf("%d pending, %v; want %d, each once", len(pending), err, n)
	}
}

// grows waits until there are so many, or fails when there are no more of them after a minute: how long
// much work takes depends on what else the machine does.
func (b *bench) grows(all int, what string, count func() int) {
	b.Helper()
	b.growsWithin(patience, all, what, count)
}

// growsWithin is grows, and fails after another time.
func (b *bench) growsWithin(patience time.Duration, all int, what string, count func() int) {
	b.Helper()
	most, at := 0, time.Now()
	for n := count(); n < all; n = count() {
		if n > most {
			most, at = n, time.Now()
		}
		if time.Since(at) > patience {
			b.Fatalf("%d of %d, and no more within %s: %s", n, all, patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
