package main_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestAnIntentEnqueuedTwiceIsOneTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TWICE1"}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000021", InvoiceDate: invoiceDate}))
	trigger := []string{"trigger-issue", "--tsr", "TWICE1"}
	invalid := []string{"invalid", "--invoice-number", "VG11000021", "--invoice-date", invoiceDate, "--reason", "訂單取消"}
	const dead = "VG11009999" // ECPay does not know it
	lost := []string{"invalid", "--invoice-number", dead, "--invoice-date", invoiceDate, "--reason", "訂單取消"}

	again := func(state string, differs []string, args ...string) {
		t.Helper()
		r := b.run(append([]string{"enqueue"}, args...)...)
		code := 0
		if state == "dead" || len(differs) > 0 {
			code = 3
		}
		if r.code != code {
			t.Fatalf("got exit code %d, want %d\n%s", r.code, code, r.stderr)
		}
		got := oneLine[receipt](t, r.stdout)
		want := receipt{ID: got.ID, Type: got.Type, Queue: got.Queue, State: state, Duplicate: true, Differs: differs}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("second receipt (-want +got):\n%s", diff)
		}
		if !strings.Contains(r.stderr, "enqueued before and is "+state) {
			t.Errorf("got %q on stderr, want it to say that the earlier task is %s", r.stderr, state)
		}
		for _, field := range differs {
			if !strings.Contains(r.stderr, field) {
				t.Errorf("got %q on stderr, want a warning that names %s", r.stderr, field)
			}
		}
	}

	first := b.enqueue(trigger...)
	again("pending", nil, trigger...)
	again("pending", []string{"DelayDay"}, append(trigger, "--delay-day", "0")...)
	again("pending", []string{"RelateNumber", "DelayDay"}, append(trigger, "--delay-day", "3", "--relate-number", "R1")...)
	later := b.enqueue("cancel-delay-issue", "--tsr", "LATER2", "--process-in", "1h")
	again("scheduled", nil, "cancel-delay-issue", "--tsr", "LATER2")
	voided, gone := b.enqueue(invalid...), b.enqueue(lost...)
	again("pending", []string{"Reason", "Remark"}, append(invalid[:len(invalid)-1], "另一原因", "--remark", "X")...)

	b.worker()
	b.waitFor(first.ID, "completed")
	b.waitFor(voided.ID, "completed")
	b.waitFor(gone.ID, "dead")
	again("completed", nil, trigger...)
	again("completed", []string{"DelayDay"}, append(trigger, "--delay-day", "7")...)
	again("dead", nil, lost...)
	again("dead", []string{"Reason"}, append(lost[:len(lost)-1], "另一原因")...)

	b.wantEffects("TWICE1", "issued")
	b.wantEffects("VG11000021", "voided")
	b.wantEffects(dead)
	if diff := cmp.Diff([]string{"TriggerIssue"}, b.operations("TWICE1")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := b.show(later.ID); got.State != "scheduled" || got.NextAt.Before(time.Now().Add(50*time.Minute)) {
		t.Errorf("got state %s and next_at %s, want scheduled in an hour", got.State, got.NextAt)
	}
}

// What was written in another way is the same intent.
func TestWritingTheSameInvoiceInAnotherWayIsTheSameTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.enqueue("invalid-confirm", "--invoice-number", "VG11000022", "--invoice-date", "2019-09-22")
	second := b.enqueue("invalid-confirm", "--invoice-number", " VG11000022", "--invoice-date", "2019/09/22 ")
	if !second.Duplicate || second.ID != first.ID || len(second.Differs) > 0 {
		t.Errorf("got %+v, want a duplicate of %s that does not differ", second, first.ID)
	}
}

