package deadletter_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// letterAt puts a letter into the ledger as it is stored, at a time of death.
func (b *bench) letterAt(id string, died time.Time, kind ecpay.Kind, typeName string) {
	b.Helper()
	if b.rdb.ZScore(b.Context(), record.OwnersKey, record.Owner(id)).Err() != nil {
		b.must(ledger.NoteOwner(b.Context(), b.rdb, id))
	}
	pipe := b.rdb.Pipeline()
	pipe.HSet(b.Context(), record.TaskKey(id), record.FieldState, "dead", record.FieldKind, kind.String(), record.FieldType, typeName,
		record.FieldQueue, queue, record.FieldPayload, "{}", record.FieldHeaders, "{}",
		record.FieldDied, died.UnixMilli(), record.FieldBy, "worker")
	pipe.ZAdd(b.Context(), record.DeadKey(id), redis.Z{Score: float64(died.UnixMilli()), Member: id})
	b.must(redisx.Exec(b.Context(), pipe))
}

func TestListIsOrderedByDeathOverAllMerchantsWhateverTheTies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	base := time.Now().Add(-time.Hour)
	type entry struct {
		id string
		at time.Time
	}
	var want []entry
	add := func(merchant, n int, at time.Time) {
		id := fmt.Sprintf("b2b.invalid.%d.VG%08d.2026-11-01", merchant, n)
		b.letterAt(id, at, ecpay.NotFound, "b2b:invalid")
		want = append(want, entry{id, at})
	}
	for m := range 7 {
		for i := range 90 {
			add(1000+m, i, base.Add(time.Duration(i)*time.Second+time.Duration(m)*time.Millisecond))
		}
	}
	for i := range 1200 { // far more than a page died in the same millisecond
		add(2000, i, base.Add(30*time.Second))
	}
	slices.SortFunc(want, func(a, b entry) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.id), []byte(b.id))
	})
	got := ids(b.list(deadletter.Filter{}))
	if len(got) != len(want) {
		t.Fatalf("%d listed, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i].id {
			t.Fatalf("at %d: %s, want %s", i, got[i], want[i].id)
		}
	}
	if n, err := b.ledger.Count(t.Context(), deadletter.Filter{}); err != nil || n != len(want) {
		t.Errorf("count %d, %v", n, err)
	}
	// Letters leave while the list goes on: the rest is listed, once each.
	seen := map[string]bool{}
	for l, err := range b.ledger.List(t.Context(), deadletter.Filter{}) {
		b.must(err)
		if seen[l.ID] {
			t.Fatalf("%s twice", l.ID)
		}
		seen[l.ID] = true
		if len(seen)%2 == 0 {
			b.must(b.rdb.ZRem(t.Context(), record.DeadKey(l.ID), l.ID).Err())
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d listed while others leave, want %d", len(seen), len(want))
	}
	// A letter that dies again meanwhile is for the next list: this one ends.
	n := 0
	for l, err := range b.ledger.List(t.Context(), deadletter.Filter{MerchantID: "1000"}) {
		b.must(err)
		if n++; n > 100 {
			t.Fatal("the list goes round in circles")
		}
		b.must(
			b.rdb.ZAdd(t.Context(), record.DeadKey(l.ID), redis.Z{Score: float64(time.Now().Add(time.Second).UnixMilli()), Member: l.ID}).Err(),
		)
	}
}

