package worker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// question is what that the worker stored for a task, as asynq has it; false where there is none.
func (w *world) question() (job, time.Time, bool) {
	w.t.Helper()
	in := asynq.NewInspectorFromRedisClient(w.rdb)
	list, err := in.ListPendingTasks("query") // by the machine's clock its time has come
	if err != nil || len(list) == 0 {
		return job{}, time.Time{}, false
	}
	q := list[0]
	if err := in.DeleteTask("query", q.ID); err != nil {
		w.t.Fatal(err)
	}
	due := tasks.ParseHeaders(q.Headers).ProcessAt
	return job{id: q.ID, typeName: q.Type, queue: q.Queue, payload: q.Payload, headers: q.Headers}, due, true
}

// delayed stages the invoice of Tsr T1.
func (w *world) delayed(days int) {
	w.t.Helper()
	d := ecpaytest.Delayed{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "RT1", DelayDay: days}
	if err := w.fake.StageDelayed(d); err != nil {
		w.t.Fatal(err)
	}
}

// triggered runs the trigger of T1, whose invoice is staged for so many days, and returns it, the question that
// follows, and when that is due.
func (w *world) triggered(days int) (trigger, q job, due time.Time) {
	w.t.Helper()
	w.h.fetches = true
	w.delayed(days)
	trigger = w.job(&tasks.B2CTriggerIssue{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "RT1", DelayDay: &days})
	if v := w.once(trigger); v.Action != Done {
		w.t.Fatalf("the trigger is %s", v.Action)
	}
	q, due, ok := w.question()
	if !ok {
		w.t.Fatal("no question follows")
	}
	return trigger, q, due
}

// feed is what the outcomes of the merchant say, oldest first.
func (w *world) feed() []record.Outcome {
	w.t.Helper()
	page, err := record.NewReader(w.rdb).Outcomes(w.t.Context(), record.OutcomeQuery{Merchants: []string{testMerchant}})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Outcomes
}

// states are those of the feed.
func states(feed []record.Outcome) (all []string) {
	for _, o := range feed {
		all = append(all, o.State)
	}
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	x, _ := json.Marshal(want)
	if string(g) != string(x) {
		t.Errorf("%s: got %s, want %s", what, g, x)
	}
}

// knows demands that the task, and the last outcome, have the invoice that ECPay shows.
func (w *world) knows(j job, relateNumber string) {
	w.t.Helper()
	shown, err := w.h.ecpay.B2CGetIssue(w.t.Context(), w.keys.merchant.Merchant,
		&ecpay.B2CGetIssueRequest{MerchantID: testMerchant, RelateNumber: relateNumber})
	if err != nil {
		w.t.Fatal(err)
	}
	want := tasks.Invoice{
		Number: string(shown.IIS_Number), Date: string(shown.IIS_Create_Date[:10]), RandomCode: string(shown.IIS_Random_Number),
	}
	equal(w.t, "the invoice of the record", w.record(j).Invoice, want)
	feed := w.feed()
	last := feed[len(feed)-1]
	equal(w.t, "the last outcome", []any{last.ID, last.State, last.Invoice}, []any{j.id, record.OutcomeIssued, want})
}

func TestATriggerIsToldItsInvoice(t *testing.T) {
	t.Parallel()
	for name, days := range map[string]*int{"at once": new(0), "after three days": new(3), "on a day that is not known": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.h.fetches = true
			staged := 3
			if days != nil {
				staged = *days
			}
			w.delayed(staged)
			trigger := w.job(&tasks.B2CTriggerIssue{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "RT1", DelayDay: days})
			if v := w.once(trigger); v.Action != Done {
				t.Fatalf("the trigger is %s", v.Action)
			}
			equal(t, "outcomes after the trigger", states(w.feed()), []string{"done"})
			q, due, ok := w.question()
			if !ok {
				t.Fatal("no question follows")
			}
			w.advance(due.Sub(w.clock()) + time.Second)
			if v, _ := w.toEnd(q); v.Action != Done || v.Kind != ecpay.OK {
				t.Fatalf("the question ends %s, %s: %s", v.Action, v.Kind, v.Text().En)
			}
			equal(t, "outcomes", states(w.feed()), []string{"done", "issued"})
			w.knows(trigger, "RT1")
			if v := w.once(q); v.Action != Done {
				t.Errorf("a second run of the question is %s", v.Action)
			}
			equal(t, "outcomes after a second run", states(w.feed()), []string{"done", "issued"})
		})
	}
}

// A write whose answer, or a question about it, shows the invoice needs no other question.
func TestAWriteThatIsAnsweredWithItsInvoiceTellsItWithItsEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"issue", "B2B issue", "B2C reissue", "B2B reissue"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.h.fetches = true
			c := samples.Named(name)
			at := samples.At{Subject: c.Subject("T", 1), RelateNumber: "R1", Date: w.clock().In(ecpay.Taipei).Format(time.DateOnly)}
			if err := c.Stage(w.fake, at); err != nil {
				t.Fatal(err)
			}
			j := w.job(c.Payload(at))
			if v := w.once(j); v.Action != Done {
				t.Fatalf("it is %s, %s: %s", v.Action, v.Kind, v.Text().En)
			}
			feed := w.feed()
			equal(t, "outcomes", states(feed), []string{"done", "issued"})
			equal(t, "the invoice of the record", w.record(j).Invoice, feed[len(feed)-1].Invoice)
			if i := w.record(j).Invoice; i == nil || i.Date != at.Date {
				t.Errorf("the invoice is %+v, want one of %s", i, at.Date)
			}
			if _, _, ok := w.question(); ok {
				t.Error("a question follows")
			}
		})
	}
}

