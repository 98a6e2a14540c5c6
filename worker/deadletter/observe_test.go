package deadletter_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func TestASweepIsObservedWithWhatItDidAndOneOfAnotherProcessIsNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.crashed(1, false)
	type seen struct {
		r   deadletter.Report
		err error
	}
	var all []seen
	watch := func(c *deadletter.SweeperConfig) {
		c.Observe = func(r deadletter.Report, err error) { all = append(all, seen{r, err}) }
	}
	s := b.sweeper(watch)
	b.must(b.rdb.Set(t.Context(), record.SweepKey, "another process", time.Minute).Err())
	if _, err := s.Sweep(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, and observed while another process sweeps: %+v", err, all)
	}
	b.must(b.rdb.Del(t.Context(), record.SweepKey).Err())
	for range 2 {
		_, err := s.Sweep(t.Context())
		b.must(err)
	}
	if len(all) != 2 || all[0] != (seen{deadletter.Report{Copied: 1}, nil}) || all[1] != (seen{}) {
		t.Errorf("observed %+v, want a sweep that copied one task and one that found nothing to do", all)
	}

	all = nil
	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = away.Close() })
	lost := b.sweeper(func(c *deadletter.SweeperConfig) { watch(c); c.Redis = away })
	if _, err := lost.Sweep(t.Context()); err == nil || len(all) != 1 || all[0].err == nil {
		t.Errorf("without a Redis: %v, observed %+v; want one failure", err, all)
	}
	all = nil
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lost.Sweep(ended); err == nil || len(all) != 0 {
		t.Errorf("a sweep that was told to end: %v, observed %+v; want nothing", err, all)
	}
}

func TestTheSizeOfTheLedgerIsThatOfAllMerchants(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if n, err := b.ledger.Size(t.Context()); err != nil || n != 0 {
		t.Errorf("of nothing: %d, %v", n, err)
	}
	now := time.Now()
	const merchants = 1203 // more than go into one round trip
	for i := range merchants {
		owner := 3000000 + i
		for _, n := range []string{"A", "B"} {
			b.letterAt("b2b.invalid."+strconv.Itoa(owner)+"."+n+".2026-11-01", now, ecpay.Rejected, "b2b:invalid")
		}
	}
	b.letterAt("by other means", now, ecpay.Unknown, "x:y")
	if n, err := b.ledger.Size(t.Context()); err != nil || n != 2*merchants+1 {
		t.Errorf("%d, %v; want %d", n, err, 2*merchants+1)
	}
	if tally, err := b.ledger.Tally(t.Context()); err != nil || tally != nil {
		t.Errorf("tally before any sweep: %v, %v; want none", tally, err)
	}
	b.sweep()
	if n, err := b.ledger.Size(t.Context()); err != nil || n != 2*merchants+1 {
		t.Errorf("after a sweep: %d, %v; want %d", n, err, 2*merchants+1)
	}
	want := deadletter.Tally{{Type: "b2b:invalid", Kind: ecpay.Rejected}: 2 * merchants, {Kind: ecpay.Unknown}: 1}
	tally, err := b.ledger.Tally(t.Context())
	if diff := cmp.Diff(want, tally); err != nil || diff != "" {
		t.Errorf("tally: %v (-want +got):\n%s", err, diff)
	}
}

func TestTheTallyHasTheCauseThatTheListShowsAndForgetsWhatIsResolved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const many = 1100 // of one merchant, more than go into one answer
	for i := range many {
		b.letterAt("b2c.trigger_issue.2000132.MANY"+strconv.Itoa(i), time.Now(), ecpay.Unavailable, "b2c:trigger_issue")
	}
	rejected, sent := b.died(1, ecpay.Rejected), b.crashed(2, true)
	const tampered = "b2b.invalid.3000001.A.2026-11-01"
	b.must(ledger.NoteOwner(t.Context(), b.rdb, tampered))
	for range 2 {
		b.must(b.rdb.Set(t.Context(), record.DeadKey(tampered), "of the wrong type", 0).Err())
		b.sweep()
		b.must(b.rdb.Del(t.Context(), record.DeadKey(tampered)).Err())
		tally, err := b.ledger.Tally(t.Context())
		b.must(err)
		want := deadletter.Tally{}
		for _, l := range b.list(deadletter.Filter{}) {
			want[record.Cause{Type: l.Type, Kind: l.Kind}]++
		}
		if diff := cmp.Diff(want, tally); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if b.inLedger(rejected) {
			if b.get(sent).Kind != ecpay.Ambiguous || len(want) < 3 {
				t.Errorf("%v shows too little", want)
			}
			if out, err := b.ledger.Resolve(t.Context(), rejected, "somebody", "a note"); err != nil || out != ledger.Resolved {
				t.Fatal(out, err)
			}
		}
	}
}
