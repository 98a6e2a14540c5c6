package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
)

// hostile lists answers that tell nothing. trap is where redirects lead.
func hostile(trap string) []ecpaytest.Fault {
	return []ecpaytest.Fault{
		{Name: "oversized", Huge: 2 << 20},
		{Name: "garbage", Garbage: true},
		{Name: "redirect", Redirect: trap + "/B2CInvoice/TriggerIssue", HTTPStatus: http.StatusTemporaryRedirect},
		{Name: "unreadable Data", UnreadableData: true},
		{Name: "Data of another key", WrongKey: true},
		{Name: "Data null", NullData: true},
		{Name: "HTML with HTTP 500", HTTPStatus: http.StatusInternalServerError},
		{Name: "HTML with HTTP 200", Body: "<html>maintenance</html>"},
		{Name: "dropped", Drop: true},
	}
}

func TestAHostileAnswerToAQuestionIsAskedAgain(t *testing.T) {
	t.Parallel()
	var followed atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(trap.Close)
	b := newBench(t, nil)
	ids := map[string]string{}
	faults := append(hostile(trap.URL), ecpaytest.Fault{Name: "cut short", Truncate: true})
	for i, f := range faults {
		number := fmt.Sprintf("26030100000001%02d", i)
		b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: number}))
		b.fake.Inject(ecpaytest.Match{Subject: number}, f)
		ids[number] = b.enqueue("get-allowance-confirm", "--allowance-no", number).ID
	}
	b.worker()
	for i, f := range faults {
		number := fmt.Sprintf("26030100000001%02d", i)
		got := b.waitFor(ids[number], "completed")
		if calls := b.callsOn(number); got.Attempts != 2 || len(calls) != 2 || calls[0].Fault != f.Name {
			t.Errorf("%s: got %d attempts and %d calls, want 2 and 2", f.Name, got.Attempts, len(calls))
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed, want none", n)
	}
	b.wantFresh()
}

func TestAHostileAnswerToAWriteIsNeverRepeatedBlindly(t *testing.T) {
	t.Parallel()
	var followed atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(trap.Close)
	// A short fence, so that a write that shows no effect is sent again soon, and no pace: they are hundreds.
	b := newBench(t, env{"ECPAYQ_FENCE": "1s", "ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_MERCHANT_IN_FLIGHT": "100"})

	type row struct {
		name   string
		write  samples.Case
		at     samples.At
		id     string
		landed bool
	}
	var rows []row
	for kind, c := range samples.Writes(samples.Usual()) {
		for i, f := range hostile(trap.URL) {
			for _, landed := range []bool{false, true} {
				f.AfterEffect = landed
				n, when := 2*i, "before its effect"
				if landed {
					n, when = 2*i+1, "after its effect"
				}
				subject := c.Subject("HOSTILE", 100*kind+n)
				at := samples.At{Subject: subject, RelateNumber: "R" + subject, Date: invoiceDate}
				b.must(c.Stage(b.fake, at))
				b.fake.Inject(ecpaytest.Match{Operation: c.Row().Operation.String(), Subject: subject}, f)
				r := b.enqueue(c.Args(at, b.TempDir)...)
				rows = append(rows, row{c.Name + ", " + f.Name + " " + when, c, at, r.ID, landed})
			}
		}
	}
	b.worker()
	for _, row := range rows {
		questions, operation, resendable := row.write.Questions(), row.write.Row().Operation.Name, row.write.Row().SendUnasked
		var want []string
		if row.write.Looks() {
			want = questions[:1] // what is there before
		}
		state, kind, effects := "completed", "AlreadyDone", []string{row.write.Effect}
		switch {
		case len(questions) == 0: // and nobody can tell
			state, kind, want = "dead", "Ambiguous", append(want, operation)
			if !row.landed {
				effects = nil
			}
		case resendable && row.landed:
			// A second cancel changes nothing; the question then tells that it is not issued.
			want = slices.Concat(want, []string{operation, operation}, questions)
		case resendable:
			kind, want = "OK", append(want, operation, operation)
		case row.landed:
			want = slices.Concat(want, []string{operation}, questions)
		default: // asked once or, while it might still land, more often; then sent again
			kind, want = "OK", append(slices.Clone(want), operation, "asked", operation)
		}
		got := b.waitFor(row.id, state)
		b.wantEffects(row.at.Subject, effects...)
		calls := story(b.fake.Calls(), row.at.Subject, row.at.RelateNumber)
		if !row.landed && !resendable {
			calls = questioned(calls, operation)
		}
		if diff := cmp.Diff(want, calls); diff != "" || got.Kind != kind {
			t.Errorf("%s: got kind %s, want %s; calls (-want +got):\n%s", row.name, got.Kind, kind, diff)
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed, want none", n)
	}
	b.wantFresh()
}

// questioned has one "asked" in the place of the questions of a story between its first write and its last.
func questioned(story []string, operation string) (told []string) {
	sent := false
	for _, name := range story {
		if sent = sent || name == operation; sent && name != operation {
			name = "asked"
		}
		if name != "asked" || told[len(told)-1] != "asked" {
			told = append(told, name)
		}
	}
	return told
}

// story names the calls on any of the subjects, in order of arrival.
func story(calls []ecpaytest.Call, subjects ...string) []string {
	names := []string{}
	for _, c := range calls {
		if slices.Contains(subjects, c.Subject) {
			names = append(names, c.Operation)
		}
	}
	return names
}

func TestAWriteThatNobodyCanAskAboutIsSentOnceAndThenLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_FENCE": "1s"})
	rows := []struct {
		name, args, subject string
		days                int
		fault               ecpaytest.Fault
		effects             []string
	}{
		{"trigger without a RelateNumber, after its effect", "trigger-issue --tsr BLIND1 --delay-day 0",
			"BLIND1", 0, ecpaytest.Fault{Garbage: true, AfterEffect: true}, []string{"issued"}},
		{"trigger without a RelateNumber, before its effect",
			"trigger-issue --tsr BLIND2 --delay-day 0", "BLIND2", 0, ecpaytest.Fault{Drop: true}, nil},
		{"trigger whose delay is not known", "trigger-issue --tsr BLIND3 --relate-number RBLIND3",
			"BLIND3", 7, ecpaytest.Fault{Drop: true, AfterEffect: true}, []string{"scheduled"}},
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: row.subject, RelateNumber: "R" + row.subject, DelayDay: row.days}))
		b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue", Subject: row.subject}, row.fault)
		ids[i] = b.enqueue(strings.Fields(row.args)...).ID
	}
	b.worker()
	for i, row := range rows {
		got := b.waitFor(ids[i], "dead")
		if got.Kind != "Ambiguous" || !strings.Contains(got.ReasonZh, "結果不明") {
			t.Errorf("%s: got kind %s and reason %q, want Ambiguous and what to look at", row.name, got.Kind, got.Reason)
		}
		b.wantEffects(row.subject, row.effects...)
		if diff := cmp.Diff([]string{"TriggerIssue"}, b.operations(row.subject)); diff != "" {
			t.Errorf("%s: writes (-want +got):\n%s", row.name, diff)
		}
	}
}

