package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/tracing"
)

// recorder keeps spans in memory.
func recorder(t *testing.T, options ...sdk.TracerProviderOption) (*sdk.TracerProvider, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	return sdk.NewTracerProvider(append(options, sdk.WithSyncer(spans))...), spans
}

func attributes(s tracetest.SpanStub) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

func trigger(tsr string) tasks.B2CTriggerIssue {
	return tasks.B2CTriggerIssue{MerchantID: ecpaytest.StageMerchantID, Tsr: tsr}
}

const triggerPath = "/B2CInvoice/TriggerIssue"

func TestATraceLeadsFromTheProducerOverTheAttemptsToECPay(t *testing.T) {
	t.Parallel()
	cfg, fake, rdb := setup(t)
	provider, spans := recorder(t)
	cfg.Traces = provider
	client, err := enqueue.New(enqueue.Config{Redis: rdb.Client(), Trace: tracing.New(provider, nil).Producer})
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: "TRACE1", RelateNumber: "RTRACE1"}); err != nil {
		t.Fatal(err)
	}
	// A refusal that is not the task's fault comes first: two attempts.
	fake.Inject(ecpaytest.Match{Subject: "TRACE1"}, ecpaytest.Fault{RtnCode: 9000001, RtnMsg: "呼叫財政部API失敗"})
	start(t, cfg)
	r, err := client.TriggerIssue(t.Context(), trigger("TRACE1"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both attempts are traced", func() bool { return len(spans.GetSpans()) == 5 })

	byName := map[string][]tracetest.SpanStub{}
	for _, s := range spans.GetSpans() {
		byName[s.Name] = append(byName[s.Name], s)
	}
	producers, attempts, requests := byName["send trigger_issue"], byName["process trigger_issue"], byName["POST "+triggerPath]
	if len(producers) != 1 || len(attempts) != 2 || len(requests) != 2 {
		t.Fatalf("got spans %v", byName)
	}
	producer := producers[0]
	if producer.SpanKind != trace.SpanKindProducer || producer.Parent.IsValid() {
		t.Errorf("the producer's span is a %s with the parent %v", producer.SpanKind, producer.Parent)
	}
	want := map[string]string{
		"messaging.system": "asynq", "messaging.destination.name": "trigger_issue",
		"messaging.operation.name": "send", "messaging.operation.type": "send",
		"messaging.message.id": r.ID, "ecpayq.task.type": "b2c:trigger_issue", "ecpayq.duplicate": "false",
	}
	if diff := cmp.Diff(want, attributes(producer)); diff != "" {
		t.Errorf("producer (-want +got):\n%s", diff)
	}
	for i, row := range []tracedAttempt{{"retry", "Unavailable", "9000001", codes.Error}, {"done", "OK", "4000004", codes.Unset}} {
		checkAttempt(t, i+1, attempts[i], producer, r.ID, row)
		checkRequest(t, i+1, requests[i], attempts[i], cfg.BaseURL, row)
	}
}

// tracedAttempt is what the spans of an attempt have to say.
type tracedAttempt struct {
	verdict, kind, rtnCode string
	status                 codes.Code
}

func checkAttempt(t *testing.T, n int, attempt, producer tracetest.SpanStub, id string, row tracedAttempt) {
	t.Helper()
	if attempt.SpanKind != trace.SpanKindConsumer || attempt.SpanContext.TraceID() != producer.SpanContext.TraceID() ||
		attempt.Parent.SpanID() != producer.SpanContext.SpanID() {
		t.Errorf("attempt %d: a %s in the trace %s below %s", n, attempt.SpanKind, attempt.SpanContext.TraceID(), attempt.Parent.SpanID())
	}
	if len(attempt.Links) != 1 || attempt.Links[0].SpanContext.SpanID() != producer.SpanContext.SpanID() ||
		attempt.Links[0].SpanContext.TraceID() != producer.SpanContext.TraceID() {
		t.Errorf("attempt %d: links %v, want one to the producer", n, attempt.Links)
	}
	want := map[string]string{
		"messaging.system": "asynq", "messaging.destination.name": "trigger_issue",
		"messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.message.id": id, "ecpayq.task.type": "b2c:trigger_issue",
		"ecpayq.attempt": fmt.Sprint(n), "ecpayq.verdict": row.verdict, "ecpayq.kind": row.kind,
	}
	got := attributes(attempt)
	if got["ecpayq.age_ratio"] == "" {
		t.Errorf("attempt %d has no age", n)
	}
	delete(got, "ecpayq.age_ratio")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attempt %d (-want +got):\n%s", n, diff)
	}
}

func checkRequest(t *testing.T, n int, request, attempt tracetest.SpanStub, base *url.URL, row tracedAttempt) {
	t.Helper()
	if request.SpanKind != trace.SpanKindClient || request.Parent.SpanID() != attempt.SpanContext.SpanID() ||
		request.SpanContext.TraceID() != attempt.SpanContext.TraceID() {
		t.Errorf("request %d: a %s below %s", n, request.SpanKind, request.Parent.SpanID())
	}
	if request.StartTime.Before(attempt.StartTime) || request.EndTime.After(attempt.EndTime) || !request.EndTime.After(request.StartTime) {
		t.Errorf("request %d from %s to %s, attempt from %s to %s", n, request.StartTime, request.EndTime, attempt.StartTime, attempt.EndTime)
	}
	want := map[string]string{
		"http.request.method": "POST", "http.response.status_code": "200", "url.full": base.String() + triggerPath,
		"server.address": base.Hostname(), "server.port": base.Port(),
		"ecpay.operation": "B2C TriggerIssue", "ecpay.trans_code": "1", "ecpay.rtn_code": row.rtnCode, "ecpayq.kind": row.kind,
	}
	if row.status == codes.Error {
		want["error.type"] = row.kind
	}
	if diff := cmp.Diff(want, attributes(request)); diff != "" || request.Status.Code != row.status {
		t.Errorf("request %d, status %v (-want +got):\n%s", n, request.Status, diff)
	}
}

