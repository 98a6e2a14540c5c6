package tracing

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker"
)

func TestTracesAreWantedOnlyWhereTheStandardVariablesSaySo(t *testing.T) {
	t.Parallel()
	const endpoint, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, row := range []struct {
		env  map[string]string
		want bool
		err  string
	}{
		{nil, false, ""},
		{map[string]string{"OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_SAMPLER": "always_on"}, false, ""},
		{map[string]string{endpoint: "http://x"}, true, ""},
		{map[string]string{traces: "http://x"}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", endpoint: "http://x"}, false, ""},
		{map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, false, ""},
		{map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, false, ""},
		{map[string]string{"OTEL_SDK_DISABLED": "1", "OTEL_TRACES_EXPORTER": "otlp"}, true, ""}, // which the specification takes for false
		{map[string]string{endpoint: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, ""},
		{map[string]string{endpoint: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "grpc"},
		{map[string]string{endpoint: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
			true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "console"}, false, "console"},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""}, // for metrics or logs of something else
	} {
		got, err := Wanted(func(name string) (string, bool) { v, ok := row.env[name]; return v, ok })
		if got != row.want || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%v: got %v, %v; want %v and an error about %q", row.env, got, err, row.want, row.err)
		}
	}
}

func TestASpanOfAnAttemptSaysWhatTheTaskWaitsForAndWhatIsLost(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	o := New(sdk.NewTracerProvider(sdk.WithSyncer(spans)), nil).Observer(worker.Observer{})
	denied := worker.Verdict{Action: worker.Hold, Kind: ecpay.Denied}
	for _, denied.Reason = range worker.Reasons() {
		if denied.Wait() == worker.WaitKeys {
			break
		}
	}
	for _, row := range []struct {
		f      worker.Finished
		want   map[string]string
		status codes.Code
	}{
		{worker.Finished{Verdict: denied}, map[string]string{"ecpayq.wait": "denied", "ecpayq.kind": "Denied"}, codes.Unset},
		{worker.Finished{Verdict: worker.Verdict{Action: worker.Dead, Kind: ecpay.Rejected}},
			map[string]string{"ecpayq.verdict": "dead"}, codes.Error},
		{worker.Finished{Verdict: worker.Verdict{Action: worker.Done}, Loss: worker.NotRecorded},
			map[string]string{"ecpayq.loss": "not_recorded"}, codes.Error},
		{worker.Finished{Verdict: worker.Verdict{Action: worker.Retry}},
			map[string]string{"ecpayq.verdict": "retry", "ecpayq.wait": "", "ecpayq.loss": ""}, codes.Unset},
	} {
		spans.Reset()
		// A carrier that is no trace context begins a trace of its own.
		o.Attempt(o.Start(context.Background(), "b2b:invalid", map[string]string{"traceparent": "nonsense"}), row.f)
		got := spans.GetSpans()
		if len(got) != 1 || len(got[0].Links) != 0 || got[0].Parent.IsValid() || got[0].Status.Code != row.status {
			t.Fatalf("%+v: got %+v", row.f, got)
		}
		attributes := map[string]string{}
		for _, a := range got[0].Attributes {
			attributes[string(a.Key)] = a.Value.String()
		}
		for name, want := range row.want {
			if attributes[name] != want {
				t.Errorf("%+v: %s is %q, want %q", row.f, name, attributes[name], want)
			}
		}
	}
}