// asynq forgets a finished task after its retention, or when a person deletes it
// from the dashboard; the finish marker stays.
func TestAnIntentThatAsynqHasForgottenIsStillADuplicate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "FORGOTTEN1"}))
	b.worker()
	first := b.enqueue("trigger-issue", "--tsr", "FORGOTTEN1")
	b.waitFor(first.ID, "completed")
	b.must(asynq.NewInspectorFromRedisClient(b.redis.Client()).DeleteTask("trigger_issue", first.ID))
	if got := b.show(first.ID); got.State != "completed" || got.RtnCode != 4000004 {
		t.Errorf("task show: got %+v, want completed with its RtnCode", got)
	}

	second := b.enqueue("trigger-issue", "--tsr", "FORGOTTEN1")
	want := receipt{ID: first.ID, Type: first.Type, Queue: first.Queue, State: "completed", Duplicate: true}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("second receipt (-want +got):\n%s", diff)
	}
	b.waitFor(first.ID, "completed")
	b.wantEffects("FORGOTTEN1", "issued")
	if diff := cmp.Diff([]string{"TriggerIssue"}, b.operations("FORGOTTEN1")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestEveryFlagOfAPayloadIsStoredUnderECPaysName(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	rows := []struct{ name, args, payload string }{
		{"trigger", "trigger-issue --merchant-id 2000132 --tsr T1 --pay-type 2 --relate-number R1 --delay-day 0",
			`{"MerchantID":"2000132","Tsr":"T1","PayType":"2","RelateNumber":"R1","DelayDay":0}`},
		{"cancel", "cancel-delay-issue --merchant-id 2000132 --tsr T1 --relate-number R1",
			`{"MerchantID":"2000132","Tsr":"T1","RelateNumber":"R1"}`},
		{"invalid", "invalid --merchant-id 2000132 --invoice-number VG11000023 --invoice-date 2026-03-02 --reason 退貨 --remark 備註",
			`{"MerchantID":"2000132","InvoiceNumber":"VG11000023","InvoiceDate":"2026-03-02","Reason":"退貨","Remark":"備註"}`},
		{"invalid confirm", "invalid-confirm --merchant-id 2000132 --invoice-number VG11000023 --invoice-date 2026-03-02 --remark 備註",
			`{"MerchantID":"2000132","InvoiceNumber":"VG11000023","InvoiceDate":"2026-03-02","Remark":"備註"}`},
		{"query", "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000001",
			`{"MerchantID":"2000132","AllowanceNo":"2603010000000001"}`},
		{"query until confirmed", "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000001 --until-confirmed",
			`{"MerchantID":"2000132","AllowanceNo":"2603010000000001","UntilConfirmed":true}`},
	}
	inspector := asynq.NewInspectorFromRedisClient(b.redis.Client())
	for _, row := range rows {
		r := b.enqueue(strings.Fields(row.args)...)
		if r.Duplicate {
			t.Errorf("%s: got a duplicate", row.name)
		}
		info, err := inspector.GetTaskInfo(r.Queue, r.ID)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if diff := cmp.Diff(compact(json.RawMessage(row.payload)), compact(info.Payload)); diff != "" {
			t.Errorf("%s: stored payload (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestAQuestionAskedUntilConfirmedWaitsWithoutSpendingAttempts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000031"}))
	b.worker()
	r := b.enqueue("get-allowance-confirm", "--allowance-no", "2603010000000031", "--until-confirmed")
	held := b.await(r.ID, "held")
	if held.Attempts != 0 || !strings.Contains(held.ReasonZh, "尚未確認") {
		t.Errorf("got attempts %d and reason %q, want 0 and that it is not confirmed", held.Attempts, held.Reason)
	}
	b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000031", ConfirmDate: "2026-03-04"}))
	b.dashboard().runTask("/asynq", "retry_tasks", r.Queue, r.ID)
	got := b.waitFor(r.ID, "completed")
	if !strings.Contains(string(got.Result), `"ConfirmDate":"2026-03-04"`) {
		t.Errorf("got result %s, want the day of the confirmation", got.Result)
	}
	if diff := cmp.Diff([]string{"GetAllowanceConfirm", "GetAllowanceConfirm"}, b.operations("2603010000000031")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// longReason is one character longer than ECPay takes.
var longReason = strings.Repeat("作", 21)

// invalidInputs are refused before anything is stored.
var invalidInputs = []struct {
	name string
	args []string
	want []string // on the line of the error
	hint string   // on the line of the hint
}{
	{"Tsr too long", []string{"trigger-issue", "--tsr", strings.Repeat("A", 31)}, []string{"Tsr has 31 characters, at most 30"}, "--tsr"},
	{"Tsr missing", []string{"trigger-issue"}, []string{"Tsr is required"}, "--tsr"},
	{"Tsr of spaces", []string{"trigger-issue", "--tsr", "  "}, []string{"Tsr is required"}, "--tsr"},
	{"Tsr with a space in it", []string{"cancel-delay-issue", "--tsr", "A B"}, []string{"Tsr may hold letters, digits"}, "--tsr"},
	{"Tsr in Chinese", []string{"cancel-delay-issue", "--tsr", "訂單1"}, []string{"Tsr may hold letters, digits"}, "--tsr"},
	{"MerchantID too long", []string{"trigger-issue", "--merchant-id", "20001320000", "--tsr", "T"},
		[]string{"MerchantID has 11 characters, at most 10"}, "--merchant-id"},
	{"RelateNumber too long", []string{"trigger-issue", "--tsr", "T", "--relate-number", strings.Repeat("R", 51)},
		[]string{"RelateNumber has 51 characters, at most 50"}, "--relate-number"},
	{"DelayDay too large", []string{"trigger-issue", "--tsr", "T", "--delay-day", "16"},
		[]string{"DelayDay must be 0 to 15 days"}, "--delay-day"},
	{"DelayDay negative", []string{"trigger-issue", "--tsr", "T", "--delay-day=-1"},
		[]string{"DelayDay must be 0 to 15 days"}, "--delay-day"},
	{"DelayDay no number", []string{"trigger-issue", "--tsr", "T", "--delay-day", "two"}, []string{"delay-day"}, "help"},
	{"PayType other than 2", []string{"trigger-issue", "--tsr", "T", "--pay-type", "3"},
		[]string{`PayType must be one of "2"`}, "--pay-type"},
	{"invoice number in lower case", []string{"invalid", "--invoice-number", "vg11000001", "--invoice-date", invoiceDate, "--reason", "x"},
		[]string{"InvoiceNumber must be two capital letters and eight digits"}, "--invoice-number"},
	{"invoice number too long", []string{"invalid-confirm", "--invoice-number", "VG110000011", "--invoice-date", invoiceDate},
		[]string{"InvoiceNumber must be two capital letters and eight digits"}, "--invoice-number"},
	{"a day that is not in the calendar", []string{"invalid-confirm", "--invoice-number", "VG11000001", "--invoice-date", "2026-02-30"},
		[]string{"InvoiceDate must be a calendar day"}, "--invoice-date"},
	{"a year of the Republic of China", []string{"invalid-confirm", "--invoice-number", "VG11000001", "--invoice-date", "0115-03-02"},
		[]string{"InvoiceDate must be in the years 2000 to 2099"}, "--invoice-date"},
	{"a day without leading zeros", []string{"invalid-confirm", "--invoice-number", "VG11000001", "--invoice-date", "2026-3-2"},
		[]string{"InvoiceDate must be a calendar day"}, "--invoice-date"},
	{"a day with its hour", []string{"invalid-confirm", "--invoice-number", "VG11000001", "--invoice-date", "2026-03-02 10:00:00"},
		[]string{"InvoiceDate must be a calendar day"}, "--invoice-date"},
	{"day missing", []string{"invalid-confirm", "--invoice-number", "VG11000001"}, []string{"InvoiceDate is required"}, "--invoice-date"},
	{"reason too long", []string{"invalid", "--invoice-number", "VG11000001", "--invoice-date", invoiceDate, "--reason", longReason},
		[]string{"Reason has 21 characters, at most 20"}, "--reason"},
	{"reason missing", []string{"invalid", "--invoice-number", "VG11000001", "--invoice-date", invoiceDate},
		[]string{"Reason is required"}, "--reason"},
	{"reason like a tag", []string{"invalid", "--invoice-number", "VG11000001", "--invoice-date", invoiceDate, "--reason", "<script>"},
		[]string{"Reason may not hold anything like an HTML tag"}, "--reason"},
	{"reason with a line break", []string{"invalid", "--invoice-number", "VG11000001", "--invoice-date", invoiceDate, "--reason", "a\nb"},
		[]string{"Reason may not hold control characters"}, "--reason"},
	{"remark too long", []string{
		"invalid", "--invoice-number", "VG11000001", "--invoice-date", invoiceDate, "--reason", "x", "--remark",
		strings.Repeat("備", 201),
	}, []string{"Remark has 201 characters, at most 200"}, "--remark"},
	{"allowance number too long", []string{"get-allowance-confirm", "--allowance-no", "26030100000000001"},
		[]string{"AllowanceNo has 17 characters, at most 16"}, "--allowance-no"},
	{"several at once", []string{"invalid", "--invoice-number", "X", "--invoice-date", "X", "--reason", longReason},
		[]string{"InvoiceNumber must", "InvoiceDate must", "Reason has 21"}, "--invoice-number, --invoice-date, --reason"},
	{"process-in negative", []string{"trigger-issue", "--tsr", "T", "--process-in=-1s"}, []string{"--process-in is -1s"}, "help"},
	{"interval negative", []string{"trigger-issue", "--tsr", "T", "--merchant-interval=-1s"},
		[]string{"ECPAYQ_MERCHANT_INTERVAL is -1s; it must not be negative"}, "help"},
	{"process-in no duration", []string{"trigger-issue", "--tsr", "T", "--process-in", "10"}, []string{"process-in"}, "help"},
	{"process-at without a zone", []string{"trigger-issue", "--tsr", "T", "--process-at", "2026-01-31 09:00:00"},
		[]string{"--process-at", "RFC 3339"}, "help"},
	{"process-in and process-at", []string{"trigger-issue", "--tsr", "T", "--process-in", "1s", "--process-at", "2026-01-31T09:00:00+08:00"},
		[]string{"not both"}, "help"},
	{"a forgotten flag name", []string{"trigger-issue", "--tsr", "T", "T2"}, []string{`unexpected argument "T2"`}, "help"},
	{"an unknown flag", []string{"trigger-issue", "--tsr", "T", "--dealy-day", "1"}, []string{"dealy-day"}, "help"},
}

func TestInvalidInputIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, row := range invalidInputs {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := runIn(t, b.env, append([]string{"enqueue"}, row.args...)...)
			if r.code != 2 || r.stdout != "" {
				t.Errorf("got exit code %d and %q on stdout, want 2 and nothing", r.code, r.stdout)
			}
			line, hint, ok := strings.Cut(r.stderr, "\n")
			if !strings.HasPrefix(line, "ecpayq: error: ") || !ok {
				t.Errorf("got %q on stderr, want a line that begins with %q", r.stderr, "ecpayq: error: ")
			}
			for _, want := range row.want {
				if !strings.Contains(line, want) {
					t.Errorf("got error %q, want it to say %q", line, want)
				}
			}
			if !strings.HasPrefix(hint, "hint: ") || !strings.Contains(hint, row.hint) || strings.Count(hint, "\n") != 1 {
				t.Errorf("got %q after the error, want one line of hint that names %q", hint, row.hint)
			}
			if strings.Contains(r.stderr, longReason) || strings.Contains(r.stderr, "<script>") {
				t.Errorf("the error quotes a value: %q", r.stderr)
			}
		})
	}
	t.Cleanup(func() { // after the parallel rows
		if keys := len(dump(b)); keys != 0 {
			t.Errorf("got %d keys in Redis, want none", keys)
		}
	})
}

