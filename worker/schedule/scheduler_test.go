package schedule_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

func TestThreeWorkersFireEachOfTenTimesExactlyOnce(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * *", schedule.Filter{})
	b, first := started(t, e)
	workers := []*schedule.Scheduler{b.scheduler(b.rdb, nil), b.scheduler(b.srv.Client(), nil), b.scheduler(b.srv.Client(), nil)}
	var want []schedule.Run
	for i := range 10 {
		slot := first.Add(time.Duration(i) * time.Minute)
		b.set(slot.Add(time.Duration(i) * time.Second))             // somewhat late
		b.dies(id(1, 1), slot.Add(-time.Second), ecpay.Unavailable) // each time anew
		var wg sync.WaitGroup
		for _, w := range workers {
			wg.Go(func() {
				for range 3 {
					b.tick(w, e)
				}
			})
		}
		wg.Wait()
		if got := b.pending(); len(got) != 1 {
			t.Errorf("slot %d: pending %v, want the task once", i, got)
		}
		want = append(want, schedule.Run{Name: "night", Slot: slot, Report: schedule.Report{Replayed: 1}})
	}
	sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, b.runs, sameTime); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if s := b.status(e); s.Runs != 10 || !s.LastSlot.Equal(first.Add(9*time.Minute)) || s.Replayed != 1 || s.Running != nil {
		t.Errorf("status: %+v", s)
	}
	n := 0
	for a, err := range deadletter.New(deadletter.Config{Redis: b.rdb}).Audit(t.Context(), deadletter.AuditFilter{What: ledger.ActReplay}) {
		b.must(err)
		if n++; a.Who != "schedule:night" || a.ID != id(1, 1) || a.Note == "" {
			t.Errorf("audit: %+v", a)
		}
	}
	if n != 10 {
		t.Errorf("%d replays in the audit, want 10", n)
	}
}

func TestTimesThatWereMissedAreCaughtUpWithOnce(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * *", schedule.Filter{})
	b, first := started(t, e)
	b.dies(id(1, 1), first.Add(-time.Second), ecpay.Unavailable)
	b.set(first.Add(7*time.Minute + 20*time.Second))
	if s := b.status(e); s.DueSince == nil || s.DueSince.Before(first) {
		t.Errorf("status: %+v, want that it is due", s)
	}
	overdue := func() time.Duration {
		late, err := schedule.Overdue(t.Context(), b.rdb, []schedule.Entry{e})
		b.must(err)
		if len(late) != 1 {
			t.Errorf("overdue: %v, want one schedule", late)
		}
		return late[e.Name]
	}
	least := time.Since(first).Truncate(time.Second) // by Redis' clock, which is an hour ahead here
	before := overdue()
	if most := time.Since(first) + time.Second; before < least || before > most {
		t.Errorf("overdue for %s, want since the first time that was missed: %s to %s", before, least, most)
	}
	w := b.scheduler(b.rdb, nil)
	for range 5 {
		b.tick(w, e)
	}
	if len(b.runs) != 1 || !b.runs[0].Slot.Equal(first.Add(7*time.Minute)) || len(b.pending()) != 1 {
		t.Errorf("got runs %+v and pending %v, want one run for the last time that was missed", b.runs, b.pending())
	}
	if after := overdue(); before-after < 7*time.Minute {
		t.Errorf("overdue for %s before the run and %s after it, which caught up with 8 times", before, after)
	}
	// Times that are changed are as if they had never been seen.
	changed := entry(t, "* 0-23 * * *", schedule.Filter{})
	b.tick(w, changed)
	if len(b.runs) != 1 {
		t.Errorf("a new expression ran at once: %+v", b.runs)
	}
	b.set(first.Add(8 * time.Minute))
	b.tick(w, changed)
	if len(b.runs) != 2 {
		t.Errorf("a new expression did not run at its time: %+v", b.runs)
	}
}

