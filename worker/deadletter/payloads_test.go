package deadletter_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// store puts a payload into asynq, as a task, and into the ledger, as a letter.
func (b *bench) store(id, typeName string, payload []byte) {
	b.Helper()
	_, err := asynqx.NewClient(b.rdb).Enqueue(b.Context(), asynqx.Spec{Type: typeName, Queue: "issue", ID: id, Payload: payload})
	b.must(err)
	b.letterAt(id, time.Now(), ecpay.Rejected, typeName)
	b.must(b.rdb.HSet(b.Context(), record.TaskKey(id), record.FieldPayload, payload).Err())
}

// stored are the payloads of a task, by where they are.
func (b *bench) stored(l *deadletter.Ledger, id string) (found []deadletter.StoredPayload) {
	b.Helper()
	for p, err := range l.Payloads(b.Context(), nil) {
		b.must(err)
		if p.ID == id {
			found = append(found, p)
		}
	}
	return found
}

// A key must not be said to be free while something needs it, whatever this version knows of the type.
func TestWhatANewerVersionSealedCountsForItsKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const id, key = "b2c.of_tomorrow.2000132.1", "0a1b2c3d"
	b.store(id, "b2c:of_tomorrow", fmt.Appendf(nil, `{"Sealed":1,"Key":%q,"Data":"AAAA"}`, key))
	b.store("b2b.invalid.2000132.VG00000001.2026-11-01", "b2b:invalid", []byte(`{}`))
	var got []string
	for p, err := range b.ledger.Payloads(t.Context(), nil) {
		b.must(err)
		got = append(got, fmt.Sprint(p.ID, " ", p.Key, " ", p.Letter))
	}
	if want := []string{id + " " + key + " true", id + " " + key + " false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The end of a correction is known by its bytes: those of its letter and those of its task must stay alike.
func TestACorrectionThatWasNotRunYetIsNotSealedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := samples.Named("issue").Payload(samples.At{Subject: "RESEAL1"})
	payload, err := samples.PayloadKeys().Encode(p)
	b.must(err)
	id := tasks.ID(p)
	b.store(id, "b2c:issue", payload)
	b.must(b.rdb.HSet(t.Context(), record.TaskKey(id), record.FieldFix, "1").Err())

	keys, err := seal.Parse([]byte(seal.NewKey() + "\n" + samples.PayloadKeyFile))
	b.must(err)
	l := deadletter.New(deadletter.Config{Redis: b.rdb, PayloadKeys: keys})
	resealed := func(want bool) {
		t.Helper()
		found := b.stored(l, id)
		if len(found) != 2 {
			t.Fatalf("got %d payloads, want that of the letter and that of the task", len(found))
		}
		for _, p := range found {
			if done, err := l.Reseal(t.Context(), p); err != nil || done != want {
				t.Errorf("letter %t: sealed anew %t, %v, want %t", p.Letter, done, err, want)
			}
		}
	}
	resealed(false)
	b.must(b.rdb.HDel(t.Context(), record.TaskKey(id), record.FieldFix).Err())
	resealed(true)
	for _, p := range b.stored(l, id) {
		if p.Key != keys.IDs()[0] {
			t.Errorf("letter %t: got key %s, want %s", p.Letter, p.Key, keys.IDs()[0])
		}
	}
}
