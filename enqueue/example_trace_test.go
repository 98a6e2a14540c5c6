package enqueue_test

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/enqueue"
)

// A shop that traces its requests with OpenTelemetry lets the trace go on in the
// workers: every attempt and every exchange with ECPay is then part of it.
func ExampleTraceFunc() {
	redisURL, stop := startRedis()
	defer stop()
	tracer := sdk.NewTracerProvider().Tracer("shop")
	client, err := enqueue.New(enqueue.Config{
		RedisURL: redisURL,
		Trace: func(ctx context.Context, r enqueue.Receipt) (map[string]string, func(enqueue.Receipt, error)) {
			ctx, span := tracer.Start(ctx, "send "+r.Queue, trace.WithSpanKind(trace.SpanKindProducer))
			carrier := propagation.MapCarrier{}
			if span.SpanContext().IsSampled() { // it is stored with the task
				propagation.TraceContext{}.Inject(ctx, carrier)
			}
			return carrier, func(_ enqueue.Receipt, err error) {
				if err != nil {
					span.SetStatus(codes.Error, "not enqueued")
				}
				span.End()
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx, span := tracer.Start(context.Background(), "checkout")
	defer span.End()
	r, err := client.TriggerIssue(ctx, enqueue.TriggerIssue{MerchantID: "2000132", Tsr: "ORDER1001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	task, err := client.Task(ctx, r.ID)
	fmt.Println(strings.Contains(task.Headers["traceparent"], span.SpanContext().TraceID().String()), err)
	// Output: true <nil>
}