func TestWhatAPersonMustDecideIsReplayedOnlyWhereItIsNamed(t *testing.T) {
	t.Parallel()
	kinds := ecpay.Kinds()
	const confirm = "b2b.invalid_confirm.1.VG00000090.2026-11-01"
	all := func(b *bench, slot time.Time) {
		for i, k := range kinds {
			b.dies(id(1+i%2, i), slot.Add(-time.Duration(1+i)*time.Minute), k)
		}
		b.dies(confirm, slot.Add(-time.Minute), ecpay.Unavailable)
		b.dies(id(1, 98), slot, ecpay.Unavailable) // at the time itself, and after it
		b.dies(id(1, 99), slot.Add(time.Second), ecpay.Unavailable)
	}
	of := func(match func(i int, k ecpay.Kind) bool) []string {
		ids := []string{}
		for i, k := range kinds {
			if match(i, k) {
				ids = append(ids, id(1+i%2, i))
			}
		}
		slices.Sort(ids)
		return ids
	}
	decided := func(k ecpay.Kind) bool { return k != ecpay.Rejected && k != ecpay.Ambiguous }
	for name, row := range map[string]struct {
		f    schedule.Filter
		want []string
	}{
		"all": {schedule.Filter{}, append(of(func(_ int, k ecpay.Kind) bool { return decided(k) }), confirm)},
		"named": {schedule.Filter{Kinds: []ecpay.Kind{ecpay.Rejected, ecpay.Ambiguous}},
			of(func(_ int, k ecpay.Kind) bool { return !decided(k) })},
		"one":      {schedule.Filter{Kinds: []ecpay.Kind{ecpay.NotFound}}, of(func(_ int, k ecpay.Kind) bool { return k == ecpay.NotFound })},
		"merchant": {schedule.Filter{MerchantID: "2"}, of(func(i int, k ecpay.Kind) bool { return decided(k) && i%2 == 1 })},
		"type":     {schedule.Filter{Type: "b2b:invalid_confirm"}, []string{confirm}},
		"no type":  {schedule.Filter{Type: "b2c:trigger_issue"}, []string{}},
		"age":      {schedule.Filter{OlderThan: 4 * time.Minute}, of(func(i int, k ecpay.Kind) bool { return decided(k) && i >= 4 })},
	} {
		e := entry(t, "* * * * *", row.f)
		b, slot := started(t, e)
		all(b, slot)
		b.tick(b.scheduler(b.rdb, nil), e)
		if diff := cmp.Diff(row.want, b.pending()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// The longest dead come first, and what runs already does not count.
	e := entry(t, "* * * * *", schedule.Filter{Limit: 3})
	b, slot := started(t, e)
	for i := range 8 {
		b.dies(id(1, i), slot.Add(-time.Hour+time.Duration(i)*time.Minute), ecpay.Unavailable)
	}
	for i := range 3 {
		b.set(slot.Add(time.Duration(i) * time.Minute))
		b.tick(b.scheduler(b.rdb, nil), e)
		if got := b.pending(); len(got) != min(8, 3*(i+1)) || got[0] != id(1, 0) {
			t.Errorf("slot %d with a limit of 3: pending %v", i, got)
		}
	}
}

// What a run replays is apart in time as it is by default: in the run, and along the
// pace of each merchant afterwards.
func TestReplaysOfARunAreApartAndSpreadAlongTheMerchantsPace(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * *", schedule.Filter{})
	b, slot := started(t, e)
	const many, few = 60, 3
	for i := range many {
		b.dies(id(1, i), slot.Add(-time.Hour), ecpay.Unavailable)
	}
	for i := range few {
		b.dies(id(2, i), slot.Add(-time.Minute), ecpay.Unavailable) // behind all of the other's
	}
	start := time.Now()
	b.tick(b.scheduler(b.rdb, func(c *schedule.Config) {
		c.Pause, c.Ledger = 0, deadletter.New(deadletter.Config{Redis: b.rdb})
	}), e)
	took := time.Since(start)
	if least := (many + few) * 20 * time.Millisecond; took < least {
		t.Errorf("the run took %s, want 20ms for each replay, %s", took, least)
	}
	pending := b.pending()
	atOnce := len(pending) - few
	if !slices.Contains(pending, id(2, few-1)) {
		t.Error("a merchant with a few waits for one with many")
	}
	// One merchant's may begin a second and a half before their turn, and asynq has
	// whole seconds.
	if most := int((took+2500*time.Millisecond)/tasks.DefaultInterval) + 1; atOnce < 1 || atOnce > most {
		t.Errorf("%d of %d may run at once, want %d at most", atOnce, many, most)
	}
	later, err := asynq.NewInspectorFromRedisClient(b.rdb).ListScheduledTasks("invalid", asynq.PageSize(1000))
	b.must(err)
	if len(later) != many-atOnce {
		t.Errorf("%d are for later and %d at once, want %d", len(later), atOnce, many)
	}
	inSecond := map[time.Time]int{}
	for _, info := range later {
		if inSecond[info.NextProcessAt]++; inSecond[info.NextProcessAt] > int(time.Second/tasks.DefaultInterval) {
			t.Errorf("more than five are for %s", info.NextProcessAt)
		}
	}
}

// fault lets the n-th command fail, before or after Redis executes it, and all that
// follow: the process is dead.
type fault struct {
	n     int64
	after bool
	count atomic.Int64
}

var errDead = errors.New("the process is dead")

func (f *fault) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (f *fault) do(run func() error) error {
	switch n := f.count.Add(1); {
	case n > f.n || n == f.n && !f.after:
		return errDead
	case n == f.n:
		_ = run()
		return errDead
	}
	return run()
}

func (f *fault) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := f.do(func() error { return next(ctx, cmd) })
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

func (f *fault) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := f.do(func() error { return next(ctx, cmds) })
		if err == errDead {
			for _, c := range cmds {
				c.SetErr(err)
			}
		}
		return err
	}
}