func TestWhatIsNotSampledOrNotTracedTravelsWithNoTask(t *testing.T) {
	t.Parallel()
	_, _, rdb := setup(t)
	never, spans := recorder(t, sdk.WithSampler(sdk.NeverSample()))
	always, _ := recorder(t)
	stored := func(id string) string {
		t.Helper()
		msg, err := rdb.Client().HGet(t.Context(), asynqx.TaskKey("trigger_issue", id), "msg").Result()
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	for _, row := range []struct {
		name  string
		trace enqueue.TraceFunc
		opts  []enqueue.Option
		want  string
	}{
		{"OFF", nil, nil, ""},
		{"NEVER", tracing.New(never, nil).Producer, nil, ""},
		{"ALWAYS", tracing.New(always, nil).Producer, nil, "traceparent"},
		{"OWN", tracing.New(always, nil).Producer,
			[]enqueue.Option{enqueue.Trace(map[string]string{"traceparent": "the-caller's-own"})}, "the-caller's-own"},
	} {
		client, err := enqueue.New(enqueue.Config{Redis: rdb.Client(), Trace: row.trace})
		if err != nil {
			t.Fatal(err)
		}
		one, err := client.TriggerIssue(t.Context(), trigger(row.name), row.opts...)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{one.ID}
		p := trigger(row.name + "BATCH")
		for res := range client.Batch(t.Context(), func(yield func(enqueue.Item) bool) { yield(enqueue.Item{Payload: &p, Options: row.opts}) }) {
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			ids = append(ids, res.Receipt.ID)
		}
		for _, id := range ids {
			msg := stored(id)
			if got := strings.Contains(msg, "traceparent"); got != (row.want != "") || !strings.Contains(msg, row.want) {
				t.Errorf("%s: %q, want %q in it", id, msg, row.want)
			}
		}
	}
	if n := len(spans.GetSpans()); n != 0 {
		t.Errorf("%d spans that are not sampled", n)
	}
}

func TestAnEnqueueThatFailsIsTracedAsSuch(t *testing.T) {
	t.Parallel()
	provider, spans := recorder(t)
	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = away.Close() })
	client, err := enqueue.New(enqueue.Config{Redis: away, Trace: tracing.New(provider, nil).Producer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.TriggerIssue(t.Context(), trigger("AWAY")); err == nil {
		t.Fatal("no error without Redis")
	}
	got := spans.GetSpans()
	if len(got) != 1 || got[0].Status.Code != codes.Error || len(got[0].Events) != 0 {
		t.Errorf("got %+v, want one span of an error", got)
	}
}

// What dies, is held and is asked about, of a void whose texts a shop wrote.
func TestNoSpanHasAKeyOrAFieldOfAPayloadOrAnswer(t *testing.T) {
	t.Parallel()
	cfg, fake, rdb := setup(t)
	provider, spans := recorder(t)
	cfg.Traces = provider
	var log syncBuffer
	cfg.Logger = zerolog.New(&log)
	client, err := enqueue.New(enqueue.Config{Redis: rdb.Client(), Trace: tracing.New(provider, nil).Producer})
	if err != nil {
		t.Fatal(err)
	}
	const reason, remark, answer = "訂單取消甲乙丙", "王小明0912345678", "發票號碼錯誤丁戊己"
	for _, number := range []string{"VG11000001", "VG11000002"} {
		if err := fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: "2026-11-01"}); err != nil {
			t.Fatal(err)
		}
	}
	fake.Inject(ecpaytest.Match{Subject: "VG11000001", Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: answer})
	fake.Inject(ecpaytest.Match{Subject: "VG11000002", Operation: "B2B Invalid"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	start(t, cfg)
	for _, number := range []string{"VG11000001", "VG11000002"} {
		if _, err := client.Invalid(t.Context(), tasks.B2BInvalid{
			MerchantID: ecpaytest.StageMerchantID, InvoiceNumber: number, InvoiceDate: "2026-11-01", Reason: reason, Remark: remark,
		}); err != nil {
			t.Fatal(err)
		}
	}
	verdicts := func() map[string]bool {
		all := map[string]bool{}
		for _, s := range spans.GetSpans() {
			all[attributes(s)["ecpayq.verdict"]+attributes(s)["ecpay.operation"]] = true
		}
		return all
	}
	eventually(t, "one is dead and one is done after a question", func() bool {
		v := verdicts()
		return v["dead"] && v["done"] && v["retry"] && v["B2B GetInvalid"]
	})
	// That they were there to be leaked: the fake opened the requests.
	sent := 0
	for _, c := range fake.Calls() {
		if bytes.Contains(c.Data, []byte(reason)) && bytes.Contains(c.Data, []byte(remark)) {
			sent++
		}
	}
	if sent < 2 || !strings.Contains(log.String(), answer) {
		t.Fatalf("%d requests had the texts, and the log has the answer: %v", sent, strings.Contains(log.String(), answer))
	}
	for _, s := range spans.GetSpans() {
		text, err := json.Marshal(struct {
			Name   string
			Status sdk.Status
			A      []attribute.KeyValue
			E      []sdk.Event
			L      []sdk.Link
		}{s.Name, s.Status, s.Attributes, s.Events, s.Links})
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string]string{
			"the HashKey": ecpaytest.StageHashKey, "the HashIV": ecpaytest.StageHashIV,
			"the reason": reason, "the remark": remark, "ECPay's message": answer,
		} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the span %s has %s", s.Name, what)
			}
		}
	}
}
