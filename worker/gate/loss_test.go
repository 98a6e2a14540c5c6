package gate_test

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// A failover may lose a task with its marks, and the shop that was not answered calls again:
// that task is newer than the loss, the write may be older.
func TestWhatWasEnqueuedWithinAnHourAfterALossByEitherClockMayHaveLostItsMarks(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	if err := g.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, row := range []struct {
		name           string
		lost, enqueued time.Duration // from now
		first          time.Duration // attempt, 0 for this one
		want           bool
	}{
		{"a second call, seconds after", -10 * time.Second, -2 * time.Second, 0, true},
		{"a second call, half an hour after", -time.Hour / 2, 0, 0, true},
		{"the producer's clock is a minute ahead", -10 * time.Second, time.Minute, 0, true},
		{"the producer's clock is hours ahead", -time.Minute, 5 * time.Hour, 0, true},
		{"the same, and its question went unanswered until the hour was over", -61 * time.Minute, 5 * time.Hour, -2 * time.Minute, true},
		{"enqueued half an hour after, for tomorrow", -24 * time.Hour, -24*time.Hour + time.Hour/2, 0, true},
		{"nobody knows when", -24 * time.Hour, -1000000 * time.Hour, 0, true},
		{"enqueued long after", -2 * time.Hour, -time.Minute, 0, false},
		{"nothing was ever lost", 0, -time.Minute, 0, false},
	} {
		a := attempt("b2b.invalid.2000132.VG00000001.2026-11-01", row.name)
		a.Enqueued = now.Add(row.enqueued)
		changed := "0"
		if row.lost != 0 {
			changed = ms(now.Add(row.lost))
		}
		pipe := rdb.TxPipeline()
		pipe.HSet(t.Context(), record.ReplicationKey(redisx.TopologyOf(rdb), a.Keys.ID), record.FieldChanged, changed)
		pipe.Del(t.Context(), record.TaskKey(a.Keys.ID), record.LockKey(a.Keys.ID))
		if row.first != 0 {
			pipe.HSet(t.Context(), record.TaskKey(a.Keys.ID), record.FieldFirst, ms(now.Add(row.first)))
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := begin(t, g, a, now); h.MarksLost != row.want {
			t.Errorf("%s: got lost %t, want %t", row.name, h.MarksLost, row.want)
		}
	}
}

// Redis' clock was ahead when the change was noticed, and is right by now.
func TestALossThatLiesAheadIsTakenForOneOfNow(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	if err := g.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := record.ReplicationKey(redisx.TopologyOf(rdb), trigger)
	if err := rdb.HSet(t.Context(), key, record.FieldChanged, ms(time.Now().Add(9000*time.Hour))).Err(); err != nil {
		t.Fatal(err)
	}
	begin(t, g, attempt(trigger, "A"), time.Now())
	if changed, err := rdb.HGet(t.Context(), key, record.FieldChanged).Int64(); err != nil || changed > time.Now().UnixMilli() {
		t.Errorf("got a change at %s, %v, want one that is not in the future", time.UnixMilli(changed), err)
	}
}