func TestFiltersAreJoined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	now := time.Now()
	b.letterAt("b2b.invalid.1.A.2026-11-01", now.Add(-3*time.Hour), ecpay.Rejected, "b2b:invalid")
	b.letterAt("b2b.invalid.2.B.2026-11-01", now.Add(-2*time.Hour), ecpay.Rejected, "b2b:invalid")
	b.letterAt("b2c.trigger_issue.1.C", now.Add(-time.Hour), ecpay.NotFound, "b2c:trigger_issue")
	b.letterAt("by other means", now.Add(-time.Minute), ecpay.Unknown, "x:y")
	rejected := ecpay.Rejected
	for name, tc := range map[string]struct {
		f    deadletter.Filter
		want []string
	}{
		"all": {deadletter.Filter{},
			[]string{"b2b.invalid.1.A.2026-11-01", "b2b.invalid.2.B.2026-11-01", "b2c.trigger_issue.1.C", "by other means"}},
		"type":        {deadletter.Filter{Type: "b2c:trigger_issue"}, []string{"b2c.trigger_issue.1.C"}},
		"kind":        {deadletter.Filter{Kind: &rejected}, []string{"b2b.invalid.1.A.2026-11-01", "b2b.invalid.2.B.2026-11-01"}},
		"merchant":    {deadletter.Filter{MerchantID: "1"}, []string{"b2b.invalid.1.A.2026-11-01", "b2c.trigger_issue.1.C"}},
		"no merchant": {deadletter.Filter{MerchantID: record.NoOwner}, []string{"by other means"}},
		"another":     {deadletter.Filter{MerchantID: "3"}, nil},
		"age":         {deadletter.Filter{OlderThan: 90 * time.Minute}, []string{"b2b.invalid.1.A.2026-11-01", "b2b.invalid.2.B.2026-11-01"}},
		"limit":       {deadletter.Filter{Limit: 1, Kind: &rejected, MerchantID: "2"}, []string{"b2b.invalid.2.B.2026-11-01"}},
		"ids": {deadletter.Filter{IDs: []string{"by other means", "unknown", "b2b.invalid.1.A.2026-11-01"}},
			[]string{"by other means", "b2b.invalid.1.A.2026-11-01"}},
		"ids and a kind": {deadletter.Filter{IDs: []string{"by other means", "b2b.invalid.1.A.2026-11-01"}, Kind: &rejected},
			[]string{"b2b.invalid.1.A.2026-11-01"}},
	} {
		if got := ids(b.list(tc.f)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestForeignTasksAndCorruptPayloadsSurviveAsTheyAre(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client := asynq.NewClientFromRedisClient(b.rdb)
	for name, tc := range map[string]struct {
		id, typeName string
		payload      []byte
		json         bool
	}{
		"binary":           {"b2b.invalid.2000132.VG1.2026-11-01", "b2b:invalid", []byte{0, 0xff, '{', 0x80, '\n'}, false},
		"no JSON":          {"some.id", "b2b:invalid", []byte("not JSON {"), false},
		"empty":            {"{braces} 空白", "their:type", nil, false},
		"JSON, other type": {"0190-uuid", "their:type", []byte(`{"a":1}`), true},
		"another's payload": {"b2b.invalid.2000132.VG2.2026-11-01", "b2b:invalid",
			[]byte(`{"MerchantID":"2000132","InvoiceNumber":"VG00000009","InvoiceDate":"2026-11-01","Reason":"r","Remark":""}`), true},
	} {
		_, err := client.Enqueue(asynq.NewTaskWithHeaders(tc.typeName, tc.payload, map[string]string{"v": "99", "h": "值"}),
			asynq.TaskID(tc.id), asynq.Queue(queue), asynq.MaxRetry(3))
		b.must(err)
		b.must(b.inspector.ArchiveTask(queue, tc.id))
		if r := b.sweep(); r.Copied != 1 {
			t.Errorf("%s: %+v", name, r)
		}
		l := b.get(tc.id)
		if l.Type != tc.typeName || l.Queue != queue || string(l.Payload) != string(tc.payload) || l.Headers["h"] != "值" {
			t.Errorf("%s: %+v", name, l)
		}
		var full struct {
			Payload       json.RawMessage `json:"payload"`
			PayloadBase64 string          `json:"payload_base64"`
		}
		out, err := json.Marshal(l.Full())
		b.must(err)
		b.must(json.Unmarshal(out, &full))
		raw, err := base64.StdEncoding.DecodeString(full.PayloadBase64)
		if err != nil || tc.json != (full.Payload != nil) || !tc.json && string(raw) != string(tc.payload) {
			t.Errorf("%s: exported as %s", name, out)
		}
		b.must(b.inspector.DeleteTask(queue, tc.id))
		if _, err := b.ledger.Replay(t.Context(), tc.id, deadletter.ReplayOptions{Set: map[string]string{"Reason": "x"}}); err == nil {
			t.Errorf("%s: corrected", name)
		}
		b.replay(b.ledger, tc.id, deadletter.ReplayOptions{}, ledger.Replayed)
		info := b.info(tc.id)
		if info.Type != tc.typeName || string(info.Payload) != string(tc.payload) ||
			info.Headers["v"] != "99" || info.Headers["h"] != "值" || b.pending(tc.id) != 1 {
			t.Errorf("%s: runs as %+v", name, info)
		}
		b.must(b.inspector.DeleteTask(queue, tc.id))
		if out, err := b.ledger.Resolve(t.Context(), tc.id, "ops", "not ours"); err != nil || out != ledger.Resolved || b.inLedger(tc.id) {
			t.Errorf("%s: resolve: %s, %v", name, out, err)
		}
	}
}

func TestResolveEndsATaskForGood(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.Ambiguous)
	if _, err := b.ledger.Resolve(t.Context(), id, "ops", "  "); err == nil {
		t.Error("resolved without a note")
	}
	if out, err := b.ledger.Resolve(t.Context(), id, "ops", "voided in the back office"); err != nil || out != ledger.Resolved {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := b.inspector.GetTaskInfo(queue, id); err == nil || b.inLedger(id) {
		t.Errorf("asynq or the ledger still has it: %v", err)
	}
	r, err := record.Get(t.Context(), b.rdb, id)
	if err != nil || r.State != record.Done || r.ResolvedBy != "ops" ||
		r.Note != "voided in the back office" || r.Payload != nil || !r.InFlight.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	h, err := b.gate.Begin(t.Context(),
		gate.Attempt{Keys: record.KeysOfTask(id), Token: "late", Start: time.Now(), LockFor: time.Minute}, time.Now())
	if err != nil || !h.Finished {
		t.Errorf("a run after it: %+v, %v; want finished", h, err)
	}
	if out, err := b.ledger.Resolve(t.Context(), id, "ops", "again"); err != nil || out != ledger.AlreadyDone {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := b.ledger.Resolve(t.Context(), b.idOf(99), "ops", "n"); err != nil || out != ledger.NotFound {
		t.Errorf("%s, %v", out, err)
	}
	swept, crashed := b.swept(2, ecpay.Conflict), b.crashed(3, false)
	for _, id := range []string{swept, crashed} {
		if out, err := b.ledger.Resolve(t.Context(), id, "ops", "n"); err != nil || out != ledger.Resolved || b.inLedger(id) {
			t.Errorf("%s, %v", out, err)
		}
	}
	audit := b.audit(deadletter.AuditFilter{})
	if len(audit) != 3 || audit[2].What != "resolve" || audit[2].Note != "voided in the back office" {
		t.Errorf("%+v", audit)
	}
}

func TestAResolvedQueryMayBeAskedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := tasks.B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1"}
	r, err := b.producer.GetAllowanceConfirm(t.Context(), q)
	b.must(err)
	b.must(b.inspector.ArchiveTask("query", r.ID))
	b.sweep()
	if out, err := b.ledger.Resolve(t.Context(), r.ID, "ops", "n"); err != nil || out != ledger.Resolved {
		t.Errorf("%s, %v", out, err)
	}
	b.sweep()
	if b.inLedger(r.ID) {
		t.Error("the sweep brought it back")
	}
	again, err := b.producer.GetAllowanceConfirm(t.Context(), q)
	if err != nil || again.Duplicate {
		t.Errorf("%+v, %v", again, err)
	}
	if h, err := b.gate.Begin(t.Context(), gate.Attempt{Keys: record.KeysOfTask(r.ID), Token: "x", Start: time.Now(), LockFor: time.Minute},
		time.Now()); err != nil || h.Finished {
		t.Errorf("%+v, %v: tomorrow's question is a new one", h, err)
	}
}

func TestResolveInterruptedAfterAnyCommandAndRepeatedEndsTheTask(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]func(b *bench, i int) string{
		"asynq has it":      func(b *bench, i int) string { return b.died(i, ecpay.Ambiguous) },
		"asynq forgot it":   func(b *bench, i int) string { return b.swept(i, ecpay.Ambiguous) },
		"not in the ledger": func(b *bench, i int) string { return b.crashed(i, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.everyFault(func(i int) string { return made(b, i) },
				func(rdb redis.UniversalClient, id string) error {
					_, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Resolve(t.Context(), id, "ops", "note")
					return err
				},
				func(id string) {
					out, err := b.ledger.Resolve(t.Context(), id, "ops", "note")
					if err != nil || out != ledger.Resolved && out != ledger.AlreadyDone {
						t.Errorf("again: %s, %v", out, err)
					}
					if b.inLedger(id) || b.rdb.Exists(t.Context(), record.DoneKey(id)).Val() != 1 ||
						b.rdb.Exists(t.Context(), asynqx.TaskKey(queue, id)).Val() != 0 {
						t.Errorf("%s is not at its end", id)
					}
				})
		})
	}
}

func TestAdviceIsThereForEveryKindInBothLanguages(t *testing.T) {
	t.Parallel()
	for _, k := range record.Kinds() {
		a := deadletter.Advice(deadletter.Letter{Kind: k})
		han := func(r rune) bool { return r > 0x4e00 }
		if !strings.ContainsFunc(a.Zh, han) || strings.ContainsFunc(a.En, han) || len(a.En) < 20 || len(a.Zh) < 20 {
			t.Errorf("%s: %+v", k, a)
		}
	}
}
