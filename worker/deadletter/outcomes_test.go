package deadletter_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// outcomes are all there are, of all merchants.
func (b *bench) outcomes() []record.Outcome {
	b.Helper()
	page, err := record.NewReader(b.rdb).Outcomes(b.Context(), record.OutcomeQuery{Limit: record.MaxOutcomes})
	b.must(err)
	return page.Outcomes
}

// ends are the states and kinds of a task's outcomes.
func (b *bench) ends(id string) []string {
	b.Helper()
	var ends []string
	for _, o := range b.outcomes() {
		if o.ID == id {
			ends = append(ends, o.State+" "+o.Kind)
		}
	}
	return ends
}

func (b *bench) wantEnds(id string, want ...string) {
	b.Helper()
	if got := b.ends(id); !slices.Equal(got, want) {
		b.Errorf("outcomes of %s: %q, want %q", id, got, want)
	}
}

func TestEachEndOfATaskIsOneOutcome(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*bench) (id string, want []string){
		"done": func(b *bench) (string, []string) {
			id := b.enqueued(1)
			b.judged(id, gate.Result{State: record.Done, Kind: ecpay.OK, DoneTTL: time.Hour})
			return id, []string{"done OK"}
		},
		"dead": func(b *bench) (string, []string) { return b.died(1, ecpay.Rejected), []string{"dead Rejected"} },
		"dead, replayed and done": func(b *bench) (string, []string) {
			id := b.died(1, ecpay.Rejected)
			b.replay(b.ledger, id, deadletter.ReplayOptions{}, ledger.Replayed)
			b.judged(id, gate.Result{State: record.Done, Kind: ecpay.OK, DoneTTL: time.Hour})
			return id, []string{"dead Rejected", "done OK"}
		},
		"dead and resolved": func(b *bench) (string, []string) {
			id := b.died(1, ecpay.Conflict)
			for range 2 {
				_, err := b.ledger.Resolve(b.Context(), id, "ops", "voided by hand")
				b.must(err)
			}
			return id, []string{"dead Conflict", "resolved Conflict"}
		},
		"cancelled": func(b *bench) (string, []string) {
			id := b.later(1)
			b.cancel(id, ledger.Cancelled)
			return id, []string{"cancelled Stopped"}
		},
		"archived by asynq, and swept twice": func(b *bench) (string, []string) {
			id := b.enqueued(1)
			b.givenUp(queue, id)
			b.sweep()
			b.sweep()
			return id, []string{"dead Unknown"}
		},
		"stopped by a person": func(b *bench) (string, []string) {
			id := b.enqueued(1)
			store := ledger.New(b.rdb, time.Hour, time.Now)
			since, err := store.Now(b.Context())
			b.must(err)
			b.must(b.inspector.ArchiveTask(queue, id))
			b.sweep() // sees it first, and does not know who it was
			for range 2 {
				b.must(store.DepositByHand(b.Context(), queue, []string{id}, "olga", since)[0].Err)
			}
			return id, []string{"stopped Stopped"}
		},
		"retried": func(b *bench) (string, []string) {
			id := b.enqueued(1)
			b.judged(id, gate.Result{State: record.Retry, Kind: ecpay.Unavailable})
			b.judged(id, gate.Result{State: record.Held, Kind: ecpay.Denied})
			return id, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, redistest.Options{AppendFsync: "no"})
			id, want := run(b)
			b.wantEnds(id, want...)
		})
	}
}

