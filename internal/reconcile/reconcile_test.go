package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

const merchantID = "2000132"

var day = time.Date(2026, 11, 29, 0, 0, 0, 0, ecpay.Taipei)

// bench is a Redis with outcomes of a merchant, and ECPay's list.
type bench struct {
	*testing.T
	rdb  *redis.Client
	url  string
	keys *seal.Ring
	seq  int64
	ms   int64
	list []ecpay.B2CIssued
	// grows is how many invoices are issued after each page.
	grows int
	// claims, if it is not 0, is the TotalCount instead of the true one.
	claims  int
	refusal error
	asked   int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := redistest.New(t, redistest.Options{AppendFsync: "no"})
	return &bench{T: t, rdb: s.Client(), url: s.URL()}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// ends appends an outcome, as the script that ends tasks does.
func (b *bench) ends(id, state, kind string, at time.Time, answer string) {
	b.Helper()
	b.seq++
	since := at.UnixMilli() - b.ms
	b.ms = at.UnixMilli()
	b.must(b.rdb.XAdd(b.Context(), &redis.XAddArgs{
		Stream: record.OwnerOutcomesKey(merchantID), ID: fmt.Sprintf("%d-%d", b.ms, b.seq),
		Values: []any{"id", id, "state", state, "kind", kind, "rtn_code", "", "rtn_msg", "", "reason", "", "reason_zh", "",
			"result", answer, "since", since, "off", 0},
	}).Err())
}

// lists puts an invoice at the head of ECPay's list.
func (b *bench) lists(number, relate string, voided bool) {
	i := ecpay.B2CIssued{
		IIS_Number: ecpay.Text(number), IIS_Relate_Number: ecpay.Text(relate), IIS_Create_Date: "2026-11-29 12:00:00",
		IIS_Invalid_Status: "0", IIS_Upload_Status: "1", IIS_Turnkey_Status: "C",
	}
	if voided {
		i.IIS_Invalid_Status = "1"
	}
	b.list = slices.Insert(b.list, 0, i)
}

func (b *bench) ask(_ context.Context, q ecpay.Request) (ecpay.Response, error) {
	b.asked++
	r := q.(*ecpay.B2CGetIssueListRequest)
	if b.refusal != nil {
		return nil, b.refusal
	}
	total := len(b.list)
	if b.claims > 0 {
		total = b.claims
	}
	from, to := min((r.ShowingPage-1)*r.NumPerPage, len(b.list)), min(r.ShowingPage*r.NumPerPage, len(b.list))
	answer := &ecpay.B2CGetIssueListResponse{
		TotalCount:  ecpay.Code(total),
		InvoiceData: ecpay.Nested[[]ecpay.B2CIssued]{Present: true, Value: slices.Clone(b.list[from:to])},
	}
	for range b.grows {
		b.lists(fmt.Sprintf("ZZ%08d", len(b.list)), fmt.Sprintf("NEW%d", len(b.list)), false)
	}
	return answer, nil
}

func (b *bench) compare(pageSize int) (reconcile.Result, error) {
	cfg := reconcile.Config{Reader: record.NewReader(b.rdb), Ask: b.ask, PageSize: pageSize, PayloadKeys: b.keys}
	return reconcile.Day(b.Context(), cfg, merchantID, day, false)
}

// found is what is found, by kind, number and task.
func (b *bench) found() []string {
	b.Helper()
	r, err := b.compare(0)
	b.must(err)
	all := []string{}
	for _, f := range r.Findings {
		all = append(all, strings.Join([]string{string(f.Kind), f.InvoiceNumber, f.TaskID}, " "))
	}
	return all
}

func (b *bench) want(all ...string) {
	b.Helper()
	if diff := cmp.Diff(append([]string{}, all...), b.found()); diff != "" {
		b.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestWhatTheFeedHasForgottenIsKnownByMarksOrNotJudged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := func(name, subject string) string { return "b2c." + name + "." + merchantID + "." + subject }
	b.seq = 41 // what was before is not kept any more
	b.ends(id("trigger_issue", "LATE"), "done", "OK", day.Add(20*time.Hour), `{"RtnCode":4000004}`)
	b.lists("AA00000001", "order-a", false) // issued in the morning, before the feed begins
	b.lists("AA00000002", "STRANGE", false)
	b.lists("AA00000003", "LATE", false)
	b.lists("AA00000004", "DEAD", false)
	b.lists("AA00000005", "TSR", true)
	b.lists("AA00000006", "BEGUN", true)
	ctx := t.Context()
	for _, done := range []string{id("issue", "ORDER-A"), id("delay_issue", "TSR"), id("invalid", "AA00000005.2026-11-29")} {
		b.must(b.rdb.Set(ctx, record.DoneKey(done), "1", 0).Err())
	}
	b.must(b.rdb.HSet(ctx, record.TaskKey(id("issue", "DEAD")), record.FieldState, "dead", record.FieldAttempts, 3,
		record.FieldKind, "Ambiguous", record.FieldType, "b2c:issue", record.FieldPayload, "{}", record.FieldDied, day.UnixMilli()).Err())
	begun := id("issue", "BEGUN")
	b.must(b.rdb.HSet(ctx, record.TaskKey(begun), record.FieldState, "retry", record.FieldAttempts, 1).Err())
	b.want(
		"unexpected AA00000004 "+id("issue", "DEAD"),
		"voided_elsewhere AA00000006 "+begun,
		"not_judged  ", "not_judged AA00000002 ",
	)
}

func TestAnOrderInASealedPayloadIsComparedByWhoHasTheKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	keys := samples.PayloadKeys()
	queue, err := enqueue.New(enqueue.Config{RedisURL: b.url, PayloadKeys: keys})
	b.must(err)
	defer queue.Close()
	p := samples.Named("delay").Payload(samples.At{MerchantID: merchantID, Subject: "SEALED1"})
	r, err := queue.Enqueue(t.Context(), p)
	b.must(err)
	b.ends(r.ID, "done", "OK", day.Add(12*time.Hour), `{"RtnCode":1}`)
	b.lists("AA00000001", p.(*tasks.B2CDelayIssue).RelateNumber, false)
	if got := b.found(); len(got) == 0 {
		t.Error("without the key: nothing is found, want an invoice of which nothing is known")
	}
	b.keys = keys
	if got := b.found(); len(got) != 0 {
		t.Errorf("with the key: got %q, want nothing", got)
	}
}

func TestWhatAPersonWithdrewDidNotIssueAnything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.lists("AA00000001", "ORDER1", false)
	withdrawn := record.TaskKey("b2c.issue." + merchantID + ".ORDER1")
	b.must(b.rdb.HSet(t.Context(), withdrawn, record.FieldState, "done", record.FieldKind, "Stopped").Err())
	b.want("unexpected AA00000001 ")
}

func TestManyOutcomesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for n := range 2*record.MaxOutcomes + 7 {
		b.ends(fmt.Sprintf("b2c.issue.%s.R%d", merchantID, n), "done", "OK", day.Add(12*time.Hour+time.Duration(n)*time.Millisecond),
			fmt.Sprintf(`{"RtnCode":1,"InvoiceNo":"AA%08d","InvoiceDate":"2026-11-29 12:00:00"}`, n))
		b.lists(fmt.Sprintf("AA%08d", n), fmt.Sprintf("r%d", n), false)
	}
	b.want()
	missing := b.list[3]
	b.list = slices.Delete(b.list, 3, 4)
	b.want(fmt.Sprintf("missing %s b2c.issue.%s.%s", missing.IIS_Number, merchantID, strings.ToUpper(string(missing.IIS_Relate_Number))))
}

func TestAListIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	refuse := func(kind ecpay.Kind, trans int, code int64) func(*bench) {
		return func(b *bench) { b.refusal = &ecpay.Error{Kind: kind, TransCode: trans, RtnCode: code} }
	}
	for name, row := range map[string]struct {
		change    func(*bench)
		invoices  int
		err       error
		questions int
	}{
		"an empty one":                     {func(b *bench) { b.list = nil }, 0, nil, 1},
		"nothing found, by code 2":         {refuse(ecpay.Unknown, 1, 2), 0, nil, 1},
		"nothing found, by code 7":         {refuse(ecpay.NotFound, 1, 7), 0, nil, 1},
		"three pages":                      {func(*bench) {}, 5, nil, 3},
		"one that grows":                   {func(b *bench) { b.grows = 1 }, 0, nil, 0},
		"fewer than ECPay says there are":  {func(b *bench) { b.claims = 9 }, 0, reconcile.ErrIncomplete, 4},
		"a refusal, which is not an empty": {refuse(ecpay.Denied, 110, 0), 0, &ecpay.Error{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t}
			for n := range 5 {
				b.lists(fmt.Sprintf("AA%08d", n), fmt.Sprintf("R%d", n), false)
			}
			row.change(b)
			all, err := reconcile.List(t.Context(), b.ask, merchantID, day, 2)
			var refusal *ecpay.Error
			switch {
			case row.err == nil && err != nil, errors.Is(row.err, reconcile.ErrIncomplete) && !errors.Is(err, row.err),
				errors.As(row.err, &refusal) && !errors.As(err, &refusal):
				t.Fatalf("got error %v, want %v", err, row.err)
			case b.grows > 0: // all that were there when it began, each once
				seen := map[string]int{}
				for _, i := range all {
					seen[i.Number]++
				}
				for n := range 5 {
					if number := fmt.Sprintf("AA%08d", n); seen[number] != 1 {
						t.Errorf("%s is there %d times", number, seen[number])
					}
				}
			case len(all) != row.invoices || b.asked != row.questions:
				t.Errorf("got %d invoices by %d questions, want %d by %d", len(all), b.asked, row.invoices, row.questions)
			}
		})
	}
}

func TestOutcomesThatAnotherProgramWroteAreAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.must(b.rdb.Set(t.Context(), record.OwnerOutcomesKey(merchantID), "no stream", 0).Err())
	if _, err := b.compare(0); !errors.Is(err, reconcile.ErrForeign) {
		t.Errorf("got error %v, want ErrForeign", err)
	}
}