// The answer to B2B Issue has no date. Near midnight ECPay is asked for it.
func TestAnInvoiceWithoutADateIsOfTheDayOnWhichECPayShowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.advance(time.Date(2026, 11, 22, 23, 59, 50, 0, ecpay.Taipei).Sub(w.clock()))
	c := samples.Named("B2B issue")
	at := samples.At{Subject: c.Subject("T", 1)}
	j := w.job(c.Payload(at))
	if v := w.once(j); v.Action != Done {
		t.Fatalf("it is %s", v.Action)
	}
	if i := w.record(j).Invoice; i == nil || i.Date != "2026-11-22" {
		t.Errorf("the invoice is %+v", i)
	}
	asked := 0
	for _, call := range w.fake.Calls() {
		if call.Operation == "GetIssue" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("ECPay was asked %d times", asked)
	}
}

// A trigger whose answer was lost, and of which nobody knows when it is issued, is dead. The question that
// is stored with its death finds the invoice, and has the task run again, which asks and is done.
func TestAnUnansweredTriggerIsSettledByItsInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.fetches = true
	w.delayed(3)
	w.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	trigger := w.job(&tasks.B2CTriggerIssue{MerchantID: testMerchant, Tsr: "T1", RelateNumber: "RT1"})
	if v, _ := w.toEnd(trigger); v.Action != Dead || v.Kind != ecpay.Ambiguous {
		t.Fatalf("the trigger is %s, %s", v.Action, v.Kind)
	}
	q, due, ok := w.question()
	if !ok {
		t.Fatal("no question follows")
	}
	w.advance(due.Sub(w.clock()) + time.Second)
	if v, n := w.toEnd(q); v.Action != Done || n < 2 {
		t.Fatalf("the question ends %s after %d attempts: %s", v.Action, n, v.Text().En)
	}
	if v := w.once(trigger); v.Action != Done || v.Kind != ecpay.AlreadyDone {
		t.Fatalf("the trigger, run again, is %s, %s", v.Action, v.Kind)
	}
	equal(t, "outcomes", states(w.feed()), []string{"dead", "done", "issued"})
	w.knows(trigger, "RT1")
	sent := 0
	for _, call := range w.fake.Calls() {
		if call.Operation == "TriggerIssue" {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("it was sent %d times", sent)
	}
}

// What undoes the invoice, and what a person stopped, needs no number, and no letter for want of one.
func TestAQuestionOfATaskThatIsUndoneEndsInSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.finishTTL = 1080 * time.Hour
	_, q, due := w.triggered(3)
	w.advance(24 * time.Hour)
	if v := w.once(w.job(&tasks.B2CCancelDelayIssue{MerchantID: testMerchant, Tsr: "T1"})); v.Action != Done {
		t.Fatalf("the cancel is %s, %s", v.Action, v.Text().En)
	}
	w.advance(due.Sub(w.clock()) + time.Second)
	calls := len(w.fake.Calls())
	if v := w.once(q); v.Action != Done {
		t.Errorf("the question is %s, %s", v.Action, v.Text().En)
	}
	if n := len(w.fake.Calls()) - calls; n != 0 {
		t.Errorf("ECPay is asked %d times", n)
	}
	equal(t, "outcomes", states(w.feed()), []string{"done", "done"})
}

// An invoice that never comes is somebody's trouble: the trigger stays done, and the question is a letter.
func TestAQuestionForAnInvoiceThatNeverComesDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trigger, q, _ := w.triggered(0)
	w.fake.Inject(ecpaytest.Match{Operation: "GetIssue"}, ecpaytest.Fault{RtnCode: ecpaytest.CodeNoData, Times: -1})
	began := w.clock()
	v, n := w.toEnd(q)
	if v.Action != Dead || v.Kind != ecpay.NotFound || v.Reason != reasonNeverIssued {
		t.Errorf("the question ends %s, %s: %s", v.Action, v.Kind, v.Text().En)
	}
	if took := w.clock().Sub(began); took < 72*time.Hour || took > 84*time.Hour || n > 30 {
		t.Errorf("it asked %d times in %s", n, took)
	}
	equal(t, "outcomes", states(w.feed()), []string{"done", "dead"})
	if r := w.record(trigger); r.State != record.Done {
		t.Errorf("the trigger is %s", r.State)
	}
}

// A task that is done does not wait for what only tells its number.
func TestATriggerIsDoneWhereNoQuestionCanBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.fetches = true
	closed := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = closed.Close() })
	client, err := enqueue.New(enqueue.Config{Redis: closed, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.h.follower.client = client
	c := samples.Named("trigger at once")
	at := samples.At{Subject: "T1"}
	if err := c.Stage(w.fake, at); err != nil {
		t.Fatal(err)
	}
	if v := w.once(w.job(c.Payload(at))); v.Action != Done {
		t.Errorf("it is %s, %s", v.Action, v.Text().En)
	}
	equal(t, "outcomes", states(w.feed()), []string{"done"})
}

// A callback may have a question asked before its time, which then waits for its time again.
func TestAQuestionThatIsAskedBeforeItsTimeWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, q, due := w.triggered(3)
	w.advance(time.Hour)
	v := w.once(q)
	if v.Action != Hold || v.Delay != due.Sub(w.clock()) {
		t.Errorf("it is %s for %s, want held until %s", v.Action, v.Delay, due)
	}
}