// A write can land after its connection was lost, and after the first question
// about it.
func TestAWriteThatLandsAfterItWasAskedAboutIsNotRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_FENCE": "6s"})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "LATE1", RelateNumber: "RLATE1"}))
	b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{EffectAfter: 4 * time.Second})
	b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "LATE1", "--relate-number", "RLATE1", "--delay-day", "0")
	held := b.await(r.ID, "held")
	if held.Kind != "Ambiguous" || !strings.Contains(held.ReasonZh, "可能生效") {
		t.Errorf("got kind %s and reason %q while it may still land, want Ambiguous and so", held.Kind, held.Reason)
	}
	if got := b.waitFor(r.ID, "completed"); got.Kind != "AlreadyDone" {
		t.Errorf("got kind %s, want AlreadyDone", got.Kind)
	}
	b.wantEffects("LATE1", "issued")
	if calls := slices.Compact(story(b.fake.Calls(), "LATE1", "RLATE1")); !slices.Equal(calls, []string{"TriggerIssue", "GetIssue"}) {
		t.Errorf("got calls %q, want one write and questions", calls)
	}
}

func TestABanHoldsTheTaskAndSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_BAN_PAUSE": "2s"})
	rows := []struct {
		name, tsr string
		fault     ecpaytest.Fault
		pause     time.Duration
	}{
		{"403", "BAN1", ecpaytest.Fault{HTTPStatus: http.StatusForbidden}, 2 * time.Second},
		{"429 with Retry-After", "BAN2",
			ecpaytest.Fault{HTTPStatus: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}}, 3 * time.Second},
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: row.tsr}))
		b.fake.Inject(ecpaytest.Match{Subject: row.tsr}, row.fault)
		ids[i] = b.enqueue("trigger-issue", "--tsr", row.tsr).ID
	}
	b.worker()
	for i, row := range rows {
		if got := b.waitFor(ids[i], "completed"); got.Attempts != 1 {
			t.Errorf("%s: got %d attempts, want 1: a ban spends none", row.name, got.Attempts)
		}
		b.wantEffects(row.tsr, "issued")
		calls := b.callsOn(row.tsr)
		if len(calls) != 2 {
			t.Errorf("%s: got %d calls, want 2", row.name, len(calls))
			continue
		}
		// asynq counts whole seconds.
		if waited := calls[1].At.Sub(calls[0].At); waited < row.pause-time.Second {
			t.Errorf("%s: the next call came after %s, want %s", row.name, waited, row.pause)
		}
	}
}

func TestATaskWaitsOutAnECPayThatIsAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	addr := freeAddr(t)
	b.set(env{"ECPAYQ_ECPAY_URL": "http://" + addr})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "AWAY1"}))
	w := b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "AWAY1")
	got := b.await(r.ID, "retry")
	if got.Kind != "Unavailable" || !strings.Contains(got.Reason, "refused") {
		t.Errorf("got kind %s and reason %q, want Unavailable and that the connection was refused", got.Kind, got.Reason)
	}
	if status, _ := w.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: got status %d while ECPay is away, want 200: that must not block a deployment", status)
	}
	late := httptest.NewUnstartedServer(b.bodies)
	late.Listener.Close()
	late.Listener = listenAt(t, addr)
	late.Start()
	t.Cleanup(late.Close)
	b.waitFor(r.ID, "completed")
	b.wantEffects("AWAY1", "issued")
	b.wantFresh()
}