func TestARunWhoseWorkerDiesAnywhereIsEndedByAnotherAndReplaysNothingTwice(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * *", schedule.Filter{})
	const letters = 3
	died := 0
	for _, after := range []bool{false, true} {
		for n := int64(1); ; n++ {
			b, slot := started(t, e)
			for i := range letters {
				b.dies(id(1, i), slot.Add(-time.Hour), ecpay.Unavailable)
			}
			f := &fault{n: n, after: after}
			rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
			rdb.AddHook(f)
			// A claim that lasts a moment only: the others need not wait.
			_, err := b.scheduler(rdb, func(c *schedule.Config) { c.Lease = time.Millisecond }).Tick(t.Context(), e)
			_ = rdb.Close()
			if f.count.Load() < n {
				if err != nil {
					t.Fatalf("nothing failed, and yet: %v", err)
				}
				break
			}
			died++
			// What was replayed dies again at once, before another worker looks: it is
			// dead of another death, and this slot is not for it.
			again := b.pending()
			for _, id := range again {
				b.dies(id, time.Now(), ecpay.Unavailable)
			}
			want := []string{}
			for i := range letters {
				if !slices.Contains(again, id(1, i)) {
					want = append(want, id(1, i))
				}
			}
			other := b.scheduler(b.rdb, nil)
			for deadline := time.Now().Add(time.Minute); b.status(e).Runs == 0; {
				b.tick(other, e)
				if time.Now().After(deadline) {
					t.Fatal("nobody ends the run")
				}
			}
			b.tick(other, e)
			if s := b.status(e); s.Runs != 1 || !s.LastSlot.Equal(slot) {
				t.Fatalf("command %d failed, after Redis executed it %v: status %+v, want one run", n, after, s)
			}
			if diff := cmp.Diff(want, b.pending()); diff != "" {
				t.Fatalf("command %d failed, after Redis executed it %v (-want +got):\n%s", n, after, diff)
			}
			if n > 200 {
				t.Fatal("more than 200 commands")
			}
		}
	}
	if died < 20 {
		t.Errorf("a worker died in only %d places", died)
	}
	t.Logf("%d deaths", died)
}

func TestAWorkerThatWasFrozenOverItsClaimReplaysNothingMore(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * *", schedule.Filter{Limit: 4})
	b, slot := started(t, e)
	for i := range 6 {
		b.dies(id(1, i), slot.Add(-time.Hour+time.Duration(i)*time.Minute), ecpay.Unavailable)
	}
	// It freezes with the claim, after a few replays.
	rdb := b.srv.Client()
	frozen, thaw, seen := make(chan struct{}), make(chan struct{}), atomic.Int64{}
	rdb.AddHook(hook(func() {
		if len(b.pending()) == 2 && seen.Add(1) == 1 {
			close(frozen)
			<-thaw
		}
	}))
	ended := make(chan error)
	go func() {
		_, err := b.scheduler(rdb, func(c *schedule.Config) { c.Lease = time.Millisecond }).Tick(t.Context(), e)
		ended <- err
	}()
	<-frozen
	other := b.scheduler(b.rdb, nil)
	for deadline := time.Now().Add(time.Minute); b.status(e).Runs == 0; {
		b.tick(other, e)
		if time.Now().After(deadline) {
			t.Fatal("nobody takes over")
		}
	}
	close(thaw)
	if err := <-ended; err != nil {
		t.Errorf("the frozen one: %v", err)
	}
	// Both together stay within the limit.
	if got := b.pending(); len(got) != 4 && len(got) != 3 || got[0] != id(1, 0) || b.status(e).Runs != 1 || len(b.runs) != 1 {
		t.Errorf("pending %v, runs %+v, want at most 4 in one run", got, b.runs)
	}
}

// hook runs before every command.
type hook func()

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { h(); return next(ctx, cmd) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestStopGivesTheSlotBackAndStartFiresByTheClockOfRedis(t *testing.T) {
	t.Parallel()
	e := entry(t, "* * * * * *", schedule.Filter{})
	b := newBench(t, time.Now())
	b.dies(id(1, 1), time.Now().Add(-time.Hour), ecpay.Unavailable)
	s := b.scheduler(b.rdb, func(c *schedule.Config) {
		c.Entries = []schedule.Entry{e}
		c.Now = nil
	})
	s.Stop()
	s = b.scheduler(b.rdb, func(c *schedule.Config) {
		c.Entries = []schedule.Entry{e}
		c.Now = nil
	})
	s.Start()
	for deadline := time.Now().Add(time.Minute); len(b.pending()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not fire")
		}
	}
	s.Stop()
	s.Stop()

	// In the middle of a run.
	minutely := entry(t, "* * * * *", schedule.Filter{})
	b, slot := started(t, minutely)
	for i := range 50 {
		b.dies(id(1, i), slot.Add(-time.Hour), ecpay.Unavailable)
	}
	rdb := b.srv.Client()
	ctx, cancel := context.WithCancel(t.Context())
	rdb.AddHook(hook(func() {
		if len(b.pending()) > 3 {
			cancel()
		}
	}))
	if _, err := b.scheduler(rdb, func(c *schedule.Config) { c.Lease = time.Hour }).Tick(ctx, minutely); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
	if n := len(b.pending()); n > 10 {
		t.Fatalf("%d were replayed after it was told to stop", n)
	}
	b.tick(b.scheduler(b.rdb, nil), minutely) // although the claim was for an hour
	if n := len(b.pending()); n != 50 || b.status(minutely).Runs != 1 {
		t.Errorf("%d pending, want all 50 in one run", n)
	}
}
