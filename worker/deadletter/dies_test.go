package deadletter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// dies is a handler that finds every task dead, by way of the gate.
func (b *bench) dies(ran func(id string)) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		ran(id)
		token := tasks.NewNonce()
		now := time.Now()
		_, err := b.gate.Begin(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: now, LockFor: time.Minute}, now)
		if err != nil {
			return err
		}
		res := dead(ecpay.NotFound)
		res.Task = &gate.Task{Type: t.Type(), Queue: queue, Payload: t.Payload(), Headers: t.Headers()}
		if err := b.gate.Leave(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: token}, res); err != nil {
			return err
		}
		return fmt.Errorf("dead: %w", asynq.SkipRetry)
	})
}

// eventually waits for something that another process does, or fails.
func (b *bench) eventually(what string, ok func() bool) {
	b.Helper()
	b.reaches(1, what, func() int {
		if ok() {
			return 1
		}
		return 0
	})
}

// reaches waits until so much is done, or fails when nothing more was done for a minute: how long
// much work takes depends on what else the machine does.
func (b *bench) reaches(all int, what string, done func() int) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	most, at := 0, time.Now()
	for n := done(); n != all; n = done() {
		if n > most {
			most, at = n, time.Now()
		}
		if time.Since(at) > time.Minute {
			b.Fatalf("%d of %d, and no more within a minute: %s", n, all, what)
		}
		<-tick.C
	}
}

// finishes is a handler that finds every task done, by way of the gate.
func (b *bench) finishes(ran func(id string)) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		token := tasks.NewNonce()
		now := time.Now()
		_, err := b.gate.Begin(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: now, LockFor: time.Minute}, now)
		if err != nil {
			return err
		}
		if err := b.gate.Leave(ctx, gate.Attempt{Keys: record.KeysOfTask(id), Token: token},
			gate.Result{State: record.Done, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour}); err != nil {
			return err
		}
		ran(id)
		return nil
	})
}

// A run that asynq gave to a second worker may come when the first has long ended
// the task.
func TestALateRunLeavesADeathAsItWas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, id := t.Context(), b.died(1, ecpay.Ambiguous)
	before, err := b.ledger.Get(ctx, id)
	b.must(err)
	late := gate.Attempt{Keys: record.KeysOfTask(id), Token: "late", LockFor: time.Minute}
	_, err = b.gate.Begin(ctx, late, time.Now())
	b.must(err)
	b.must(b.gate.Leave(ctx, late, gate.Result{State: record.Held, Kind: ecpay.Unavailable, Reason: record.Plain("redis was away")}))
	after, err := b.ledger.Get(ctx, id)
	b.must(err)
	if after.Kind != ecpay.Ambiguous || after.Reason != before.Reason ||
		!after.DiedAt.Equal(before.DiedAt) || after.State != record.StateDead {
		t.Errorf("got %+v, want the death as it was, %+v", after, before)
	}
}

// A run that was frozen tells asynq its old verdict when a newer run has sent the
// write again.
func TestADeathIsAmbiguousWhileALaterWriteIsUnanswered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, id := t.Context(), b.died(1, ecpay.Rejected)
	before, err := b.ledger.Get(ctx, id)
	b.must(err)
	later := gate.Attempt{Keys: record.KeysOfTask(id), Token: "later", Start: time.Now(), LockFor: time.Minute}
	_, err = b.gate.Begin(ctx, later, time.Now())
	b.must(err)
	turn, err := b.gate.Enter(ctx, later,
		gate.Request{Name: "invalid", InFlight: 8, Life: time.Minute, Now: time.Now(), Write: true, Stamp: time.Now()})
	b.must(err)
	if turn.Wait != 0 {
		t.Fatalf("the write waits for %s, want that it may go out", turn.Wait)
	}
	during, err := b.ledger.Get(ctx, id)
	b.must(err)
	if during.Kind != ecpay.Ambiguous || during.Reason == before.Reason || during.ToDo() != deadletter.Advice(during) || during.RtnCode != 0 {
		t.Errorf("got %+v while a write is on its way, want Ambiguous and why", during)
	}
	b.must(b.gate.Leave(ctx, later, gate.Result{State: record.Held, Kind: ecpay.Denied, Settled: true}))
	after, err := b.ledger.Get(ctx, id)
	b.must(err)
	if after.Kind != ecpay.Rejected || after.Reason != before.Reason {
		t.Errorf("got %+v after ECPay refused that write, want the death as it was, %+v", after, before)
	}
}
