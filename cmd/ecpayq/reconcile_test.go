package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/reconcile"
)

// reconciled is what ecpayq reconcile says of the days from one until today in Taipei: two, should a test run over midnight.
func (b *bench) reconciled(from time.Time, code int, args ...string) ([]reconcile.Finding, result) {
	b.Helper()
	var all []reconcile.Finding
	var last result
	code0 := 0
	for day := from; !day.After(time.Now()); day = day.AddDate(0, 0, 1) {
		last = b.run(append([]string{"reconcile", "--day", day.In(ecpay.Taipei).Format(time.DateOnly)}, args...)...)
		code0 = max(code0, last.code)
		for line := range strings.Lines(last.stdout) {
			all = append(all, oneLine[reconcile.Finding](b.T, line))
		}
	}
	if code0 != code {
		b.Fatalf("reconcile: got exit code %d, want %d\n%s%s", code0, code, last.stdout, last.stderr)
	}
	return all, last
}

// numberOf is the invoice number of a task that issued one.
func (b *bench) numberOf(id string) (number, day string) {
	b.Helper()
	var answer struct{ InvoiceNo, InvoiceDate string }
	b.must(json.Unmarshal(b.waitFor(id, "completed").Result, &answer))
	day, _, _ = strings.Cut(answer.InvoiceDate, " ")
	return answer.InvoiceNo, day
}

// voidElsewhere voids an invoice as its back office would.
func (b *bench) voidElsewhere(number, day string) {
	b.Helper()
	m, err := ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: merchantID, HashKey: ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	b.must(err)
	base, err := url.Parse(b.web.URL)
	b.must(err)
	client, err := ecpay.New(ecpay.Config{BaseURL: base})
	b.must(err)
	defer client.CloseIdleConnections()
	_, err = client.B2CInvalid(b.Context(), m, &ecpay.B2CInvalidRequest{
		MerchantID: merchantID, InvoiceNo: number, InvoiceDate: day, Reason: "後台作廢",
	})
	b.must(err)
}

func TestReconcileNamesExactlyWhatWasDoneBesidesTheQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	began := time.Now()
	b.worker()
	var ids []string
	for _, order := range []string{"order1", "ORDER2", "ORDER3"} {
		ids = append(ids, b.issue(order).ID)
	}
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TSR1", RelateNumber: "ORDER4"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TSR2"}))
	triggers := []string{
		b.enqueue("trigger-issue", "--tsr", "TSR1", "--relate-number", "ORDER4", "--delay-day", "0").ID,
		b.enqueue("trigger-issue", "--tsr", "TSR2").ID, // whose Tsr is the RelateNumber
	}
	for _, id := range triggers {
		b.waitFor(id, "completed")
	}
	first, firstDay := b.numberOf(ids[0])
	second, _ := b.numberOf(ids[1])
	third, thirdDay := b.numberOf(ids[2])
	void := b.enqueue("b2c-invalid", "--invoice-no", third, "--invoice-date", thirdDay, "--reason", "訂單取消").ID
	b.waitFor(void, "completed")

	if all, r := b.reconciled(began, 0); len(all) > 0 || !strings.Contains(r.stderr, "0 finding(s)") || !strings.Contains(r.stderr, "發現 0 項") {
		t.Errorf("before anything was done elsewhere: got %+v and %s, want no finding", all, r.stderr)
	}

	b.voidElsewhere(first, firstDay)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "BACKOFFICE", Issued: true}))
	b.must(b.fake.SetUpload(ecpaytest.Upload{InvoiceNo: second, Status: "0", Turnkey: "E"}))
	all, r := b.reconciled(began, 4, "--page-size", "2")
	var got [][]string
	for _, f := range all {
		got = append(got, []string{string(f.Kind), f.RelateNumber, f.TaskID})
		if f.MerchantID != merchantID || f.InvoiceNumber == "" || f.InvoiceDate == "" || f.Detail == "" || f.DetailZh == "" {
			t.Errorf("got %+v, want all of it", f)
		}
	}
	slices.SortFunc(got, slices.Compare[[]string])
	want := [][]string{
		{"unexpected", "BACKOFFICE", ""}, {"upload_failed", "ORDER2", ids[1]}, {"voided_elsewhere", "order1", ids[0]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%s", diff, r.stderr)
	}
	for _, c := range b.fake.Calls() {
		if c.Operation == "GetIssueList" && strings.Contains(string(c.Data), `"ShowingPage":3`) {
			return
		}
	}
	t.Error("the third page of two was not asked for")
}

