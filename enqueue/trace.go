package enqueue

import (
	"context"

	"github.com/ecpayq/ecpayq/tasks"
)

// TraceFunc begins the trace of a task that is about to be stored; r says which.
// It returns the W3C trace context that travels with the task, nil for none, and
// what is called when it is known what became of it.
type TraceFunc func(ctx context.Context, r Receipt) (carrier map[string]string, end func(Receipt, error))

// traced stores a payload with a trace, unless one was given with the call.
func (c *Client) traced(ctx context.Context, p tasks.Payload, o call) (Receipt, error) {
	if o.trace != nil {
		return c.enqueue(ctx, p, o)
	}
	var end func(Receipt, error)
	o.trace, end = c.cfg.Trace(ctx, about(p))
	r, err := c.enqueue(ctx, p, o)
	end(r, err)
	return r, err
}

// traceItem begins and ends the trace of an item of a batch, which says no more than
// that it was taken: many are stored at once.
func (c *Client) traceItem(ctx context.Context, p tasks.Payload, o *call) {
	if c.cfg.Trace == nil || o.trace != nil {
		return
	}
	var end func(Receipt, error)
	o.trace, end = c.cfg.Trace(ctx, about(p))
	end(about(p), nil)
}

func about(p tasks.Payload) Receipt {
	typ := tasks.TypeOf(p)
	return Receipt{ID: tasks.ID(p), Type: typ.Name, Queue: typ.Queue}
}
