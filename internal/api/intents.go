package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// postIntent stores an intent. Once it was read it is stored also when the client goes.
func (a *API) postIntent(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	body, p := a.readBody(w, r, intents.MaxSize)
	if p != nil {
		return p
	}
	item, err := intents.Parse(body)
	if err != nil {
		return problemOf(err, tasks.Type{})
	}
	typ := tasks.TypeOf(item.Payload)
	if p := check(who, item.Payload); p != nil {
		return p
	}
	ctx := context.WithoutCancel(r.Context())
	forget := func() {}
	if key := r.Header.Values("Idempotency-Key"); len(key) > 0 {
		if forget, p = a.keep(ctx, who, key, body); p != nil {
			return p
		}
	}
	ctx, opts := a.traced(ctx, r.Header, []enqueue.Option{enqueue.By(by(who))})
	receipt, err := a.cfg.Client.Enqueue(ctx, item.Payload, append(opts, item.Options...)...)
	if err != nil {
		return problemOf(err, typ)
	}
	if p := stands(receipt); p != nil {
		forget() // nothing was stored, and another body may be what is needed
		return a.withLetter(ctx, p, receipt.ID)
	}
	status := http.StatusCreated
	if receipt.Duplicate {
		status = http.StatusOK
	}
	w.Header().Set("Location", taskPath(receipt.ID))
	writeJSON(w, status, receipt)
	return nil
}

// check refuses an intent that ECPay would refuse, or of a merchant that the token is not for.
func check(who auth.Token, p tasks.Payload) *Problem {
	if err := p.Validate(); err != nil {
		return problemOf(err, tasks.TypeOf(p))
	}
	return owns(who, p.Request().Merchant())
}

// taskPath is where a task is. An id may stand in a path as it is.
func taskPath(id string) string { return "/v1/tasks/" + id }

// stands is the problem of an intent whose earlier task stands, and is dead or asks for something
// else; nil for any other.
func stands(r enqueue.Receipt) *Problem {
	var p *Problem
	list := strings.Join(r.Differs, ", ")
	switch {
	case !r.Duplicate || r.State != record.StateDead && len(r.Differs) == 0:
		return nil
	case r.State == record.StateDead:
		p = newProblem(dead, record.Text{
			En: "this was enqueued before and is dead; nothing was stored. replace_dead true runs this one in its place",
			Zh: "相同的任務已存在且已終止，未儲存任何內容；replace_dead 設為 true 可由此取代並執行",
		})
	default:
		p = newProblem(differs, record.Text{
			En: "this was enqueued before with another " + list + ", and the earlier one stands; nothing was stored",
			Zh: "相同的任務已存在，但 " + list + " 不同；以先前的為準，未儲存任何內容",
		})
	}
	p.State, p.Differs, p.Task = r.State, r.Differs, taskPath(r.ID)
	for _, name := range r.Differs {
		p.Errors = append(p.Errors, FieldProblem{Field: name, Message: "differs from the earlier task", MessageZh: "與先前的任務不同"})
	}
	return p
}

// withLetter adds what a dead task died of, and what to do.
func (a *API) withLetter(ctx context.Context, p *Problem, id string) *Problem {
	if p.State != record.StateDead {
		return p
	}
	letter, err := a.cfg.Ledger.Get(ctx, id)
	if errors.Is(err, deadletter.ErrNotFound) { // not yet in the ledger, or done meanwhile
		return p
	}
	if err != nil {
		return away(err)
	}
	p.Kind, p.RtnCode, p.Advice, p.AdviceZh = letter.Kind.String(), letter.RtnCode, letter.Advice, letter.AdviceZh
	return p
}

// maxTraceState is how much of other systems' words is stored with each task, as W3C asks for at least.
const maxTraceState = 512

// traced goes on with the trace of a request: in ctx where the client of the queue begins one for
// each task, else with the task as it is.
func (a *API) traced(ctx context.Context, h http.Header, opts []enqueue.Option) (context.Context, []enqueue.Option) {
	var w3c propagation.TraceContext
	ctx = w3c.Extract(ctx, propagation.HeaderCarrier(h))
	if a.cfg.Traced || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, opts
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(ctx, carrier) // what is no trace context is not in it
	if len(carrier.Get("tracestate")) > maxTraceState {
		delete(carrier, "tracestate")
	}
	return ctx, append(opts, enqueue.Trace(carrier))
}
