package schedule_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/worker/schedule"
)

func comparison(t *testing.T) schedule.Entry {
	t.Helper()
	e, err := schedule.NewReconcile("compare", "* * * * *", nil, "", 4)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// compares does the work of a comparison.
type compares = func(context.Context, schedule.Entry, time.Time) (schedule.Report, error)

func (b *bench) comparing(f compares, lease time.Duration) *schedule.Scheduler {
	return b.scheduler(b.rdb, func(cfg *schedule.Config) { cfg.Reconcile, cfg.Lease = f, lease })
}

func TestAComparisonIsDoneOnceForEachTimeInTheFleet(t *testing.T) {
	t.Parallel()
	e := comparison(t)
	b, slot := started(t, e)
	b.dies(id(1, 1), slot.Add(-time.Minute), 0) // which no comparison touches
	calls := 0
	f := func(_ context.Context, e schedule.Entry, at time.Time) (schedule.Report, error) {
		if calls++; e.Days != 4 || !at.Equal(slot) {
			t.Errorf("got %d days and slot %s, want 4 and %s", e.Days, at, slot)
		}
		return schedule.Report{Left: 3, Failed: 1}, nil
	}
	for range 2 { // two workers
		b.tick(b.comparing(f, 0), e)
	}
	if s := b.status(e); calls != 1 || s.Runs != 1 || s.Left != 3 || s.Failed != 1 || s.Do != schedule.Reconcile || s.Days != 4 {
		t.Errorf("after %d calls: got %+v, want one run with 3 findings and a merchant that failed", calls, s)
	}
	if pending := b.pending(); len(pending) > 0 {
		t.Errorf("it replayed %q", pending)
	}
}

func TestAComparisonThatFailsIsDoneAnew(t *testing.T) {
	t.Parallel()
	e := comparison(t)
	b, _ := started(t, e)
	fails := errors.New("redis is away")
	s := b.comparing(func(context.Context, schedule.Entry, time.Time) (schedule.Report, error) {
		return schedule.Report{}, fails
	}, 0)
	if _, err := s.Tick(t.Context(), e); !errors.Is(err, fails) {
		t.Errorf("got error %v, want that of the comparison", err)
	}
	if _, err := b.scheduler(b.rdb, nil).Tick(t.Context(), e); err == nil {
		t.Error("a worker that cannot compare says nothing")
	}
	b.tick(b.comparing(func(context.Context, schedule.Entry, time.Time) (schedule.Report, error) {
		return schedule.Report{}, nil
	}, 0), e)
	if s := b.status(e); s.Runs != 1 {
		t.Errorf("got %+v, want one run", s)
	}
}

func TestALongComparisonKeepsItsClaimAndEndsWhenItIsLost(t *testing.T) {
	t.Parallel()
	e := comparison(t)
	b, _ := started(t, e)
	const lease = 300 * time.Millisecond
	var other *schedule.Scheduler
	began := time.Now()
	s := b.comparing(func(ctx context.Context, e schedule.Entry, _ time.Time) (schedule.Report, error) {
		for time.Since(began) < 4*lease { // longer than the claim lasts by itself
			if _, err := other.Tick(ctx, e); err != nil {
				return schedule.Report{}, err
			}
		}
		// Somebody else has it now, as after a pause of this process.
		keys, err := b.rdb.Keys(ctx, "ecpayq:1:{schedule}:compare:*").Result()
		b.must(err)
		b.must(b.rdb.HSet(ctx, keys[0], "token", "another").Err())
		<-ctx.Done()
		return schedule.Report{}, ctx.Err()
	}, lease)
	other = b.comparing(func(context.Context, schedule.Entry, time.Time) (schedule.Report, error) {
		t.Error("another worker took the slot while the first was at it")
		return schedule.Report{}, nil
	}, lease)
	b.tick(s, e)
	if s := b.status(e); s.Runs != 0 {
		t.Errorf("got %+v, want no run: the claim was lost", s)
	}
}
