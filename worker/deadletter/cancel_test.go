package deadletter_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// later stores a void for tomorrow.
func (b *bench) later(i int) string {
	b.Helper()
	r, err := b.producer.Invalid(b.Context(), void(number(i)), enqueue.ProcessIn(24*time.Hour))
	b.must(err)
	return r.ID
}

func (b *bench) cancel(id string, want ledger.ActResult) {
	b.Helper()
	if out, err := b.ledger.Cancel(b.Context(), id, "ops", "not wanted"); err != nil || out != want {
		b.Errorf("cancel %s: got %s, %v, want %s", id, out, err, want)
	}
}

func TestOnlyATaskForLaterThatWasNeverBegunIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.later(1)
	if _, err := b.ledger.Cancel(t.Context(), id, "ops", " "); err == nil {
		t.Error("cancelled without a note")
	}
	b.cancel(id, ledger.Cancelled)
	if b.inLedger(id) || b.rdb.Exists(t.Context(), record.DoneKey(id), asynqx.TaskKey(queue, id)).Val() != 0 {
		t.Error("a cancelled task left something behind")
	}
	b.cancel(id, ledger.NotFound)
	// It may be enqueued again, and cancelled again.
	if again := b.later(1); again != id {
		t.Fatalf("enqueued as %s", again)
	}
	b.cancel(id, ledger.Cancelled)

	b.cancel(b.enqueued(2), ledger.Busy) // it waits for nothing but a worker
	b.cancel("no id of ours", ledger.NotFound)
	b.cancel("b2b.invalid.2000132.VG99999999.2026-11-01", ledger.NotFound)
	dead := b.died(3, 0)
	b.cancel(dead, ledger.NotFound)

	// A write went out: whoever cancelled it would forget that.
	begun := b.later(4)
	a := gate.Attempt{Keys: record.KeysOfTask(begun), Token: "t", Start: time.Now(), LockFor: time.Minute}
	if _, err := b.gate.Begin(t.Context(), a, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.must(b.entered(a))
	if out, err := b.ledger.Cancel(t.Context(), begun, "ops", "n"); !errors.Is(err, deadletter.ErrBegun) {
		t.Errorf("begun: got %s, %v, want ErrBegun", out, err)
	}
	// The mark of a write may be lost: Redis has changed since it was enqueued.
	lost := b.later(5)
	b.must(b.rdb.HSet(t.Context(), record.ReplicationKey(redisx.TopologyOf(b.rdb), lost),
		record.FieldReplID, "x", record.FieldChanged, time.Now().Add(time.Minute).UnixMilli()).Err())
	if out, err := b.ledger.Cancel(t.Context(), lost, "ops", "n"); !errors.Is(err, deadletter.ErrBegun) || !b.inLedger(lost) {
		t.Errorf("perhaps begun: got %s, %v, want ErrBegun and a letter for a person", out, err)
	}
}

// TestAWorkerThatHeldACancelledTaskDoesNotBeginIt: one that was frozen since before somebody stopped
// and cancelled the task. What is enqueued after the cancel is begun.
func TestAWorkerThatHeldACancelledTaskDoesNotBeginIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.later(1)
	held, err := record.NewReader(b.rdb).Get(t.Context(), id)
	b.must(err)
	b.cancel(id, ledger.Cancelled)
	before := b.rdb.HGetAll(t.Context(), record.TaskKey(id)).Val()
	begin := func(token string, headers map[string]string) gate.History {
		a := gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: time.Now(), LockFor: time.Minute}
		a.Nonce, a.Queue = tasks.ParseHeaders(headers).Nonce, queue
		h, err := b.gate.Begin(t.Context(), a, time.Now())
		b.must(err)
		return h
	}
	if h := begin("late", held.Headers); !h.Finished {
		t.Errorf("a cancelled task is begun: %+v", h)
	}
	if diff := cmp.Diff(before, b.rdb.HGetAll(t.Context(), record.TaskKey(id)).Val()); diff != "" {
		t.Errorf("its record is another (-want +got):\n%s", diff)
	}
	b.later(1)
	again, err := record.NewReader(b.rdb).Get(t.Context(), id)
	b.must(err)
	if h := begin("new", again.Headers); h.Finished {
		t.Error("what was enqueued anew is not begun")
	}
}

func TestCancelInterruptedAfterAnyCommandLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.everyFault(b.later,
		func(rdb redis.UniversalClient, id string) error {
			_, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Cancel(t.Context(), id, "ops", "not wanted")
			return err
		},
		func(id string) {
			b.sweep()
			at, err := ledger.New(b.rdb, time.Hour, time.Now).Look(t.Context(), queue, id)
			b.must(err)
			switch {
			case at == asynqx.Scheduled: // it did not come to it
				b.cancel(id, ledger.Cancelled)
			case b.inLedger(id): // a person sees it, and who wanted it gone
				if out, err := b.ledger.Resolve(t.Context(), id, "ops", "not wanted"); err != nil || out != ledger.Resolved {
					t.Errorf("resolve: %s, %v", out, err)
				}
			default:
				if r, err := record.Get(t.Context(), b.rdb, id); err != nil ||
					r.State != record.Done || r.Note != "not wanted" || at != asynqx.NoTask {
					t.Errorf("%s is %+v in %s, %v, want it cancelled", id, r, at, err)
				}
			}
		})
}
