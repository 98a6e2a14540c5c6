package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// The number reaches the shop by each way: with the end of what ECPay answers with it, by a question of a
// worker's for what it does not, and by the word of the shop's own question.
func TestTheNumberOfAnInvoiceReachesTheShop(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_FETCH_INVOICE": "", "ECPAYQ_MERCHANT_INTERVAL": "0s"}) // on by default
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "NUM1", RelateNumber: "ORDER1"}))
	trigger := b.enqueue("trigger-issue", "--tsr", "NUM1", "--relate-number", "ORDER1", "--delay-day", "0").ID
	c := samples.Named("issue")
	at := samples.At{Subject: "ORDER2"}
	issue := b.enqueue(c.Args(at, t.TempDir)...).ID
	// The shop's own question waits for an invoice that is not there yet.
	question := b.enqueue("b2c-get-issue", "--relate-number", "ORDER3", "--days", "1").ID
	b.worker()
	b.eventually("the question waits", func() bool {
		return strings.Contains(b.run("task", "show", question, "--json").stdout, `"state":"held"`)
	})

	for _, id := range []string{trigger, issue} {
		var shown struct {
			Invoice *tasks.Invoice
			ecpay.Deadlines
		}
		b.eventually(id+" has its number", func() bool {
			b.must(json.Unmarshal([]byte(b.run("task", "show", id, "--json").stdout), &shown))
			return shown.Invoice != nil
		})
		var told []outcome
		for _, o := range parseOutcomes(t, b.run("outcomes").stdout) {
			if o.ID == id {
				told = append(told, o)
			}
		}
		if len(told) != 2 || told[0].State != "done" || told[1].State != "issued" || told[1].Invoice == nil ||
			*told[1].Invoice != *shown.Invoice {
			t.Errorf("%s has the outcomes %+v, want done and issued with %+v", id, told, shown.Invoice)
		}
		day := func(ago time.Duration) string { return time.Now().Add(-ago).In(ecpay.Taipei).Format(time.DateOnly) }
		if d := shown.Invoice.Date; d != day(0) && d != day(time.Hour) {
			t.Errorf("%s is of %s", id, d)
		}
		issued, err := time.ParseInLocation(time.DateOnly, shown.Invoice.Date, ecpay.Taipei)
		if diff := cmp.Diff(ecpay.DeadlinesOf(ecpay.B2C, issued, false, false), shown.Deadlines); err != nil || diff != "" {
			t.Errorf("%s: %v, deadlines (-want +got):\n%s", id, err, diff)
		}
		if table := b.run("task", "show", id, "--json=false").stdout; !strings.Contains(table, shown.Invoice.Number) {
			t.Errorf("no number in\n%s", table)
		}
	}
	if n := len(parseOutcomes(t, b.run("outcomes").stdout)); n != 4 {
		t.Errorf("%d outcomes, want two of each: questions have none of their own", n)
	}
}

// ECPay's callback has a worker ask at once, days before it would.
func TestACallbackBringsTheNumberEarlier(t *testing.T) {
	t.Parallel()
	b := newBenchOf(t, ecpaytest.Config{Callback: func(c ecpaytest.Callback) {
		if err := ecpaytest.PostCallback(t.Context(), c); err != nil {
			t.Error(err)
		}
	}}, env{"ECPAYQ_FETCH_INVOICE": "on", "ECPAYQ_MERCHANT_INTERVAL": "0s"})
	a := b.api(nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{
		Tsr: "CALL1", RelateNumber: "ORDER1", DelayDay: 9, NotifyURL: a.url + "/v1/ecpay/notify/" + merchantID,
	}))
	id := b.enqueue("trigger-issue", "--tsr", "CALL1", "--relate-number", "ORDER1", "--delay-day", "9").ID
	b.worker()
	b.waitFor(id, "completed")
	waits := b.run("task", "show", "b2c.get_issue."+merchantID+".ORDER1.of_task", "--json").stdout
	if !strings.Contains(waits, `"scheduled"`) {
		t.Errorf("the question is %s, want it for later", waits)
	}
	b.fake.Advance(9 * 24 * time.Hour)
	b.eventually("the number is known", func() bool { return b.show(id).Invoice != nil })
}
