package deadletter_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func (b *bench) idOf(i int) string {
	inv := void(number(i))
	return tasks.ID(&inv)
}

func TestOrphansComeBackAndCanBeReplayed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 30 {
		id := b.enqueued(i)
		b.must(b.inspector.ArchiveTask(queue, id))
		b.orphan(id)
	}
	done := b.enqueued(30) // a remnant of a task that is done
	b.judged(done, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, RecordTTL: time.Hour})
	b.must(b.inspector.ArchiveTask(queue, done))
	b.orphan(done)
	if r := b.sweep(); r.Orphans != 31 {
		t.Errorf("%+v", r)
	}
	if got := b.list(deadletter.Filter{}); len(got) != 30 {
		t.Errorf("%d in the ledger, want 30", len(got))
	}
	for i := range 31 {
		if n := b.rdb.Exists(t.Context(), asynqx.TaskKey(queue, b.idOf(i))).Val(); n != 0 {
			t.Errorf("the remnant of %d stays", i)
		}
	}
	b.replay(b.ledger, b.idOf(7), deadletter.ReplayOptions{}, ledger.Replayed)
	b.wantPending(b.idOf(7))
	// The search goes on at its place, and not before it is time again.
	b.must(b.inspector.ArchiveTask(queue, b.idOf(7)))
	b.orphan(b.idOf(7))
	if r := b.sweep(); r.Orphans != 0 {
		t.Errorf("searched again at once: %+v", r)
	}
	s := b.sweeper(func(c *deadletter.SweeperConfig) { c.ScanEvery = time.Nanosecond })
	if r, err := s.Sweep(t.Context()); err != nil || r.Orphans != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestALongSearchForOrphansGoesOnInTheNextSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 600
	each(n, func(i int) { b.enqueued(i) })
	for i := range 5 {
		b.must(b.inspector.ArchiveTask(queue, b.idOf(i)))
		b.orphan(b.idOf(i))
	}
	s := b.sweeper(func(c *deadletter.SweeperConfig) { c.ScanSteps = 1 })
	found, sweeps := 0, 0
	for !b.searched() {
		r, err := s.Sweep(t.Context())
		b.must(err)
		found += r.Orphans
		if sweeps++; sweeps > n {
			t.Fatal("the search does not get to its end")
		}
	}
	if found != 5 || sweeps < 2 {
		t.Errorf("%d orphans in %d sweeps, want 5 in more than one", found, sweeps)
	}
}

// searched reports whether a search for orphans got to its end.
func (b *bench) searched() bool {
	places, err := b.rdb.HVals(b.Context(), record.ScanKey).Result()
	b.must(err)
	return slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(p, "@") })
}
