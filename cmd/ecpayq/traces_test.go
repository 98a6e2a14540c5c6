package main_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// otlpCollector takes what is exported.
type otlpCollector struct {
	*httptest.Server
	mu       sync.Mutex
	services map[string]bool
	spans    []*otlp.Span
	raw      strings.Builder
}

func newCollector(t *testing.T) *otlpCollector {
	c := &otlpCollector{services: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, rs := range req.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					c.services[a.Value.GetStringValue()] = true
				}
			}
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// byName returns the spans of which there is one.
func (c *otlpCollector) byName() map[string]*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[string]*otlp.Span{}
	for _, s := range c.spans {
		m[s.Name] = s
	}
	return m
}

func TestTheStandardVariablesExportOneTraceOfProducerWorkerAndECPay(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	b := newBench(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_SERVICE_NAME": "shop", "OTEL_BSP_SCHEDULE_DELAY": "100"})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "OTEL1", RelateNumber: "ROTEL1"}))
	w := b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "OTEL1", "--relate-number", "ROTEL1", "--delay-day", "0")
	b.waitFor(r.ID, "completed")
	w.stop()
	spans := c.byName()
	producer, attempt, request := spans["send trigger_issue"], spans["process trigger_issue"], spans["POST /B2CInvoice/TriggerIssue"]
	if producer == nil || attempt == nil || request == nil || len(spans) != 3 {
		t.Fatalf("got spans %v", spans)
	}
	id := hex.EncodeToString
	if id(attempt.TraceId) != id(producer.TraceId) || id(attempt.ParentSpanId) != id(producer.SpanId) ||
		len(attempt.Links) != 1 || id(attempt.Links[0].SpanId) != id(producer.SpanId) {
		t.Errorf("the attempt %v does not follow the producer %v", attempt, producer)
	}
	if id(request.TraceId) != id(producer.TraceId) || id(request.ParentSpanId) != id(attempt.SpanId) {
		t.Errorf("the request %v is not of the attempt %v", request, attempt)
	}
	if !c.services["shop"] || len(c.services) != 1 {
		t.Errorf("exported as %v, want as OTEL_SERVICE_NAME says", c.services)
	}
	secret := forbidden{"the HashKey": secretForms(ecpaytest.StageHashKey), "the HashIV": secretForms(ecpaytest.StageHashIV)}
	for _, body := range b.bodies.all() {
		var env struct{ Data string }
		b.must(json.Unmarshal([]byte(body), &env))
		secret["the ciphertext of a request"] = append(secret["the ciphertext of a request"], env.Data[:32])
	}
	if len(secret["the ciphertext of a request"]) == 0 || !strings.Contains(c.raw.String(), r.ID) {
		t.Fatal("nothing was sent, or nothing exported")
	}
	secret.search(t, "an export", c.raw.String())
}

func TestTracesAreOffUnlessConfiguredAndNeverInTheWay(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "OTEL2"}))
	w := b.worker(env{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "50"})
	off := b.enqueue("trigger-issue", "--tsr", "OTEL2", "--relate-number", "OTEL2")
	b.waitFor(off.ID, "completed")
	if msg, err := b.redis.Client().HGet(t.Context(), "asynq:{trigger_issue}:t:"+off.ID, "msg").Result(); err != nil ||
		strings.Contains(msg, "traceparent") {
		t.Errorf("a task of a producer without traces: %q, %v", msg, err)
	}
	// A collector that is away costs a line.
	w.awaitLog("traces are not exported")
	r := b.runWith(env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "200"},
		"enqueue", "trigger-issue", "--tsr", "OTEL3")
	if r.code != 0 || !strings.Contains(r.stderr, "traces are not exported") {
		t.Errorf("exit code %d, %s", r.code, r.stderr)
	}
	w.stop()
	for _, row := range []struct {
		changes env
		want    string
	}{
		{env{"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"},
		{env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"},
	} {
		if r := b.runWith(row.changes, "worker"); r.code != 2 || !strings.Contains(r.stderr, row.want) {
			t.Errorf("%v: exit code %d, %s", row.changes, r.code, r.stderr)
		}
	}
	for _, changes := range []env{
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		if r := b.runWith(changes, "enqueue", "trigger-issue", "--tsr", "OTEL4"); r.code != 0 || strings.Contains(r.stderr, "traces") {
			t.Errorf("%v: exit code %d, %s", changes, r.code, r.stderr)
		}
	}
}

// attempts are the spans of attempts that belong to a trace.
func (c *otlpCollector) attempts(traceID string) (all []*otlp.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == traceID && strings.HasPrefix(s.Name, "process ") {
			all = append(all, s)
		}
	}
	return all
}

func TestATraceThatComesByHTTPGoesOnInTheWorkersIfItIsSampled(t *testing.T) {
	t.Parallel()
	own := newCollector(t)
	c := newCollector(t)
	b := newBench(t, nil)
	exported := func(to *otlpCollector) env {
		return env{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"}
	}
	plain, traced := b.api(nil), b.api(exported(own))
	w := b.worker(exported(c))
	const traceID, spanID = "4bf92f3577b34da6a3ce929d0e0e47%02x", "00f067aa0ba902b7"
	rows := []struct {
		name    string
		api     *child
		batch   bool
		sampled bool
	}{
		{"an intent", plain, false, true}, {"a batch", plain, true, true}, {"not sampled", plain, false, false},
		{"with spans of the API's own", traced, false, true}, {"a batch with them", traced, true, true},
	}
	for n, row := range rows {
		id, tsr := fmt.Sprintf(traceID, n), fmt.Sprintf("PARENT%d", n)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		path, status := "/v1/intents", 201
		if row.batch {
			path, status = "/v1/intents/batch", 200
		}
		flags := map[bool]string{true: "-01", false: "-00"}[row.sampled]
		row.api.call("POST", path, "", triggerIntent(tsr, ""), "traceparent", "00-"+id+"-"+spanID+flags).wants(t, row.name, status)
		b.waitFor(triggerID(tsr), "completed")
	}
	w.stop()
	plain.stop()
	traced.stop()
	for n, row := range rows {
		id := fmt.Sprintf(traceID, n)
		got := c.attempts(id)
		if len(got) != map[bool]int{true: 1}[row.sampled] {
			t.Errorf("%s: got %d attempts in the trace", row.name, len(got))
			continue
		}
		if row.sampled && row.api == plain && hex.EncodeToString(got[0].ParentSpanId) != spanID {
			t.Errorf("%s: the attempt's parent is %x, want %s", row.name, got[0].ParentSpanId, spanID)
		}
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	sends := map[string]string{}
	for _, s := range own.spans {
		sends[hex.EncodeToString(s.SpanId)] = hex.EncodeToString(s.TraceId) + " " + hex.EncodeToString(s.ParentSpanId)
	}
	for n := len(rows) - 2; n < len(rows); n++ {
		id := fmt.Sprintf(traceID, n)
		for _, a := range c.attempts(id) {
			if got := sends[hex.EncodeToString(a.ParentSpanId)]; got != id+" "+spanID {
				t.Errorf("%s: the attempt follows %q, want a span of the API's that follows the caller", rows[n].name, got)
			}
		}
	}
}