func TestASecondExecutionIsNoSecondOutcome(t *testing.T) {
	t.Parallel()
	b := newBench(t, redistest.Options{AppendFsync: "no"})
	begin := func(id, token string) gate.Attempt {
		t.Helper()
		a := gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: time.Now(), LockFor: time.Minute}
		_, err := b.gate.Begin(t.Context(), a, time.Now())
		b.must(err)
		return a
	}
	done := gate.Result{State: record.Done, Kind: ecpay.OK, DoneTTL: time.Hour, RecordTTL: time.Hour}

	id := b.enqueued(1)
	a := begin(id, "first")
	for range 3 {
		b.must(b.gate.Leave(t.Context(), a, done))
	}
	b.wantEnds(id, "done OK")
	// Another attempt proves the same late, also when the record is gone.
	late := gate.Attempt{Keys: record.KeysOfTask(id), Token: "late"}
	b.must(b.gate.Leave(t.Context(), late, done))
	b.must(b.rdb.Del(t.Context(), record.TaskKey(id)).Err())
	b.must(b.gate.Leave(t.Context(), late, done))
	b.wantEnds(id, "done OK")

	// One that is dead is done by a proof that comes late, once.
	id = b.died(2, ecpay.Unavailable)
	for range 2 {
		b.must(b.gate.Leave(t.Context(), gate.Attempt{Keys: record.KeysOfTask(id), Token: "proof"}, done))
	}
	b.wantEnds(id, "dead Unavailable", "done OK")

	// What is asked anew is another end.
	id = "b2b.get_allowance_confirm.2000132.A1"
	for _, token := range []string{"one", "two"} {
		a := begin(id, token)
		for range 2 {
			b.must(b.gate.Leave(t.Context(), a, gate.Result{State: record.Done, Kind: ecpay.OK, RecordTTL: time.Hour}))
		}
	}
	b.wantEnds(id, "done OK", "done OK")
}

func TestAnOutcomeSaysWhatTheAnswerSaidAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, redistest.Options{AppendFsync: "no"})
	id := b.enqueued(1)
	b.judged(id, gate.Result{
		State: record.Done, Kind: ecpay.OK, DoneTTL: time.Hour, RtnCode: 1, RtnMsg: "作廢成功",
		Answer: json.RawMessage(`{"RtnCode":1,"RtnMsg":"作廢成功","InvoiceNumber":"VG00000001"}`),
	})
	died := b.died(2, ecpay.Rejected)
	want := []record.Outcome{
		{
			Seq: 1, ID: id, Type: "b2b:invalid", MerchantID: "2000132",
			Subject: map[string]string{"InvoiceNumber": "VG00000001", "InvoiceDate": "2026-11-01"},
			State:   record.OutcomeDone, Kind: "OK", RtnCode: 1, RtnMsg: "作廢成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"作廢成功","InvoiceNumber":"VG00000001"}`),
		},
		{
			Seq: 2, ID: died, Type: "b2b:invalid", MerchantID: "2000132",
			Subject: map[string]string{"InvoiceNumber": "VG00000002", "InvoiceDate": "2026-11-01"},
			State:   record.OutcomeDead, Kind: "Rejected", RtnCode: 5070450, RtnMsg: "該發票已被折讓過，無法直接作廢發票",
			Reason: "mend it", ReasonZh: "請修正",
		},
	}
	got := b.outcomes()
	for i := range got {
		if age := time.Since(got[i].At); age < -time.Minute || age > time.Minute || got[i].Cursor == "" || !record.IsPosition(got[i].Position) {
			t.Errorf("at %s, cursor %q, position %q", got[i].At, got[i].Cursor, got[i].Position)
		}
		got[i].At, got[i].Cursor, got[i].Position = time.Time{}, "", ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The payload's own words are nowhere in it.
	raw := b.rdb.XRange(t.Context(), record.OutcomeKeysOf(redisx.TopologyOf(b.rdb), "2000132").Outcomes, "-", "+").Val()
	text, err := json.Marshal(raw)
	b.must(err)
	if len(raw) != 2 || strings.Contains(string(text), "訂單取消") {
		t.Errorf("the payload is in the outcomes: %s", text)
	}
}

func TestOutcomesOfACluster(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t, 3)
	rdb := c.Client()
	g := gate.New(rdb, redisx.Confirm{})
	for _, merchant := range []string{"2000132", "3002599", "3002607"} {
		for _, subject := range []string{"A", "B"} {
			id := "b2c.trigger_issue." + merchant + "." + subject
			a := gate.Attempt{Keys: record.KeysOfTask(id), Token: tasks.NewNonce(), Start: time.Now(), LockFor: time.Minute}
			if _, err := g.Begin(t.Context(), a, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := g.Leave(t.Context(), a, gate.Result{State: record.Done, Kind: ecpay.OK, DoneTTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var seqs []int64
	q := record.OutcomeQuery{Limit: 4}
	for range 3 {
		page, err := record.NewReader(rdb).Outcomes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Outcomes {
			seqs = append(seqs, o.Seq)
		}
		q.After = page.Next
	}
	slices.Sort(seqs)
	if !slices.Equal(seqs, []int64{1, 1, 1, 2, 2, 2}) {
		t.Errorf("numbers %v, want 1 and 2 of each of three merchants", seqs)
	}
}