func TestTheMerchantIDIsRequired(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_MERCHANT_ID": ""})
	r := b.run("enqueue", "trigger-issue", "--tsr", "T")
	if r.code != 2 || !strings.Contains(r.stderr, "MerchantID is required") || !strings.Contains(r.stderr, "--merchant-id") {
		t.Errorf("got exit code %d and %q, want 2 and what is required", r.code, r.stderr)
	}
}

// awayRow is a way in which Redis cannot be used.
type awayRow struct{ name, url, secret, hint, zh string }

func awayRows(t *testing.T) []awayRow {
	t.Helper()
	frozen := redistest.New(t)
	frozen.Freeze()
	locked := redistest.New(t, redistest.Options{Password: "correct-password"})
	return []awayRow{
		{"nobody listens", "redis://" + freeAddr(t) + "/0", "", "nothing listens", "沒有程式接受連線"},
		{"frozen", frozen.URL(), "", "did not answer in time", "未在時限內回應"},
		{"no password", "redis://" + locked.Addr() + "/0", "", "asks for a password", "要求密碼"},
		{"wrong password", "redis://:wrong-password@" + locked.Addr() + "/0", "wrong-password", "percent-encoded", "密碼錯誤"},
	}
}

// freeAddr is a loopback address at which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestEnqueueFailsFastWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	for _, row := range awayRows(t) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_REDIS_URL": row.url})
			begin := time.Now()
			r := b.run("enqueue", "trigger-issue", "--tsr", "T")
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("took %s, want about 5s at most", took)
			}
			b.wantRedisHint(r, row)
		})
	}
}

func TestTaskShowSaysWhatToDoWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	for _, row := range awayRows(t) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_REDIS_URL": row.url})
			b.wantRedisHint(b.run("task", "show", "b2c.trigger_issue.2000132.T"), row)
		})
	}
}

// wantRedisHint demands exit code 1 and an error with a hint about Redis.
func (b *bench) wantRedisHint(r result, row awayRow) {
	b.Helper()
	if r.code != 1 || r.stdout != "" {
		b.Errorf("got exit code %d and %q on stdout, want 1 and nothing", r.code, r.stdout)
	}
	if !strings.Contains("\n"+r.stderr, "\necpayq: error: ") || !strings.Contains(r.stderr, "\nhint: check ECPAYQ_REDIS_URL") {
		b.Errorf("got %q on stderr, want an error with a hint about ECPAYQ_REDIS_URL", r.stderr)
	}
	if _, hint, _ := strings.Cut(r.stderr, "\nhint: "); !strings.Contains(hint, row.hint) ||
		!strings.Contains(hint, row.zh) || !strings.Contains(hint, "running the same command again is safe") {
		b.Errorf("got %q on stderr, want hints of this cause in both languages: %q, %q", r.stderr, row.hint, row.zh)
	}
	if row.secret != "" && strings.Contains(r.stderr, row.secret) {
		b.Errorf("the error quotes the password: %q", r.stderr)
	}
}

