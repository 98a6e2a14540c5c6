package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestARejectedTaskDiesReadablyAndIsRunAgainFromTheDashboard(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000041", InvoiceDate: invoiceDate}))
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000042", InvoiceDate: invoiceDate}))
	const allowance = "該發票已被折讓過，無法直接作廢發票"
	b.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 5070450, RtnMsg: allowance, Times: -1})
	b.worker()
	d := b.dashboard()

	for _, row := range []struct{ name, prefix, number string }{
		{"below /asynq", "/asynq", "VG11000041"},
		{"where a stand-alone asynqmon has it", "", "VG11000042"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := &bench{T: t, redis: b.redis, fake: b.fake, env: b.env}
			r := b.enqueue("invalid", "--invoice-number", row.number, "--invoice-date", invoiceDate, "--reason", "訂單取消")
			got := b.waitFor(r.ID, "dead")
			want := task{ID: r.ID, Type: "b2b:invalid", Queue: "invalid", MerchantID: merchantID,
				State: "dead", Kind: "Rejected", Attempts: 1, RtnCode: 5070450, RtnMsg: allowance}
			if !strings.Contains(got.Reason, "correct it") || !strings.Contains(got.ReasonZh, "請修正後重新執行") {
				t.Errorf("got reason %q, want what to do in English and in Chinese", got.Reason)
			}
			status, body := d.get(row.prefix + "/api/queues/invalid/archived_tasks")
			if status != http.StatusOK || !strings.Contains(body, r.ID) ||
				!strings.Contains(body, "Rejected") || !strings.Contains(body, "請修正後重新執行") {
				t.Errorf("the dashboard's list: got status %d and %s, want the task and why it died", status, body)
			}
			got.Reason, got.ReasonZh, got.TransCode, got.HTTPStatus = "", "", 0, 0
			got.EnqueuedAt, got.LastAt, got.NextAt = want.EnqueuedAt, want.LastAt, want.NextAt
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("task wait (-want +got):\n%s", diff)
			}
			b.wantEffects(row.number)

			// Run without mending the cause: it dies again, of a fresh budget.
			d.runTask(row.prefix, "archived_tasks", r.Queue, r.ID)
			b.eventually("it was tried again", func() bool { return len(b.callsOn(row.number)) == 2 })
			if got := b.waitFor(r.ID, "dead"); got.Attempts != 1 {
				t.Errorf("got %d attempts after a run from the dashboard, want 1: a fresh budget", got.Attempts)
			}
		})
	}
	b.fake.ClearFaults()
	for _, number := range []string{"VG11000041", "VG11000042"} {
		id := "b2b.invalid.2000132." + number + "." + invoiceDate
		d.runTask("/asynq", "archived_tasks", "invalid", id)
		got := b.waitFor(id, "completed")
		if got.Kind != "OK" || got.RtnCode != 1 || got.Attempts != 1 || got.Reason != "" {
			t.Errorf("got %+v, want completed with RtnCode 1 and no reason", got)
		}
		b.wantEffects(number, "voided")
	}
	b.wantFresh()
}

