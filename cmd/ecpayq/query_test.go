package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// queryAnswer is what a query prints.
type queryAnswer struct {
	Operation, Kind string
	RtnCode         int64  `json:"rtn_code"`
	RtnMsg          string `json:"rtn_msg"`
	Meaning         string `json:"meaning"`
	MeaningZh       string `json:"meaning_zh"`
	Answer          json.RawMessage
	VoidUntil       *time.Time `json:"void_until"`
	UploadDue       *time.Time `json:"upload_due"`
}

func (b *bench) query(code int, args ...string) queryAnswer {
	b.Helper()
	r := b.run(append([]string{"query"}, args...)...)
	if r.code != code || r.stderr != "" {
		b.Fatalf("query %s: got exit code %d and %s, want %d", strings.Join(args, " "), r.code, r.stderr, code)
	}
	return oneLine[queryAnswer](b.T, r.stdout)
}

func TestAQueryAsksECPayAtOnceAndStoresNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "QUERY1", RelateNumber: "ORDER1", Issued: true}))
	got := b.query(0, "b2c-get-issue", "--merchant-id", merchantID, "--relate-number", "ORDER1")
	var invoice struct{ IIS_Number, IIS_Relate_Number, IIS_Create_Date string }
	b.must(json.Unmarshal(got.Answer, &invoice))
	if got.Operation != "B2C GetIssue" || got.Kind != "OK" || got.RtnCode != 1 ||
		invoice.IIS_Relate_Number != "ORDER1" || invoice.IIS_Number == "" {
		t.Errorf("got %+v with %+v", got, invoice)
	}
	created, err := time.ParseInLocation(time.DateTime, invoice.IIS_Create_Date, ecpay.Taipei)
	b.must(err)
	if got.VoidUntil == nil || !got.VoidUntil.Equal(ecpay.VoidDeadline(created)) ||
		got.UploadDue == nil || !got.UploadDue.Equal(ecpay.UploadDue(ecpay.B2C, created)) {
		t.Errorf("of an invoice of %s: got void until %s and upload due %s", created, got.VoidUntil, got.UploadDue)
	}
	got = b.query(1, "b2c-get-issue", "--relate-number", "ORDER2") // the merchant is that of the variable
	if got.Kind != "NotFound" || got.RtnCode != 2 || got.Answer != nil || got.Meaning == "" || got.MeaningZh != "查無發票資料" {
		t.Errorf("of an order that ECPay does not know: got %+v", got)
	}
	if keys := b.redis.Client().Keys(t.Context(), "asynq:*").Val(); len(keys) > 0 {
		t.Errorf("there is %q in Redis, want nothing of asynq's", keys)
	}
}

func TestAQueryThatCannotBeAskedSaysWhy(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, row := range map[string]struct {
		env  env
		args []string
		code int
		says []string
	}{
		"no number": {nil, []string{"b2c-get-issue"}, 2, []string{"RelateNumber is required", "nothing was asked; mend --relate-number"}},
		"another's keys": {env{"ECPAYQ_HASH_KEY": "aaaaaaaaaaaaaaaa"}, []string{"b2c-get-issue", "--relate-number", "R"}, 1,
			[]string{"Denied", "核對"}},
		"no keys for it":   {nil, []string{"b2c-get-issue", "--merchant-id", "1999999", "--relate-number", "R"}, 1, []string{"1999999"}},
		"no such query":    {nil, []string{"b2c-trigger-issue"}, 2, []string{"no command"}},
		"a stray argument": {nil, []string{"b2c-get-issue", "R"}, 2, []string{"unexpected argument"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := b.runWith(row.env, append([]string{"query"}, row.args...)...)
			if r.code != row.code || r.stdout != "" {
				t.Errorf("got exit code %d and %q on stdout, want %d", r.code, r.stdout, row.code)
			}
			for _, want := range row.says {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("got %q, want %q in it", r.stderr, want)
				}
			}
		})
	}
}

func TestAQueryKeepsThePaceOfItsMerchantAndEndsNoBan(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.set(env{"ECPAYQ_MERCHANT_INTERVAL": "3s"})
	for _, number := range []string{"PACED1", "PACED2"} {
		b.query(1, "b2c-get-issue", "--relate-number", number)
	}
	calls := b.fake.Calls()
	if len(calls) != 2 || calls[1].At.Sub(calls[0].At) < 2900*time.Millisecond {
		t.Errorf("got calls %+v, want two with 3 s between them", calls)
	}
	if r := b.run("query", "b2c-get-issue", "--relate-number", "PACED3", "--timeout", "100ms"); r.code != 1 ||
		!strings.Contains(r.stderr, "its turn comes later") {
		t.Errorf("with less time than its turn takes: got %d and %s", r.code, r.stderr)
	}
	b.fake.Inject(ecpaytest.Match{Subject: "BANNED"}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	if r := b.run("query", "b2c-get-issue", "--relate-number", "BANNED"); r.code != 1 ||
		!strings.Contains(r.stderr, ecpay.Throttled.String()) {
		t.Errorf("ECPay's 403: got %d and %s", r.code, r.stderr)
	}
	before := len(b.fake.Calls())
	r := b.run("query", "b2c-get-issue", "--relate-number", "BANNED")
	if r.code != 1 || !strings.Contains(r.stderr, "ECPay wants a pause") || len(b.fake.Calls()) != before {
		t.Errorf("after a ban: got %d, %s and %d calls, want %d", r.code, r.stderr, len(b.fake.Calls()), before)
	}
}
