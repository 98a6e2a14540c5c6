package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// The day of issue of every B2B invoice in these tests.
const invoiceDate = "2026-03-02"

const allowanceData = `{"MerchantID":"2000132","Seller_Identifier":"23165448","Buyer_Identifier":"","AllowanceDate":"2026-03-01",` +
	`"ConfirmDate":"2026-03-02","Upload_Status":"1","Upload_Date":"2026-03-03","ConfirmRemark":""}`

// operationRow is a command that enqueues, and what becomes of it.
type operationRow struct {
	name, subject, args string
	call                string
	effects             []string
	want                task
}

var operationRows = []operationRow{
	{
		name: "trigger with a delay of 0 days", subject: "NOW1",
		args: "trigger-issue --merchant-id 2000132 --tsr NOW1 --relate-number RNOW1 --delay-day 0",
		call: "B2C TriggerIssue", effects: []string{"issued"},
		want: task{ID: "b2c.trigger_issue.2000132.NOW1", Type: "b2c:trigger_issue", Queue: "trigger_issue", RtnCode: 4000004, RtnMsg: "開立發票成功",
			Result: json.RawMessage(`{"RtnCode":4000004,"RtnMsg":"開立發票成功","Tsr":"NOW1"}`)},
	},
	{
		name: "trigger with a delay of 7 days", subject: "LATER1",
		args: "trigger-issue --merchant-id 2000132 --tsr LATER1 --delay-day 7",
		call: "B2C TriggerIssue", effects: []string{"scheduled"},
		want: task{ID: "b2c.trigger_issue.2000132.LATER1", Type: "b2c:trigger_issue", Queue: "trigger_issue", RtnCode: 4000003, RtnMsg: "延後開立成功",
			Result: json.RawMessage(`{"RtnCode":4000003,"RtnMsg":"延後開立成功","Tsr":"LATER1"}`)},
	},
	{
		name: "trigger of which nothing but the Tsr is known", subject: "BARE1",
		args: "trigger-issue --tsr BARE1", // the MerchantID comes from the environment
		call: "B2C TriggerIssue", effects: []string{"issued"},
		want: task{ID: "b2c.trigger_issue.2000132.BARE1", Type: "b2c:trigger_issue", Queue: "trigger_issue", RtnCode: 4000004, RtnMsg: "開立發票成功",
			Result: json.RawMessage(`{"RtnCode":4000004,"RtnMsg":"開立發票成功","Tsr":"BARE1"}`)},
	},
	{
		name: "cancel before issue", subject: "CANCEL1",
		args: "cancel-delay-issue --merchant-id 2000132 --tsr CANCEL1",
		call: "B2C CancelDelayIssue", effects: []string{"cancelled"},
		want: task{ID: "b2c.cancel_delay_issue.2000132.CANCEL1", Type: "b2c:cancel_delay_issue",
			Queue: "cancel_delay_issue", RtnCode: 1, RtnMsg: "取消開立發票成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"取消開立發票成功"}`)},
	},
	{
		name: "void", subject: "VG11000001",
		args: "invalid --merchant-id 2000132 --invoice-number VG11000001 --invoice-date 2026-03-02 --reason 訂單取消 --remark 客戶要求",
		call: "B2B Invalid", effects: []string{"voided"},
		want: task{ID: "b2b.invalid.2000132.VG11000001.2026-03-02", Type: "b2b:invalid", Queue: "invalid", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "void in B2C", subject: "JU11000001",
		args: "b2c-invalid --merchant-id 2000132 --invoice-no JU11000001 --invoice-date 2026-03-02 --reason 訂單取消",
		call: "B2C Invalid", effects: []string{"voided"},
		want: task{ID: "b2c.invalid.2000132.JU11000001.2026-03-02", Type: "b2c:invalid", Queue: "invalid", RtnCode: 1, RtnMsg: "作廢發票成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"作廢發票成功","InvoiceNo":"JU11000001"}`)},
	},
	{
		name: "void of an allowance in B2C", subject: "2603010400000001",
		args: "b2c-allowance-invalid --merchant-id 2000132 --invoice-no AL00000001 --allowance-no 2603010400000001 --reason 退貨取消",
		call: "B2C AllowanceInvalid", effects: []string{"allowance_voided"},
		want: task{ID: "b2c.allowance_invalid.2000132.AL00000001.2603010400000001", Type: "b2c:allowance_invalid",
			Queue: "invalid", RtnCode: 1, RtnMsg: "該折讓單已作廢",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"該折讓單已作廢","IA_Invoice_No":"AL00000001"}`)},
	},
	{
		name: "void confirm", subject: "VG11000002",
		args: "invalid-confirm --merchant-id 2000132 --invoice-number VG11000002 --invoice-date 2026-03-02",
		call: "B2B InvalidConfirm", effects: []string{"void_confirmed"},
		want: task{ID: "b2b.invalid_confirm.2000132.VG11000002.2026-03-02",
			Type: "b2b:invalid_confirm", Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "confirm of an invoice", subject: "VG13000001",
		args: "b2b-issue-confirm --merchant-id 2000132 --invoice-number VG13000001 --invoice-date 2026-03-02 --remark 同意",
		call: "B2B IssueConfirm", effects: []string{"issue_confirmed"},
		want: task{ID: "b2b.issue_confirm.2000132.VG13000001.2026-03-02", Type: "b2b:issue_confirm",
			Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "rejection", subject: "VG14000001",
		args: "b2b-reject --merchant-id 2000132 --invoice-number VG14000001 --invoice-date 2026-03-02 --reason 金額有誤",
		call: "B2B Reject", effects: []string{"rejected"},
		want: task{ID: "b2b.reject.2000132.VG14000001.2026-03-02", Type: "b2b:reject",
			Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "confirm of a rejection", subject: "VG15000001",
		args: "b2b-reject-confirm --merchant-id 2000132 --invoice-number VG15000001 --invoice-date 2026-03-02",
		call: "B2B RejectConfirm", effects: []string{"reject_confirmed"},
		want: task{ID: "b2b.reject_confirm.2000132.VG15000001.2026-03-02", Type: "b2b:reject_confirm",
			Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "confirm of an allowance", subject: "2603010100000001",
		args: "b2b-allowance-confirm --merchant-id 2000132 --allowance-no 2603010100000001",
		call: "B2B AllowanceConfirm", effects: []string{"allowance_confirmed"},
		want: task{ID: "b2b.allowance_confirm.2000132.2603010100000001", Type: "b2b:allowance_confirm",
			Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "void of an allowance", subject: "2603010200000001",
		args: "b2b-cancel-allowance --merchant-id 2000132 --allowance-no 2603010200000001 --reason 退貨取消",
		call: "B2B CancelAllowance", effects: []string{"allowance_voided"},
		want: task{ID: "b2b.cancel_allowance.2000132.2603010200000001", Type: "b2b:cancel_allowance",
			Queue: "invalid", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "confirm of the void of an allowance", subject: "2603010300000001",
		args: "b2b-cancel-allowance-confirm --merchant-id 2000132 --allowance-no 2603010300000001",
		call: "B2B CancelAllowanceConfirm", effects: []string{"cancel_confirmed"},
		want: task{ID: "b2b.cancel_allowance_confirm.2000132.2603010300000001", Type: "b2b:cancel_allowance_confirm",
			Queue: "invalid_confirm", RtnCode: 1, RtnMsg: "Success",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"Success"}`)},
	},
	{
		name: "allowance query, RtnData an object", subject: "2603010000000001",
		args: "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000001",
		call: "B2B GetAllowanceConfirm",
		want: task{ID: "b2b.get_allowance_confirm.2000132.2603010000000001",
			Type: "b2b:get_allowance_confirm", Queue: "query", RtnCode: 1, RtnMsg: "查詢成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"查詢成功","RtnData":` + allowanceData + `}`)},
	},
	{
		name: "allowance query, RtnData a string", subject: "2603010000000002",
		args: "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000002",
		call: "B2B GetAllowanceConfirm",
		want: task{ID: "b2b.get_allowance_confirm.2000132.2603010000000002",
			Type: "b2b:get_allowance_confirm", Queue: "query", RtnCode: 1, RtnMsg: "查詢成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"查詢成功","RtnData":` + allowanceData + `}`)},
	},
	{
		name: "allowance query, RtnData empty", subject: "2603010000000003",
		args: "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000003",
		call: "B2B GetAllowanceConfirm",
		want: task{ID: "b2b.get_allowance_confirm.2000132.2603010000000003",
			Type: "b2b:get_allowance_confirm", Queue: "query", RtnCode: 1, RtnMsg: "查詢成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"查詢成功","RtnData":null}`)},
	},
	{
		name: "allowance query, RtnData null", subject: "2603010000000004",
		args: "get-allowance-confirm --merchant-id 2000132 --allowance-no 2603010000000004",
		call: "B2B GetAllowanceConfirm",
		want: task{ID: "b2b.get_allowance_confirm.2000132.2603010000000004",
			Type: "b2b:get_allowance_confirm", Queue: "query", RtnCode: 1, RtnMsg: "查詢成功",
			Result: json.RawMessage(`{"RtnCode":1,"RtnMsg":"查詢成功","RtnData":null}`)},
	},
}

func TestEveryOperationGoesFromEnqueueToECPayWithExactlyOneEffect(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	stage := func(err error) {
		t.Helper()
		b.must(err)
	}
	allowance := func(number string, shape ecpaytest.RtnDataShape) {
		t.Helper()
		stage(b.fake.StageAllowance(ecpaytest.Allowance{
			AllowanceNo: number, AllowanceDate: "2026-03-01", ConfirmDate: "2026-03-02", UploadStatus: "1", UploadDate: "2026-03-03", RtnData: shape,
		}))
	}
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "NOW1", RelateNumber: "RNOW1"}))
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "LATER1", DelayDay: 7}))
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "BARE1"}))
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "CANCEL1"}))
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "VOID1", Issued: true, InvoiceNo: "JU11000001", InvoiceDate: invoiceDate}))
	stage(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ALLOWED1", Issued: true, InvoiceNo: "AL00000001", InvoiceDate: invoiceDate}))
	stage(b.fake.StageB2CAllowance(ecpaytest.B2CAllowance{InvoiceNo: "AL00000001", AllowanceNo: "2603010400000001"}))
	stage(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000001", InvoiceDate: invoiceDate}))
	stage(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000002", InvoiceDate: invoiceDate, Voided: true}))
	stage(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG13000001", InvoiceDate: invoiceDate}))
	stage(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG14000001", InvoiceDate: invoiceDate}))
	stage(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG15000001", InvoiceDate: invoiceDate, Rejected: true}))
	stage(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010100000001"}))
	stage(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010200000001"}))
	stage(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010300000001", Cancelled: true}))
	allowance("2603010000000001", ecpaytest.ShapeObject)
	allowance("2603010000000002", ecpaytest.ShapeString)
	allowance("2603010000000003", ecpaytest.ShapeEmpty)
	allowance("2603010000000004", ecpaytest.ShapeNull)

	b.worker()
	for _, row := range operationRows {
		got := b.enqueue(strings.Fields(row.args)...)
		want := receipt{ID: row.want.ID, Type: row.want.Type, Queue: row.want.Queue, State: "pending"}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: receipt (-want +got):\n%s", row.name, cmp.Diff(want, got))
		}
	}
	for _, row := range operationRows {
		got := b.waitFor(row.want.ID, "completed")
		if got.EnqueuedAt.IsZero() || got.LastAt.Before(got.EnqueuedAt.Add(-time.Second)) {
			t.Errorf("%s: got enqueued_at %s and last_at %s", row.name, got.EnqueuedAt, got.LastAt)
		}
		row.want.MerchantID, row.want.State, row.want.Kind, row.want.Attempts = merchantID, "completed", "OK", 1
		got.EnqueuedAt, got.LastAt = time.Time{}, time.Time{}
		if diff := cmp.Diff(row.want, got, cmp.Transformer("json", compact)); diff != "" {
			t.Errorf("%s: task wait (-want +got):\n%s", row.name, diff)
		}
		b.wantEffects(row.subject, row.effects...)
		calls := b.callsOn(row.subject)
		if len(calls) != 1 || calls[0].Category+" "+calls[0].Operation != row.call {
			t.Errorf("%s: got calls %+v, want one %s", row.name, calls, row.call)
		}
	}
	b.wantFresh()
}

// ECPay answers one thing in several ways, and not always as documented.
func TestECPaysOtherWaysOfAnsweringAreUnderstood(t *testing.T) {
	t.Parallel()
	b := newBenchOf(t, ecpaytest.Config{MerchantIDAsNumber: true, TriggerOrderNumber: true}, nil)
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCodeAsString: true, Times: -1})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "QUIRK1"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "QUIRK2"}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "VOID2", Issued: true, InvoiceNo: "JU11000003", InvoiceDate: invoiceDate}))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ALLOWED3", Issued: true, InvoiceNo: "AL00000003", InvoiceDate: invoiceDate}))
	b.must(b.fake.StageB2CAllowance(ecpaytest.B2CAllowance{InvoiceNo: "AL00000003", AllowanceNo: "2603010400000003"}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000003", InvoiceDate: invoiceDate}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000004", InvoiceDate: invoiceDate, Voided: true}))
	b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000005"}))
	b.worker()
	rows := []struct {
		args, subject string
		code          int64
		effects       []string
	}{
		{"trigger-issue --tsr QUIRK1", "QUIRK1", 4000004, []string{"issued"}},
		{"cancel-delay-issue --tsr QUIRK2", "QUIRK2", 1, []string{"cancelled"}},
		{"invalid --invoice-number VG11000003 --invoice-date 2026-03-02 --reason 訂單取消", "VG11000003", 1, []string{"voided"}},
		{"b2c-invalid --invoice-no JU11000003 --invoice-date 2026/03/02 --reason 訂單取消", "JU11000003", 1, []string{"voided"}},
		{"b2c-allowance-invalid --invoice-no AL00000003 --allowance-no 2603010400000003 --reason 退貨取消",
			"2603010400000003", 1, []string{"allowance_voided"}},
		{"invalid-confirm --invoice-number VG11000004 --invoice-date 2026/03/02", "VG11000004", 1, []string{"void_confirmed"}},
		{"get-allowance-confirm --allowance-no 2603010000000005", "2603010000000005", 1, nil},
	}
	for _, row := range rows {
		got := b.waitFor(b.enqueue(strings.Fields(row.args)...).ID, "completed")
		if got.RtnCode != row.code || got.Attempts != 1 {
			t.Errorf("%s: got rtn_code %d after %d attempts, want %d after 1", row.args, got.RtnCode, got.Attempts, row.code)
		}
		b.wantEffects(row.subject, row.effects...)
	}
}

