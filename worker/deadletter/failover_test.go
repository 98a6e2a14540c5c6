package deadletter_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// A person may stop a task, and the sweep copy one, when no worker has met the new master yet.
func TestALetterIsAmbiguousAfterAFailoverThatNoWorkerHasMet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.crashed(1, false)
	if err := b.rdb.HSet(t.Context(), record.ReplicationKey(redisx.TopologyOf(b.rdb), id),
		record.FieldReplID, "another", record.FieldChanged, 0).Err(); err != nil {
		t.Fatal(err)
	}
	b.sweep()
	l, err := ledger.New(b.rdb, time.Hour, time.Now).Entry(t.Context(), id)
	if err != nil || !l.InLedger || l.Death.Kind != ecpay.Ambiguous {
		t.Errorf("%+v, %v; want a letter of kind Ambiguous, since the mark of a write may be lost", l, err)
	}
}

// What was run before a failover is back as it was: the letter says that it was never begun.
func TestAStoppedTaskIsNotCancelledOnceRedisMayHaveLostThatItWasBegun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.later(1)
	b.stop(id)
	b.must(b.rdb.HSet(t.Context(), record.ReplicationKey(redisx.TopologyOf(b.rdb), id),
		record.FieldReplID, "another", record.FieldChanged, 0).Err())
	if out, err := b.ledger.Cancel(t.Context(), id, "ops", "n"); !errors.Is(err, deadletter.ErrBegun) || !b.inLedger(id) {
		t.Errorf("got %s, %v, want ErrBegun and that the letter stays", out, err)
	}
}
