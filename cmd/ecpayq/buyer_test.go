package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// textForms are the ways in which a text could be printed.
func textForms(text string) []string {
	ascii := strconv.QuoteToASCII(text)
	return []string{
		text, ascii[1 : len(ascii)-1], url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text)),
		base64.RawStdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
	}
}

func TestNoBuyersDataIsOnAPageInAMetricATraceALogOrTheAudit(t *testing.T) {
	t.Parallel()
	traces := newCollector(t)
	b := newBench(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": traces.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"})
	const remark, reason, corrected = "王小明 0912345678", "買家地址台北市信義路", "陳大文 0987654321"
	buyer := forbidden{"the remark": textForms(remark), "the reason": textForms(reason), "the corrected remark": textForms(corrected)}
	w, d := b.worker(), b.dashboard()
	void := func(number string, more ...string) string {
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
		return b.enqueue(append([]string{
			"invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", reason, "--remark", remark,
		}, more...)...).ID
	}
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000091"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000092"}, ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"})
	dead, done := void("VG11000091"), void("VG11000092")
	b.waitFor(dead, "dead")
	b.waitFor(done, "completed")
	wantSent(t, b.callsOn("VG11000091")[0], remark, reason)
	wantSent(t, b.callsOn("VG11000092")[0], remark, reason)
	later := void("VG11000093", "--process-in", "24h")
	if exported := b.dead("export").stdout; !strings.Contains(exported, remark) || !strings.Contains(exported, reason) {
		t.Fatalf("there is nothing to be shown: %s", exported)
	}
	pages := func() {
		t.Helper()
		for _, path := range []string{
			"/", "/dead?id=" + dead, "/dead?id=" + done, "/waiting", "/merchants", "/schedules", "/audit", "/asynq/", "/asynq/api/queues",
			"/asynq/api/queues/invalid/archived_tasks", "/asynq/api/queues/invalid/completed_tasks", "/asynq/api/queues/invalid/scheduled_tasks",
			"/asynq/api/queues/invalid/tasks/" + dead, "/asynq/api/queues/invalid/tasks/" + done, "/asynq/api/queues/invalid/tasks/" + later,
		} {
			status, body := d.get(path)
			if status != 200 || len(body) < 20 {
				t.Errorf("%s: got status %d and %d bytes", path, status, len(body))
			}
			buyer.search(t, path, body)
		}
	}
	pages()
	// A person corrects it, and it dies again.
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000091"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	b.dead("replay", dead, "--set", "Remark="+corrected, "--note", "by phone")
	b.eventually("it dies again", func() bool { return len(b.callsOn("VG11000091")) == 2 && b.look(dead).State == "dead" })
	wantSent(t, b.callsOn("VG11000091")[1], corrected)
	pages()
	searchAPIAndFeed(b, buyer, dead, done)

	// asynqmon's other lists, each while the task is in it.
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000094"}, slices.Repeat([]ecpaytest.Fault{{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"}}, 30)...)
	wantInList(b, d, buyer, "retry_tasks", void("VG11000094"))
	wantSent(t, b.callsOn("VG11000094")[0], remark, reason)
	release := b.bodies.hold("/B2BInvoice/Invalid")
	defer release()
	wantInList(b, d, buyer, "active_tasks", void("VG11000095"))
	if status, body := d.post("/asynq/api/queues/invalid:pause", nil); status != http.StatusNoContent {
		t.Fatalf("pause: got status %d\n%s", status, body)
	}
	wantInList(b, d, buyer, "pending_tasks", void("VG11000096"))
	release()
	b.eventually("the void that was on its way arrives", func() bool { return len(b.callsOn("VG11000095")) > 0 })
	wantSent(t, b.callsOn("VG11000095")[0], remark, reason)
	audit := b.run("audit").stdout
	if !strings.Contains(audit, "Remark") || !strings.Contains(audit, "by phone") {
		t.Errorf("the audit does not say what was corrected: %s", audit)
	}
	buyer.search(t, "the audit", audit)
	_, metrics := w.get("/metrics")
	buyer.search(t, "/metrics", metrics)
	w.stop()
	buyer.search(t, "the worker's log", w.err.String())
	buyer.search(t, "the dashboard's log", d.err.String())
	traces.mu.Lock()
	defer traces.mu.Unlock()
	if len(traces.spans) < 6 || !strings.Contains(w.err.String(), `"level":"debug"`) ||
		!strings.Contains(w.err.String(), dead) || !strings.Contains(metrics, "ecpayq_build_info") {
		t.Fatalf("too little was gathered: %d spans, %d bytes of logs, %d of metrics", len(traces.spans), len(w.err.String()), len(metrics))
	}
	buyer.search(t, "an exported trace", traces.raw.String())
}