func compact(m json.RawMessage) string {
	var v any
	if json.Unmarshal(m, &v) != nil {
		return string(m)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func TestTheStateOfATriggerAnsweredWithRtnCode1IsVerified(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ONE1", RelateNumber: "RONE1"}))
	b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{RtnCode: 1, AfterEffect: true})
	b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "ONE1", "--relate-number", "RONE1", "--delay-day", "0")
	if got := b.waitFor(r.ID, "completed"); got.RtnCode != 1 {
		t.Errorf("got rtn_code %d, want 1 as ECPay sent it", got.RtnCode)
	}
	b.wantEffects("ONE1", "issued")
	if diff := cmp.Diff([]string{"GetIssue"}, b.operations("RONE1")); diff != "" {
		t.Errorf("questions about the RelateNumber (-want +got):\n%s", diff)
	}
}

func TestATaskThatWaitedInTheQueueIsStampedWhenItIsSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "WAITED1"}))
	enqueued := time.Now()
	r := b.enqueue("trigger-issue", "--tsr", "WAITED1", "--process-in", "3s")
	if r.State != "scheduled" {
		t.Errorf("got state %s, want scheduled", r.State)
	}
	b.worker()
	b.waitFor(r.ID, "completed")
	b.wantEffects("WAITED1", "issued")
	b.wantFresh()
	if at := b.callsOn("WAITED1")[0].At; at.Sub(enqueued) < 2*time.Second {
		t.Errorf("arrived %s after it was enqueued: too soon to show anything", at.Sub(enqueued))
	}
}