// The Redis client has a log of its own, which is no words for people.
func TestOnlyTheErrorAndItsHintAreOnStderrWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_REDIS_URL": "redis://" + freeAddr(t) + "/0"})
	for _, args := range [][]string{
		{"enqueue", "trigger-issue", "--tsr", "T"},
		{"task", "show", "b2c.trigger_issue.2000132.T"},
		{"doctor"},
	} {
		for l := range strings.Lines(b.run(args...).stderr) {
			if !strings.HasPrefix(l, "ecpayq: ") && !strings.HasPrefix(l, "hint: ") {
				t.Errorf("%s: got the line %q on stderr, want errors and hints only", args[0], l)
				break
			}
		}
	}
}

func TestTaskWaitOutlastsARestartOfRedis(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.useRedis(redistest.Options{}) // one that keeps what it has
	r := b.enqueue("trigger-issue", "--tsr", "T", "--process-in", "1h")
	b.redis.Kill()
	wait := start(t, b.env, "task", "wait", r.ID, "--timeout", "12s")
	away := time.NewTimer(6 * time.Second) // longer than one look may take
	defer away.Stop()
	select {
	case <-away.C:
	case <-wait.done:
		t.Fatalf("task wait gave up while Redis was away\n%s", wait.err)
	}
	b.must(b.redis.Restart(t.Context()))
	got := wait.wait(patience)
	if got.code != 1 || !strings.Contains(got.stderr, "is still scheduled after 12s") {
		t.Errorf("got exit code %d and %q, want 1 and that the task is still scheduled", got.code, got.stderr)
	}
	if last := oneLine[task](t, got.stdout); last.State != "scheduled" {
		t.Errorf("got state %s, want scheduled", last.State)
	}
}

func TestARedisURLThatIsWrongIsExplained(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	missing := filepath.Join(t.TempDir(), "missing")
	empty := filepath.Join(t.TempDir(), "empty")
	b.must(os.WriteFile(empty, []byte(" \n"), 0o600))
	rows := []struct {
		name    string
		changes env
		want    string
	}{
		{"unknown scheme", env{"ECPAYQ_REDIS_URL": "http://:pass-word@127.0.0.1"}, "scheme"},
		{"no URL", env{"ECPAYQ_REDIS_URL": "redis://:pass-word@local host:1/0"}, "malformed"},
		{"unknown parameter", env{"ECPAYQ_REDIS_URL": "redis://:pass-word@127.0.0.1/0?tls=yes"}, `has an option "tls"; options are`},
		{"database of a cluster", env{"ECPAYQ_REDIS_URL": "redis-cluster://:pass-word@127.0.0.1/2"}, "database"},
		{"file that is not there", env{"ECPAYQ_REDIS_URL_FILE": missing}, "ECPAYQ_REDIS_URL_FILE"},
		{"file that is empty", env{"ECPAYQ_REDIS_URL_FILE": empty}, "empty"},
	}
	for _, row := range rows {
		r := b.runWith(row.changes, "enqueue", "trigger-issue", "--tsr", "T")
		if r.code == 0 || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, row.want) {
			t.Errorf("%s: got exit code %d, %q on stdout and %q, want an error that says %q", row.name, r.code, r.stdout, r.stderr, row.want)
		}
		if strings.Contains(r.stderr, "pass-word") {
			t.Errorf("%s: the error quotes the password: %q", row.name, r.stderr)
		}
	}
}
