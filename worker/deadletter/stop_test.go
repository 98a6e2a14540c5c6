package deadletter_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// stop stops a task as a person does on asynq's page of ours.
func (b *bench) stop(id string) {
	b.Helper()
	store := ledger.New(b.rdb, time.Hour, time.Now)
	since, err := store.Now(b.Context())
	b.must(err)
	b.must(b.inspector.ArchiveTask(queue, id))
	b.must(store.DepositByHand(b.Context(), queue, []string{id}, "olga", since)[0].Err)
}

// stopped makes tasks that a person stopped, each in another way, and says what kind
// of letter they are.
func (b *bench) stopped() map[string]ecpay.Kind {
	b.Helper()
	by := map[string]ecpay.Kind{}
	other := func(id string) { // another program, which tells nobody
		b.Helper()
		b.must(b.inspector.ArchiveTask(queue, id))
	}
	for i, stop := range []func(string){b.stop, other} {
		n := 10 * (1 + i)
		id := b.enqueued(n)
		stop(id)
		by[id] = ecpay.Stopped

		id = b.later(n + 1)
		stop(id)
		by[id] = ecpay.Stopped

		id = b.enqueued(n + 2) // held
		b.judged(id, gate.Result{State: record.Held, Kind: ecpay.Denied, Delay: time.Hour})
		stop(id)
		by[id] = ecpay.Stopped

		id = b.enqueued(n + 3) // sent, and nobody knows what became of it
		a := gate.Attempt{Keys: record.KeysOfTask(id), Token: "t", Start: time.Now(), LockFor: time.Minute}
		_, err := b.gate.Begin(b.Context(), a, time.Now())
		b.must(err)
		b.must(b.entered(a))
		b.must(b.gate.Leave(b.Context(), a, gate.Result{State: record.Retry, Kind: ecpay.Ambiguous}))
		stop(id)
		by[id] = ecpay.Ambiguous

		id = b.died(n+4, ecpay.Unavailable) // and run again, which somebody thought better of
		b.must(b.inspector.RunTask(queue, id))
		b.earlier(id)
		stop(id)
		by[id] = ecpay.Stopped

		id = b.died(n+5, ecpay.NotFound)
		b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
		b.earlier(id)
		stop(id)
		by[id] = ecpay.Stopped
	}
	return by
}

// earlier lets a task that is run again have died some seconds ago: asynq counts in
// seconds.
func (b *bench) earlier(id string) {
	b.Helper()
	key, ago := asynqx.TaskKey(queue, id), time.Now().Add(-5*time.Second)
	if !b.info(id).LastFailedAt.IsZero() {
		msg, err := b.rdb.HGet(b.Context(), key, "msg").Bytes()
		b.must(err)
		b.must(b.rdb.HSet(b.Context(), key,
			"msg", protowire.AppendVarint(protowire.AppendTag(msg, 11, protowire.VarintType), uint64(ago.Unix()))).Err())
	}
	died := float64(ago.UnixMilli())
	b.must(b.rdb.HSet(b.Context(), record.TaskKey(id), record.FieldDied, int64(died)).Err())
	b.must(b.rdb.ZAdd(b.Context(), record.DeadKey(id), redis.Z{Score: died, Member: id}).Err())
}