func TestEveryRetryIsStampedAnew(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, operation, subject, args string
		stage                          func(*ecpaytest.Server) error
		effects                        []string
		wantRqID                       bool
	}{
		{
			name: "B2C", operation: "TriggerIssue", subject: "AGAIN1", args: "trigger-issue --tsr AGAIN1",
			stage:   func(f *ecpaytest.Server) error { return f.StageDelayed(ecpaytest.Delayed{Tsr: "AGAIN1"}) },
			effects: []string{"issued"},
		},
		{
			name: "B2B", operation: "Invalid", subject: "VG11000011",
			args: "invalid --invoice-number VG11000011 --invoice-date 2026-03-02 --reason 訂單取消",
			stage: func(f *ecpaytest.Server) error {
				return f.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000011", InvoiceDate: invoiceDate})
			},
			effects: []string{"voided"}, wantRqID: true,
		},
		{
			name: "query", operation: "GetAllowanceConfirm", subject: "2603010000000011",
			args: "get-allowance-confirm --allowance-no 2603010000000011",
			stage: func(f *ecpaytest.Server) error {
				return f.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000011"})
			},
			wantRqID: true,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.must(row.stage(b.fake))
			// A second between the attempts, so that equal stamps would be old ones.
			const pause = 1100 * time.Millisecond
			b.fake.Inject(ecpaytest.Match{Operation: row.operation},
				ecpaytest.Fault{RtnCode: 9000001, Times: 2, Latency: pause}, ecpaytest.Fault{TransCode: 104, Latency: pause})
			b.worker()
			r := b.enqueue(strings.Fields(row.args)...)
			got := b.waitFor(r.ID, "completed")
			if got.Attempts != 4 {
				t.Errorf("got %d attempts, want 4", got.Attempts)
			}
			b.wantEffects(row.subject, row.effects...)
			b.wantFresh()

			calls := b.callsOn(row.subject)
			faults, stamps, rqIDs := []string{}, []int64{}, []string{}
			for _, c := range calls {
				faults, stamps, rqIDs = append(faults, c.Fault), append(stamps, c.Timestamp), append(rqIDs, c.RqID)
			}
			if diff := cmp.Diff([]string{"rtn code 9000001", "rtn code 9000001", "trans code 104", ""}, faults); diff != "" {
				t.Fatalf("calls by the fault that struck them (-want +got):\n%s", diff)
			}
			if !slices.IsSorted(stamps) || len(slices.Compact(slices.Clone(stamps))) != 4 {
				t.Errorf("got timestamps %d, want four that rise", stamps)
			}
			slices.Sort(rqIDs)
			if ids := slices.Compact(rqIDs); row.wantRqID && (len(ids) != 4 || ids[0] == "") {
				t.Errorf("got RqIDs %q, want four different ones", ids)
			}
		})
	}
}

func TestATaskIsNotRunBeforeItsTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.worker()
	rows := []struct {
		name, tsr, flag string
		value           func() (string, time.Time)
	}{
		{"process-in", "IN1", "--process-in", func() (string, time.Time) { return "2s", time.Now().Add(2 * time.Second) }},
		{"process-at on a whole second", "AT1", "--process-at", func() (string, time.Time) {
			at := time.Now().Truncate(time.Second).Add(3 * time.Second)
			return at.Format(time.RFC3339), at
		}},
		{"process-at between two seconds, in Taipei", "AT2", "--process-at", func() (string, time.Time) {
			at := time.Now().Truncate(time.Second).Add(2900 * time.Millisecond)
			return at.In(time.FixedZone("", 8*60*60)).Format(time.RFC3339Nano), at
		}},
	}
	ids := make([]string, len(rows))
	due := make([]time.Time, len(rows))
	for i, row := range rows {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: row.tsr}))
		var value string
		value, due[i] = row.value()
		r := b.enqueue("trigger-issue", "--tsr", row.tsr, row.flag, value)
		if r.State != "scheduled" {
			t.Errorf("%s: got state %s, want scheduled", row.name, r.State)
		}
		ids[i] = r.ID
		// asynq keeps whole seconds; what it keeps must not be before the wish.
		score, err := b.redis.Client().ZScore(t.Context(), "asynq:{trigger_issue}:scheduled", r.ID).Result()
		if kept := time.UnixMilli(int64(1000 * score)); err != nil || kept.Before(due[i]) {
			t.Errorf("%s: asynq keeps it until %s (%v), want %s or later", row.name, kept, err, due[i])
		}
	}
	for i, row := range rows {
		b.waitFor(ids[i], "completed")
		b.wantEffects(row.tsr, "issued")
		at := b.callsOn(row.tsr)[0].At
		if early := due[i].Sub(at); early > 0 {
			t.Errorf("%s: ran %s before its time", row.name, early)
		}
		if late := at.Sub(due[i]); late > 5*time.Second {
			t.Errorf("%s: ran %s late", row.name, late)
		}
	}
}

func TestATimeThatIsPastMeansAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "PAST1"}))
	r := b.enqueue("trigger-issue", "--tsr", "PAST1", "--process-at", "2020-01-01T00:00:00+08:00")
	if r.State != "pending" {
		t.Errorf("got state %s, want pending", r.State)
	}
	b.worker()
	b.waitFor(r.ID, "completed")
	b.wantEffects("PAST1", "issued")
}

func TestOneWorkerCarriesManyTasksOfOneMerchantOnceEach(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const n = 12
	ids := make([]string, n)
	for i := range n {
		tsr := fmt.Sprintf("MANY%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		ids[i] = b.enqueue("trigger-issue", "--tsr", tsr).ID
	}
	b.worker()
	b.worker() // two processes share the queue
	for i := range n {
		b.waitFor(ids[i], "completed")
		b.wantEffects(fmt.Sprintf("MANY%d", i), "issued")
	}
	if got := len(b.fake.Calls()); got != n {
		t.Errorf("got %d calls, want %d", got, n)
	}
	b.wantFresh()
}
