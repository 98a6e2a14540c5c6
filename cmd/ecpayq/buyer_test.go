package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
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
	void := func(number string) string {
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
		return b.enqueue("invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", reason, "--remark", remark).ID
	}
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000091"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	b.fake.Inject(ecpaytest.Match{Subject: "VG11000092"}, ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"})
	dead, done := void("VG11000091"), void("VG11000092")
	b.waitFor(dead, "dead")
	b.waitFor(done, "completed")
	later := b.enqueue("invalid", "--invoice-number", "VG11000093", "--invoice-date", invoiceDate, "--reason", reason, "--remark", remark, "--process-in", "24h").ID
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
	pages()
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
	if len(traces.spans) < 6 || !strings.Contains(w.err.String(), dead) || !strings.Contains(metrics, "ecpayq_build_info") {
		t.Fatalf("too little was gathered: %d spans, %d bytes of logs, %d of metrics", len(traces.spans), len(w.err.String()), len(metrics))
	}
	buyer.search(t, "an exported trace", traces.raw.String())
}
