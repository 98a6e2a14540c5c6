package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// tour shows every workflow once, on the real parts, and judges each by what
// ECPay would have seen.
type tour struct {
	*stack
	p *printer
}

// step is one workflow. want is how it should end.
type step struct {
	title, zh string
	// why says what the shop wants, for a newcomer.
	why string
	// command is what one would type.
	command string
	payload tasks.Payload
	want    want
	// before prepares ECPay, after goes on once the task has ended.
	before, after func(context.Context, *tour) error
}

// want is how a step should end.
type want struct {
	state    string
	kind     ecpay.Kind
	attempts int
	effect   string // at ECPay, exactly once; "" for none
	stamps   int    // how many different timestamps ECPay saw; 0 for any
}

// result is one line of the table.
type result struct {
	Step     string `json:"step"`
	StepZhTW string `json:"step_zh_tw"`
	TaskID   string `json:"task_id"`
	State    string `json:"state"`
	Kind     string `json:"kind"`
	Attempts int    `json:"attempts"`
	RtnCode  int64  `json:"rtn_code"`
	RtnMsg   string `json:"rtn_msg"`
	Effects  string `json:"effects"`
	OldestMs int64  `json:"oldest_timestamp_ms"`
	OK       bool   `json:"ok"`
	Problem  string `json:"problem,omitempty"`
}

const (
	merchantID  = ecpaytest.StageMerchantID
	invoiceDate = "2026-11-02"
	allowanceNo = "2611021702402030"
)

func (t *tour) run(ctx context.Context) ([]result, error) {
	t.p.welcome(t.stack)
	if err := t.stage(ctx); err != nil {
		return nil, fmt.Errorf("stage invoices: %w", err)
	}
	steps := steps()
	var results []result
	for i, s := range steps {
		t.p.step(i+1, len(steps), s)
		r, err := t.walk(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.title, err)
		}
		t.p.outcome(r)
		results = append(results, r)
	}
	return results, nil
}

// stage does what a shop's checkout does: DelayIssue by ECPay's API. B2B
// invoices and allowances exist at ECPay already.
func (t *tour) stage(ctx context.Context) error {
	for tsr, days := range map[string]int{"TOUR0001": 0, "TOUR0002": 3, "TOUR0003": 0, "TOUR0004": 0, "TOUR0005": 0} {
		_, err := t.ecpay.B2CDelayIssue(ctx, t.merchant, &ecpay.B2CDelayIssueRequest{
			B2CInvoice: ecpay.B2CInvoice{
				MerchantID: merchantID, RelateNumber: tsr, CustomerEmail: "buyer@example.com", Print: "0", Donation: "0",
				TaxType: "1", SalesAmount: 100, InvType: "07", Vat: "1",
				Items: []ecpay.B2CInvoiceItem{
					{ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "件", ItemPrice: "100", ItemTaxType: "1", ItemAmount: "100"},
				},
			},
			Tsr: tsr, DelayFlag: ecpay.DelayTriggered, DelayDay: days,
		})
		if err != nil {
			return err
		}
	}
	for _, number := range []string{"VG11000001", "VG11000002"} {
		if err := t.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}); err != nil {
			return err
		}
	}
	return t.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: allowanceNo, ConfirmDate: "2026-11-05"})
}

// walk carries out one step.
func (t *tour) walk(ctx context.Context, s step) (result, error) {
	if s.before != nil {
		if err := s.before(ctx, t); err != nil {
			return result{}, err
		}
	}
	from := len(t.fake.Calls())
	receipt, err := t.client.Enqueue(ctx, s.payload)
	if err != nil {
		return result{}, err
	}
	t.p.receipt(s.command, receipt)
	task, err := t.wait(ctx, receipt.ID, "")
	if err != nil {
		return result{}, err
	}
	if s.after != nil {
		t.p.died(task)
		lastAt := task.LastAt
		if err := s.after(ctx, t); err != nil {
			return result{}, err
		}
		if task, err = t.wait(ctx, receipt.ID, fmt.Sprint(lastAt)); err != nil {
			return result{}, err
		}
	}
	return t.judge(s, task, from), nil
}

const stepTimeout = 45 * time.Second

// wait polls until the task has ended with an attempt later than the one given.
func (t *tour) wait(ctx context.Context, id, after string) (record.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	for {
		task, err := t.client.Task(ctx, id)
		if err == nil && task.Ended() && fmt.Sprint(task.LastAt) != after {
			return task, nil
		}
		if err != nil && !errors.Is(err, enqueue.ErrRedis) {
			return task, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return task, fmt.Errorf("task %s is still %s: %w", id, task.State, ctx.Err())
		}
	}
}

// judge compares how the step ended with how it should have, by ECPay's ledger.
func (t *tour) judge(s step, task record.Task, from int) result {
	r := result{
		Step: s.title, StepZhTW: s.zh, TaskID: task.ID, State: task.State, Attempts: task.Attempts,
		RtnCode: task.RtnCode, RtnMsg: task.RtnMsg,
	}
	if task.Kind != nil {
		r.Kind = task.Kind.String()
	}
	subject := subjectOf(s.payload)
	var effects []string
	for _, e := range t.fake.EffectsOn(merchantID, subject) {
		if e.CallSeq > from {
			effects = append(effects, e.Name)
		}
	}
	r.Effects = strings.Join(effects, ", ")
	stamps := map[int64]bool{}
	for _, c := range t.fake.Calls()[from:] {
		r.OldestMs = max(r.OldestMs, c.At.Sub(time.Unix(c.Timestamp, 0)).Milliseconds())
		t.p.call(c)
		if c.Category+" "+c.Operation == s.payload.Request().Operation().String() {
			stamps[c.Timestamp] = true
		}
	}
	var problems []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	check(r.State == s.want.state, "state is %s, want %s", r.State, s.want.state)
	check(r.Kind == s.want.kind.String(), "kind is %s, want %s", r.Kind, s.want.kind)
	check(r.Effects == s.want.effect, "effects at ECPay are %q, want %q", r.Effects, s.want.effect)
	check(s.want.attempts == 0 || r.Attempts == s.want.attempts, "%d attempts, want %d", r.Attempts, s.want.attempts)
	check(s.want.stamps == 0 || len(stamps) == s.want.stamps, "%d different timestamps, want %d", len(stamps), s.want.stamps)
	check(r.OldestMs < 2000, "a timestamp was %d ms old on arrival", r.OldestMs)
	r.Problem = strings.Join(problems, "; ")
	r.OK = len(problems) == 0
	return r
}

// subjectOf is the number by which ECPay knows what a task is about: the first of its id
// after type and merchant.
func subjectOf(p tasks.Payload) string { return strings.Split(tasks.ID(p), ".")[3] }

// runAgain presses Run on the dashboard, by its own API.
func (t *tour) runAgain(ctx context.Context, p tasks.Payload) error {
	path := "asynq/api/queues/" + tasks.TypeOf(p).Queue + "/archived_tasks/" + tasks.ID(p) + ":run"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.dashboard.URL()+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
	t.p.say("  POST /" + path + " -> " + resp.Status)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("dashboard: %s", resp.Status)
	}
	return nil
}

func failures(results []result) int {
	n := 0
	for _, r := range results {
		if !r.OK {
			n++
		}
	}
	return n
}