func TestAScheduleComparesAtNightAndTheDashboardShowsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	b.schedules("schedules:\n  - {name: night, cron: '*/2 * * * * *', do: reconcile}\n")
	today := time.Now().In(ecpay.Taipei)
	for n, tsr := range []string{"STRANGE0", "STRANGE1"} { // of yesterday, and should the test run over midnight of today
		day := today.AddDate(0, 0, n-1).Format(time.DateOnly)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, Issued: true, InvoiceDate: day}))
	}
	w := b.worker()
	b.eventually("the schedule has compared", func() bool { return b.scheduleList()[0].Runs > 0 })
	if s := b.scheduleList()[0]; s.Left != 1 || s.Failed != 0 {
		t.Errorf("got %+v, want one finding", s)
	}
	const series = `ecpayq_reconcile_findings{kind="unexpected",schedule="night"} 1`
	if _, text := w.get("/metrics"); !strings.Contains(text, series) ||
		!strings.Contains(text, `ecpayq_invoice_numbers_low{schedule="night"} 0`) {
		t.Errorf("got metrics without %s:\n%s", series, text)
	}
	if r := b.run("schedule", "run", "night"); r.code != 2 || !strings.Contains(r.stderr, "ecpayq reconcile --days 1") {
		t.Errorf("schedule run: got exit code %d and %s, want 2 and what to run", r.code, r.stderr)
	}
	d := b.dashboard()
	for lang, words := range map[string][]string{"en": {"Reconcile", "no task in the record issued it"}, "zh-TW": {"對帳", "並非已知任務所開立"}} {
		answer, err := http.Get(d.url + "/reconcile?lang=" + lang)
		b.must(err)
		body, err := io.ReadAll(answer.Body)
		b.must(errors.Join(err, answer.Body.Close()))
		text := string(body)
		for _, word := range append(words, "unexpected", "STRANGE", merchantID) {
			if !strings.Contains(text, word) {
				t.Errorf("the page in %s has no %q:\n%s", lang, word, text)
			}
		}
	}
}

func TestReconcileSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tomorrow := time.Now().In(ecpay.Taipei).AddDate(0, 0, 1).Format(time.DateOnly)
	for name, row := range map[string]struct {
		env  env
		args []string
		code int
		says string
	}{
		"no day":            {nil, []string{"--day", "2026-02-30"}, 2, "must be a calendar day"},
		"not begun":         {nil, []string{"--day", tomorrow}, 2, "has not begun"},
		"no days":           {nil, []string{"--days", "0"}, 2, "must be 1 to 31"},
		"a page too large":  {nil, []string{"--page-size", "201"}, 2, "must be 1 to 200"},
		"a stray argument":  {nil, []string{"2026-11-29"}, 2, "unexpected argument"},
		"an empty merchant": {nil, []string{"--merchant-id", ""}, 2, "is empty"},
		"no keys for it":    {nil, []string{"--merchant-id", "1999999"}, 1, "1999999"},
		"another's keys":    {env{"ECPAYQ_HASH_KEY": "aaaaaaaaaaaaaaaa"}, nil, 1, "核對"},
		"an empty day":      {nil, []string{"--days", "2"}, 0, "0 invoice(s)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := b.runWith(row.env, append([]string{"reconcile"}, row.args...)...); r.code != row.code || r.stdout != "" ||
				!strings.Contains(r.stderr, row.says) {
				t.Errorf("got exit code %d, %q and %s, want %d, nothing, and %q", r.code, r.stdout, r.stderr, row.code, row.says)
			}
		})
	}
}
