package deadletter_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

func TestAWrongTypedKeyOfOneMerchantKeepsNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.died(1, ecpay.NotFound)
	b.must(ledger.NoteOwner(t.Context(), b.rdb, "b2b.invalid.1000001.VG1.2026-11-01"))
	for _, key := range []string{record.OwnerDeadKey("1000001"), record.KeysOf("1000001").Pace, record.KeysOf("1000001").Held} {
		b.must(b.rdb.Set(t.Context(), key, "no such thing", 0).Err())
	}
	var broken []string
	f := deadletter.Filter{Live: true, Broken: func(owner string, err error) {
		if err != nil {
			broken = append(broken, owner)
		}
	}}
	if got := ids(b.list(f)); !slices.Equal(got, []string{id}) || !slices.Equal(broken, []string{"1000001"}) {
		t.Errorf("listed %v, and %v as broken", got, broken)
	}
	b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{DryRun: true}, func(r deadletter.Result) {
		if r.ID != id || r.ActResult != ledger.WouldReplay {
			t.Errorf("replay: %+v", r)
		}
	}))
	if n, err := b.ledger.Count(t.Context(), deadletter.Filter{}); err != nil || n != 1 {
		t.Errorf("counted %d, %v", n, err)
	}
	if n, err := b.ledger.Size(t.Context()); err != nil || n != 1 {
		t.Errorf("size %d, %v", n, err)
	}
	b.sweep()
	if tally, err := b.ledger.Tally(t.Context()); err != nil || len(tally) != 1 {
		t.Errorf("tally %v, %v", tally, err)
	}

	m := merchants.New(b.rdb)
	b.must(m.Seen(t.Context(), []string{"1000001", "2000132"}))
	b.must(b.rdb.HSet(t.Context(), record.KeysOf("2000132").Pace, "last", time.Now().UnixMicro()).Err())
	list, err := m.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Broken == "" || list[1].Broken != "" {
		t.Errorf("merchants %+v, %v; want both, and one of them as broken", list, err)
	}

	// One record of one task.
	b.must(b.rdb.Set(t.Context(), record.TaskKey(b.later(2)), "no hash", 0).Err())
	b.later(3)
	n := 0
	for _, err := range record.NewReader(b.rdb).Waiting(t.Context(), tasks.Types()[0].Queue, true) {
		b.must(err)
	}
	for _, err := range record.NewReader(b.rdb).Waiting(t.Context(), queue, true) {
		b.must(err)
		n++
	}
	if n != 2 {
		t.Errorf("%d wait, want 2", n)
	}
}
