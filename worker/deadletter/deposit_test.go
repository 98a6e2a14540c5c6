package deadletter_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestTheLedgerHasATaskBeforeAsynqArchivesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(1)
	b.judged(id, dead(ecpay.Rejected))
	// The worker ends here: asynq will run the task again.
	if l := b.get(id); l.State != record.StatePending || l.Kind != ecpay.Rejected ||
		l.By != record.ByWorker || string(l.Payload) != string(b.info(id).Payload) {
		t.Errorf("%+v", l)
	}
	b.judged(id, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, RecordTTL: time.Hour})
	if b.inLedger(id) {
		t.Error("done, and still in the ledger")
	}
	if r, err := record.Get(t.Context(), b.rdb, id); err != nil || r.Payload != nil || r.Queue != "" {
		t.Errorf("a done task keeps its letter: %+v, %v", r, err)
	}
}

func TestAVerdictThatTheLedgerDoesNotTakeIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.enqueued(1)
	now := time.Now()
	_, err := b.gate.Begin(t.Context(), gate.Attempt{Keys: record.KeysOfTask(id), Token: "a", Start: now, LockFor: time.Minute}, now)
	b.must(err)
	b.must(b.rdb.Set(t.Context(), record.DeadKey(id), "in the way", 0).Err())
	res := dead(ecpay.Rejected)
	res.Task = &gate.Task{Type: "b2b:invalid", Queue: queue, Payload: []byte("{}")}
	if err := b.gate.Leave(t.Context(), gate.Attempt{Keys: record.KeysOfTask(id), Token: "a"}, res); err == nil ||
		errors.Is(err, gate.ErrSuperseded) {
		t.Errorf("%v; want an error by which the task comes back", err)
	}
	if r, err := record.Get(t.Context(), b.rdb, id); err != nil || r.State == record.Dead {
		t.Errorf("recorded as dead without a letter: %+v, %v", r, err)
	}
}

func TestADepositByHandInterruptedAfterAnyCommandIsALetterAfterTheNextSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	by := map[string]int{}
	b.everyFault(
		func(i int) string {
			id := b.enqueued(i)
			b.must(b.inspector.ArchiveTask(queue, id))
			return id
		},
		func(rdb redis.UniversalClient, id string) error {
			return ledger.New(rdb, time.Hour, time.Now).DepositByHand(t.Context(), queue, []string{id}, "ops", time.Now())[0].Err
		},
		func(id string) {
			b.sweep()
			l := b.get(id)
			by[l.By]++
			if _, hand := record.ArchivedByHand(l.By); !hand || !strings.Contains(l.Reason, "archived by hand") ||
				l.Kind != ecpay.Stopped || l.State != record.StateDead {
				t.Errorf("got %+v, want a letter that says by hand", l)
			}
			if b.rdb.SCard(t.Context(), record.UnsureKey).Val() != 0 {
				t.Error("a letter stays unsure")
			}
		})
	if by[record.ByHand("ops")] == 0 || by[record.ByHand("unknown")] == 0 {
		t.Errorf("got letters by %v, want some by ops and some, where it ended early, by nobody known", by)
	}
}

func TestWhatIsRunAgainAfterAPersonArchivedItIsNotCalledDead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fresh, before := b.enqueued(1), b.died(2, ecpay.NotFound)
	b.must(b.inspector.RunTask(queue, before))
	for _, id := range []string{fresh, before} {
		_, err := b.gate.Begin(t.Context(),
			gate.Attempt{Keys: record.KeysOfTask(id), Token: "runs", Start: time.Now(), LockFor: time.Minute}, time.Now())
		b.must(err)
	}
	for i, d := range ledger.New(b.rdb, time.Hour, time.Now).DepositByHand(t.Context(),
		queue, []string{fresh, before, "gone"}, "ops", time.Now()) {
		if d.Kept || d.Err != nil {
			t.Errorf("%d: got %+v, want neither a letter nor an error", i, d)
		}
	}
	for _, id := range []string{fresh, before} {
		if r, err := record.Get(t.Context(), b.rdb, id); err != nil || r.State != record.Active || r.By == record.ByHand("ops") {
			t.Errorf("got %+v, %v, want the attempt as it was", r, err)
		}
	}
}
