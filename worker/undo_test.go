package worker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// undoing is a cancel that wants an issued invoice voided, and what the fake has of it.
func undoing(t *testing.T, d ecpaytest.Delayed) (*world, job) {
	t.Helper()
	w := newWorld(t)
	d.Tsr, d.RelateNumber = "T1", "R1"
	if err := w.fake.StageDelayed(d); err != nil {
		t.Fatal(err)
	}
	return w, w.job(&tasks.B2CCancelDelayIssue{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "R1", VoidReason: "訂單取消"})
}

// undone is what is kept of a task that is done.
func (w *world) undone(j job) tasks.Undone {
	w.t.Helper()
	var u tasks.Undone
	if err := json.Unmarshal(w.record(j).Result, &u); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// void is the task that voids an invoice, as it was enqueued.
func (w *world) void(v Verdict) job {
	w.t.Helper()
	w.wantVerdict(v, Hold, ecpay.Conflict)
	keys := w.rdb.Keys(w.t.Context(), "asynq:{invalid}:t:*").Val()
	if len(keys) != 1 {
		w.t.Fatalf("got the tasks %q, want one", keys)
	}
	id := keys[0][len("asynq:{invalid}:t:"):]
	found, err := record.NewReader(w.rdb).Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return job{id: id, typeName: found.Type, queue: found.Queue, payload: found.Payload, headers: found.Headers}
}

func TestACancelInTimeSaysThatItIsCancelled(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{})
	w.wantVerdict(w.once(j), Done, ecpay.OK)
	w.wantCalls("CancelDelayIssue")
	if u := w.undone(j); u.Undone != "cancelled" || u.RtnCode != 1 {
		t.Errorf("got %+v", u)
	}
}

func TestACancelThatComesTooLateVoidsTheInvoice(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{Issued: true})
	v := w.once(j)
	void := w.void(v)
	w.advance(v.Delay)
	w.wantVerdict(w.once(j), Hold, ecpay.Conflict) // until the other is done
	if again := w.void(w.once(j)); again.id != void.id {
		t.Errorf("got the void %s, and %s the next time", void.id, again.id)
	}
	w.wantVerdict(w.once(void), Done, ecpay.OK)
	w.wantVerdict(w.once(j), Done, ecpay.AlreadyDone)
	u := w.undone(j)
	if u.Undone != "voided" || "b2c.invalid."+testMerchant+"."+u.InvoiceNo+"."+u.InvoiceDate != void.id {
		t.Errorf("got %+v, want that %s is done", u, void.id)
	}
	effects := 0
	for _, e := range w.fake.Effects() {
		if e.Name == ecpaytest.EffectVoided {
			effects++
		}
	}
	if effects != 1 {
		t.Errorf("got %d voids, want 1", effects)
	}
}

func TestACancelWhoseVoidIsDeadIsDeadAndNamesIt(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{Issued: true})
	void := w.void(w.once(j))
	w.fake.Inject(ecpaytest.Match{Operation: "Invalid"}, ecpaytest.Fault{RtnCode: 5070450})
	w.wantVerdict(w.once(void), Dead, ecpay.Rejected)
	if err := asynq.NewInspectorFromRedisClient(w.rdb).ArchiveTask("invalid", void.id); err != nil {
		t.Fatal(err)
	}
	v := w.once(j)
	w.wantVerdict(v, Dead, ecpay.Conflict)
	if v.Reason != reasonVoidDead || v.Words != reasonVoidDead.Text().About(record.Plain(void.id)) {
		t.Errorf("got %q", v.Text().En)
	}
}

func TestAnInvoiceThatCannotBeVoidedAnyMoreNeedsAnAllowance(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{Issued: true})
	w.advance(60 * 24 * time.Hour)
	v := w.once(j)
	w.wantVerdict(v, Dead, ecpay.Conflict)
	if v.Reason != reasonTooLateToVoid {
		t.Errorf("got %q", v.Text().En)
	}
	if keys := w.rdb.Keys(t.Context(), "asynq:{invalid}:t:*").Val(); len(keys) != 0 {
		t.Errorf("got the tasks %q, want none", keys)
	}
}

// A person who cancels the void is obeyed: the cancel from which it follows does not bring it back.
func TestAVoidThatAPersonWithdrewStaysSo(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{Issued: true})
	void := w.void(w.once(j))
	w.rdb.Del(t.Context(), "asynq:{invalid}:t:"+void.id) // as a cancel of it leaves it
	w.rdb.HSet(t.Context(), record.TaskKey(void.id), record.FieldCancelled, "N")
	v := w.once(j)
	w.wantVerdict(v, Dead, ecpay.Conflict)
	if v.Reason != reasonVoidDead || len(w.rdb.Keys(t.Context(), "asynq:{invalid}:t:*").Val()) != 0 {
		t.Errorf("got %q, and the task is back or not", v.Text().En)
	}
}

// What a person resolved has ended, and is no void at ECPay.
func TestAVoidThatEndedWithoutAnEffectIsNotTakenForOne(t *testing.T) {
	t.Parallel()
	w, j := undoing(t, ecpaytest.Delayed{Issued: true})
	void := w.void(w.once(j))
	w.rdb.Set(t.Context(), record.DoneKey(void.id), "resolved 1", time.Hour)
	w.rdb.Del(t.Context(), "asynq:{invalid}:t:"+void.id)
	w.wantVerdict(w.once(j), Dead, ecpay.Conflict)
}

// After 10:00 on the day of issue ECPay takes no cancel and issues later: for a while there is nothing to
// cancel and nothing to void.
func TestACancelOnTheDayOfIssueWaitsUntilTheDayIsOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		issued bool
		action Action
		kind   ecpay.Kind
	}{"issued later": {true, Hold, ecpay.Conflict}, "never issued": {false, Dead, ecpay.NotFound}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			j := w.job(&tasks.B2CCancelDelayIssue{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "R1", VoidReason: "r"})
			v := w.once(j) // at 16:00 in Taipei
			w.wantVerdict(v, Hold, ecpay.NotFound)
			if v.Reason != reasonLateVoid {
				t.Errorf("got %q", v.Text().En)
			}
			if tc.issued {
				if err := w.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T1", RelateNumber: "R1", Issued: true}); err != nil {
					t.Fatal(err)
				}
			}
			for v.Action == Hold && v.Kind == ecpay.NotFound {
				w.advance(v.Delay)
				v = w.once(j)
			}
			w.wantVerdict(v, tc.action, tc.kind)
		})
	}
}