// searchAPIAndFeed looks at what the API answers of two tasks that ended, and at the outcomes.
func searchAPIAndFeed(b *bench, buyer forbidden, dead, done string) {
	b.Helper()
	a := b.api(nil)
	for _, path := range []string{"/v1/outcomes", "/v1/tasks", "/v1/tasks/" + dead, "/v1/tasks/" + done} {
		answer := a.call("GET", path, "", "").wants(b.T, path, 200).body
		if !strings.Contains(answer, `"id":"`) {
			b.Errorf("%s has no task: %s", path, answer)
		}
		buyer.search(b.T, path, answer)
	}
	feed := b.run("outcomes").stdout
	if !strings.Contains(feed, dead) || !strings.Contains(feed, done) {
		b.Errorf("the feed lacks an end: %s", feed)
	}
	buyer.search(b.T, "the feed", feed)
	a.stop()
	buyer.search(b.T, "the API's log", a.err.String())
}

// wantSent proves that there was something to be shown.
func wantSent(t *testing.T, call ecpaytest.Call, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(call.Data), text) {
			t.Fatalf("ECPay was not sent %s: this shows nothing", text)
		}
	}
}

// wantInList looks at a list of asynq's pages once the task is in it.
func wantInList(b *bench, d *child, buyer forbidden, list, id string) {
	b.Helper()
	var body string
	b.eventually(id+" is among "+list, func() bool {
		_, body = d.get("/asynq/api/queues/invalid/" + list)
		buyer.search(b.T, list, body)
		return strings.Contains(body, id)
	})
	if !strings.Contains(body, "InvoiceNumber") {
		b.Errorf("%s shows no payload at all: %s", list, body)
	}
}

// ECPay's message is kept as it came, and shown, whatever it repeats: the README says
// so. Metrics, traces and the audit have no message at all.
func TestAMessageOfECPaysIsNeitherMeasuredNorTracedNorAudited(t *testing.T) {
	t.Parallel()
	traces := newCollector(t)
	b := newBench(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": traces.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"})
	const remark = "林美麗 0922333444"
	message := forbidden{"the message": textForms(remark)}
	w := b.worker()
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000097", InvoiceDate: invoiceDate}))
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000097"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "備註 " + remark + " 格式錯誤"})
	id := b.enqueue("invalid", "--invoice-number", "VG11000097", "--invoice-date", invoiceDate, "--reason", "訂單取消", "--remark", remark).ID
	if got := b.waitFor(id, "dead"); !strings.Contains(got.RtnMsg, remark) {
		t.Fatalf("got the message %q, want it as it came", got.RtnMsg)
	}
	b.dead("resolve", id, "--note", "by phone")
	message.search(t, "the audit", b.run("audit").stdout)
	_, metrics := w.get("/metrics")
	message.search(t, "/metrics", metrics)
	w.stop()
	traces.mu.Lock()
	defer traces.mu.Unlock()
	if len(traces.spans) < 3 {
		t.Fatalf("got %d spans only", len(traces.spans))
	}
	message.search(t, "an exported trace", traces.raw.String())
}
