// Package tracing makes OpenTelemetry spans of what producers and workers do with
// tasks. A trace begins where a task is enqueued; its context travels in the
// task's headers, so that every attempt and every exchange with ECPay is in it.
//
// A span has ids, codes, kinds and times. It has nothing of a payload, of an answer
// or of a key: ECPay's messages are not in it either.
package tracing

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/worker"
)

// Tracing makes spans. It is safe for concurrent use.
type Tracing struct {
	tracer trace.Tracer
	ecpay  *url.URL
}

// New returns a Tracing; base is where ECPay is, nil where no worker is traced.
func New(p trace.TracerProvider, base *url.URL) *Tracing {
	if base == nil {
		base = &url.URL{}
	}
	return &Tracing{tracer: p.Tracer("github.com/ecpayq/ecpayq"), ecpay: base}
}

var w3c propagation.TraceContext

// Names are those of OpenTelemetry's conventions for messaging and HTTP, and of
// our own where those have none.
const (
	system    = attribute.Key("messaging.system")
	queue     = attribute.Key("messaging.destination.name")
	operation = attribute.Key("messaging.operation.name")
	opType    = attribute.Key("messaging.operation.type")
	messageID = attribute.Key("messaging.message.id")
	errorType = attribute.Key("error.type")
	method    = attribute.Key("http.request.method")
	status    = attribute.Key("http.response.status_code")
	host      = attribute.Key("server.address")
	port      = attribute.Key("server.port")
	fullURL   = attribute.Key("url.full")

	taskType  = attribute.Key("ecpayq.task.type")
	attempt   = attribute.Key("ecpayq.attempt")
	verdict   = attribute.Key("ecpayq.verdict")
	kind      = attribute.Key("ecpayq.kind")
	wait      = attribute.Key("ecpayq.wait")
	loss      = attribute.Key("ecpayq.loss")
	age       = attribute.Key("ecpayq.age_ratio")
	duplicate = attribute.Key("ecpayq.duplicate")
	ecpayOp   = attribute.Key("ecpay.operation")
	transCode = attribute.Key("ecpay.trans_code")
	rtnCode   = attribute.Key("ecpay.rtn_code")
)

// Producer is for [enqueue.Config]. Nothing travels with a task whose trace is not
// sampled: it would be stored with every task.
func (t *Tracing) Producer(ctx context.Context, r enqueue.Receipt) (carrier map[string]string, end func(enqueue.Receipt, error)) {
	ctx, span := t.tracer.Start(ctx, "send "+r.Queue, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		system.String("asynq"), queue.String(r.Queue), operation.String("send"), opType.String("send"),
		messageID.String(r.ID), taskType.String(r.Type),
	))
	if span.SpanContext().IsSampled() {
		carrier = map[string]string{}
		w3c.Inject(ctx, propagation.MapCarrier(carrier))
	}
	return carrier, func(r enqueue.Receipt, err error) {
		span.SetAttributes(duplicate.Bool(r.Duplicate))
		if err != nil {
			span.SetStatus(codes.Error, "not enqueued")
		}
		span.End()
	}
}

// Observer adds spans of attempts to what o is told.
//
// A span of an attempt is both a child of its producer's and linked to it: a child,
// so that one trace shows all of a task and whether it is sampled is decided once;
// linked, as the conventions have it for what is taken from a queue.
func (t *Tracing) Observer(o worker.Observer) worker.Observer {
	o.Start = func(ctx context.Context, typ string, carrier map[string]string) context.Context {
		options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			system.String("asynq"), operation.String("process"), opType.String("process"), taskType.String(typ),
		)}
		ctx = w3c.Extract(ctx, propagation.MapCarrier(carrier))
		if producer := trace.SpanContextFromContext(ctx); producer.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: producer}))
		}
		ctx, _ = t.tracer.Start(ctx, "process", options...)
		return ctx
	}
	next := o.Attempt
	o.Attempt = func(ctx context.Context, f worker.Finished) {
		if next != nil {
			next(ctx, f)
		}
		finish(trace.SpanFromContext(ctx), f)
	}
	return o
}

func finish(span trace.Span, f worker.Finished) {
	span.SetName("process " + f.Queue)
	span.SetAttributes(
		queue.String(f.Queue), messageID.String(f.ID), attempt.Int(f.Attempt), verdict.String(f.Verdict.Action.String()),
		kind.String(f.Verdict.Kind.String()), age.Float64(f.Age),
	)
	if w := f.Verdict.Wait(); w != "" {
		span.SetAttributes(wait.String(string(w)))
	}
	switch {
	case f.Loss != worker.Recorded:
		span.SetAttributes(loss.String(f.Loss.String()))
		span.SetStatus(codes.Error, "verdict not recorded")
	case f.Verdict.Action == worker.Dead:
		span.SetStatus(codes.Error, "dead")
	}
	span.End()
}

// Exchange is for [ecpay.Config]: a span of an exchange that has ended.
func (t *Tracing) Exchange(ctx context.Context, x ecpay.Exchange) {
	end := time.Now()
	at := t.ecpay.JoinPath(x.Operation.Path())
	attributes := []attribute.KeyValue{
		method.String("POST"), host.String(at.Hostname()), fullURL.String(at.String()),
		ecpayOp.String(x.Operation.String()), kind.String(x.Kind.String()),
	}
	if n, err := strconv.Atoi(at.Port()); err == nil {
		attributes = append(attributes, port.Int(n))
	}
	if x.Status != 0 {
		attributes = append(attributes, status.Int(x.Status), transCode.Int(x.TransCode), rtnCode.Int64(x.RtnCode))
	}
	_, span := t.tracer.Start(ctx, "POST "+x.Operation.Path(),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(end.Add(-x.Duration)),
		trace.WithAttributes(attributes...))
	if x.Kind != ecpay.OK {
		span.SetAttributes(errorType.String(x.Kind.String()))
		span.SetStatus(codes.Error, x.Kind.String())
	}
	span.End(trace.WithTimestamp(end))
}