func TestATaskAboutAnInvoiceThatECPayDoesNotKnowCompletesOnceItDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_NOT_FOUND_GRACE": "1s", "ECPAYQ_MAX_ATTEMPTS": "2"})
	b.worker()
	d := b.dashboard()
	rows := []struct {
		name, args, subject, kind, message, reason, effect string
		code                                               int64
		stage                                              func() error
	}{
		{"trigger", "trigger-issue --tsr UNKNOWN1 --relate-number RUNKNOWN1 --delay-day 0",
			"UNKNOWN1", "NotFound", "不存在此交易單號", "綠界查無資料", "issued", 4000001,
			func() error {
				return b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "UNKNOWN1", RelateNumber: "RUNKNOWN1"})
			}},
		{"cancel", "cancel-delay-issue --tsr UNKNOWN2", "UNKNOWN2", "NotFound", "查無可更新交易單號", "綠界查無資料", "cancelled", 5070305,
			func() error { return b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "UNKNOWN2"}) }},
		{"void", "invalid --invoice-number VG11000043 --invoice-date 2026-03-02 --reason 訂單取消",
			"VG11000043", "NotFound", "發票號碼或日期錯誤", "綠界查無資料", "voided", 6070004,
			func() error {
				return b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000043", InvoiceDate: invoiceDate})
			}},
		{"void confirm", "invalid-confirm --invoice-number VG11000044 --invoice-date 2026-03-02",
			"VG11000044", "NotFound", "發票號碼或日期錯誤", "綠界查無資料", "void_confirmed", 6070004,
			func() error {
				return b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000044", InvoiceDate: invoiceDate, Voided: true})
			}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := &bench{T: t, redis: b.redis, fake: b.fake, env: b.env}
			r := b.enqueue(strings.Fields(row.args)...)
			got := b.waitFor(r.ID, "dead")
			if got.Kind != row.kind || got.RtnCode != row.code ||
				!strings.Contains(got.RtnMsg, row.message) || !strings.Contains(got.ReasonZh, row.reason) {
				t.Errorf("got kind %s, rtn_code %d, rtn_msg %q and reason %q, want %s, %d, %q and %q",
					got.Kind, got.RtnCode, got.RtnMsg, got.ReasonZh, row.kind, row.code, row.message, row.reason)
			}
			b.wantEffects(row.subject)
			b.must(row.stage())
			d.runTask("/asynq", "archived_tasks", r.Queue, r.ID)
			b.waitFor(r.ID, "completed")
			b.wantEffects(row.subject, row.effect)
		})
	}
}

func TestATriggerWaitsForItsStagingToShowUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil) // with 10 minutes of grace
	b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "EARLY1", "--relate-number", "REARLY1", "--delay-day", "0")
	got := b.await(r.ID, "retry")
	if got.Kind != "NotFound" || got.RtnCode != 4000001 {
		t.Errorf("got kind %s and rtn_code %d while it waits, want NotFound and 4000001", got.Kind, got.RtnCode)
	}
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "EARLY1", RelateNumber: "REARLY1"}))
	b.waitFor(r.ID, "completed")
	b.wantEffects("EARLY1", "issued")
	b.wantFresh()
}

func TestACancelOfAnIssuedInvoiceDiesWithTheAdviceToVoidIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "ISSUED1", RelateNumber: "RISSUED1", Issued: true}))
	b.worker()
	r := b.enqueue("cancel-delay-issue", "--tsr", "ISSUED1", "--relate-number", "RISSUED1")
	got := b.waitFor(r.ID, "dead")
	if got.Kind != "Conflict" || !strings.Contains(got.Reason, "void") || !strings.Contains(got.ReasonZh, "作廢") {
		t.Errorf("got kind %s and reason %q, want Conflict and to void the invoice", got.Kind, got.Reason)
	}
	b.wantEffects("ISSUED1")
}

func TestATaskThatNeedsAPersonAtECPayIsHeldAndDoesNotDie(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TRACK1"}))
	b.fake.Inject(ecpaytest.Match{Subject: "TRACK1"}, ecpaytest.Fault{RtnCode: 5070350, RtnMsg: "請確認字軌是否已新增、啟用或用罄"})
	b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "TRACK1")
	got := b.await(r.ID, "held")
	if got.Kind != "Operator" || got.Attempts != 0 || got.RtnCode != 5070350 || !strings.Contains(got.ReasonZh, "字軌") || got.NextAt.IsZero() {
		t.Errorf("got %+v, want held by Operator with 0 attempts, its code, what to do and when it goes on", got)
	}
	b.dashboard().runTask("/asynq", "retry_tasks", r.Queue, r.ID)
	b.waitFor(r.ID, "completed")
	b.wantEffects("TRACK1", "issued")
}