func TestWhatAPersonStoppedIsReplayedByItsIDOnly(t *testing.T) {
	t.Parallel()
	for name, sweep := range map[string]func(b *bench){
		"the ledger knows it":         func(b *bench) { b.sweep() },
		"no sweep has come by so far": func(*bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			stopped := b.stopped()
			sweep(b)
			filters := []deadletter.Filter{{}, {MerchantID: "2000132"}, {Type: "b2b:invalid"}}
			for _, k := range record.Kinds() {
				filters = append(filters, deadletter.Filter{Kind: &k})
			}
			for _, f := range filters {
				for _, o := range []deadletter.ReplayOptions{{DryRun: true}, {}, {Set: map[string]string{"Reason": "x"}}, {NotExecuted: true}} {
					if o.NotExecuted && f.Kind == nil {
						continue
					}
					b.must(b.ledger.ReplayAll(t.Context(), f, o, func(r deadletter.Result) {
						if r.ActResult != ledger.Skipped || r.Err != nil {
							t.Errorf("%+v, %+v: %+v, want it left alone", f, o, r)
						}
					}))
				}
			}
			b.sweep()
			for id, kind := range stopped {
				l := b.get(id)
				if l.Kind != kind || !l.Stopped() || l.State != record.StateDead || l.By != record.ByHand("olga") && l.By != record.ByHand("unknown") {
					t.Errorf("got %+v, want a letter of kind %s that a person made", l, kind)
				}
				got := ids(b.list(deadletter.Filter{Kind: &kind}))
				if !slices.Contains(got, id) {
					t.Errorf("%s is not among those of kind %s", id, kind)
				}
				b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
			}
		})
	}
}

// An old worker stored the kind as Unknown.
func TestALetterThatAPersonMadeBeforeThereWasTheKindIsStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, false)
	b.sweep()
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(id), record.FieldBy, record.ByHand("olga"), "d_kind", "Unknown").Err())
	if l := b.get(id); l.Kind != ecpay.Stopped || !l.Stopped() {
		t.Errorf("got %+v, want Stopped", l)
	}
	causes, err := record.Causes(t.Context(), b.rdb, []string{id})
	if b.must(err); causes[0].Kind != ecpay.Stopped {
		t.Errorf("counted as %s, want Stopped", causes[0].Kind)
	}
}

// What somebody stopped, somebody may have run again; when it then dies, it died of that.
func TestWhatWasStoppedAndRunAgainDiesOfWhatItDiesOf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id := range b.stopped() {
		b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
		b.judged(id, dead(ecpay.Rejected))
		b.givenUp(queue, id)
		b.sweep()
		if l := b.get(id); l.Stopped() || l.By != record.ByWorker || l.Kind == ecpay.Stopped {
			t.Errorf("got %+v, want the verdict", l)
		}
	}
}

func TestACancelThatWasInterruptedIsFinishedByTheNextOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.everyFault(b.later,
		func(rdb redis.UniversalClient, id string) error {
			_, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Cancel(t.Context(), id, "ops", "not wanted")
			return err
		},
		func(id string) {
			b.must(b.ledger.ReplayAll(t.Context(), deadletter.Filter{}, deadletter.ReplayOptions{}, func(r deadletter.Result) {
				if r.ActResult != ledger.Skipped {
					t.Errorf("%+v, want it left alone", r)
				}
			}))
			if at := b.place(id); at != asynqx.NoTask || b.inLedger(id) {
				b.cancel(id, ledger.Cancelled)
			}
			if at := b.place(id); at != asynqx.NoTask || b.inLedger(id) || b.rdb.Exists(t.Context(), record.DoneKey(id)).Val() != 0 {
				t.Errorf("cancelled, and asynq has it as %s", at)
			}
		})
}

func TestCancelTakesWhatAPersonStoppedUnlessItWasEverBegun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stopped := b.stopped()
	for i := range 40 {
		id := b.idOf(i)
		if _, ok := stopped[id]; !ok {
			continue
		}
		want := ledger.NotFound
		if n := i % 10; n < 2 {
			want = ledger.Cancelled
		}
		out, err := b.ledger.Cancel(t.Context(), id, "ops", "not wanted")
		if out != want && !errors.Is(err, deadletter.ErrBegun) {
			t.Errorf("%s: got %s, %v, want %s", id, out, err, want)
		}
		if b.inLedger(id) != (want == ledger.NotFound) {
			t.Errorf("%s: in the ledger %t after %s", id, b.inLedger(id), out)
		}
	}
}
