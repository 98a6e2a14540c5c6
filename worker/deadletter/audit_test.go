package deadletter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (b *bench) audit(f deadletter.AuditFilter) []ledger.AuditEntry {
	b.Helper()
	var all []ledger.AuditEntry
	for e, err := range b.ledger.Audit(b.Context(), f) {
		b.must(err)
		all = append(all, e)
	}
	return all
}

func TestTheAuditIsListedNewestFirstAndItsFiltersAreJoined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const day = 24 * time.Hour
	at := time.Now().Add(-3 * day)
	add := func(id, who, what string) {
		at = at.Add(day)
		b.must(b.rdb.XAdd(t.Context(), &redis.XAddArgs{
			Stream: record.AuditKey, ID: fmt.Sprintf("%d-0", at.UnixMilli()),
			Values: []any{"who", who, "what", what, "id", id, "note", "", "fields", ""},
		}).Err())
	}
	add("b2b.invalid.1.A.2026-11-01", "ann", "replay,set")
	add("b2b.invalid.2.B.2026-11-01", "bob", "replay")
	add("by other means", "ann", "resolve")
	for _, row := range []struct {
		name string
		f    deadletter.AuditFilter
		want []string
	}{
		{"all", deadletter.AuditFilter{}, []string{"ann resolve", "bob replay", "ann replay,set"}},
		{"limit", deadletter.AuditFilter{Limit: 2}, []string{"ann resolve", "bob replay"}},
		{"id", deadletter.AuditFilter{ID: "b2b.invalid.2.B.2026-11-01"}, []string{"bob replay"}},
		{"merchant", deadletter.AuditFilter{MerchantID: "1"}, []string{"ann replay,set"}},
		{"no merchant", deadletter.AuditFilter{MerchantID: record.NoOwner}, []string{"ann resolve"}},
		{"who", deadletter.AuditFilter{Who: "ann"}, []string{"ann resolve", "ann replay,set"}},
		{"what, among others", deadletter.AuditFilter{What: "replay"}, []string{"bob replay", "ann replay,set"}},
		{"newer than", deadletter.AuditFilter{NewerThan: 36 * time.Hour}, []string{"ann resolve", "bob replay"}},
		{"joined", deadletter.AuditFilter{Who: "ann", What: "set"}, []string{"ann replay,set"}},
		{"limit counts what is listed", deadletter.AuditFilter{Who: "ann", Limit: 2}, []string{"ann resolve", "ann replay,set"}},
		{"nothing", deadletter.AuditFilter{Who: "eve"}, nil},
	} {
		var got []string
		for _, e := range b.audit(row.f) {
			got = append(got, e.Who+" "+e.What)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestALongAuditIsListedToItsEndEachEntryOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 2500 // more than two pages, many of them of one millisecond
	pipe := b.rdb.Pipeline()
	for i := range n {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: record.AuditKey, Values: []any{"who", "ops", "what", "replay", "id", fmt.Sprint(i)}})
	}
	b.must(redisx.Exec(t.Context(), pipe))
	got := b.audit(deadletter.AuditFilter{})
	if len(got) != n {
		t.Fatalf("%d entries, want %d", len(got), n)
	}
	for i, e := range got {
		if want := fmt.Sprint(n - 1 - i); e.ID != want {
			t.Fatalf("at %d: %s, want %s", i, e.ID, want)
		}
	}
}
