package api

import (
	"context"
	"fmt"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
)

// Intents that come at the same moment go to Redis together, in a pipeline for all of them. One
// that comes alone goes at once; those that come while others are on their way wait for the next
// pipeline, which is not long.
const (
	// togetherLines is how many pipelines are on their way at once.
	togetherLines = 2
	// togetherMost is how many intents one of them has.
	togetherMost = 128
)

// together stores intents of many requests. Its methods are for many goroutines at once.
type together struct {
	client *enqueue.Client
	in     chan stored
	ended  <-chan struct{}
}

// stored is an intent on its way, and where its result is awaited.
type stored struct {
	enqueue.Item
	result chan enqueue.Result
}

// newTogether returns one that ends with ctx.
func newTogether(ctx context.Context, client *enqueue.Client) *together {
	t := &together{client: client, in: make(chan stored, togetherMost), ended: ctx.Done()}
	for range togetherLines {
		go t.line(ctx)
	}
	return t
}

// errStopped leaves open whether an intent was stored.
var errStopped = fmt.Errorf("the API has stopped: %w", enqueue.ErrRedis)

// enqueue is [enqueue.Client.Enqueue].
func (t *together) enqueue(p tasks.Payload, opts []enqueue.Option) (enqueue.Receipt, error) {
	s := stored{enqueue.Item{Payload: p, Options: opts}, make(chan enqueue.Result, 1)}
	select {
	case t.in <- s:
	case <-t.ended:
		return enqueue.Receipt{}, errStopped
	}
	select {
	case r := <-s.result:
		return r.Receipt, r.Err
	case <-t.ended:
		return enqueue.Receipt{}, errStopped
	}
}

// line stores what has come, again and again.
func (t *together) line(ctx context.Context) {
	for {
		select {
		case first := <-t.in:
			t.store(ctx, first)
		case <-ctx.Done():
			return
		}
	}
}

// store stores an intent and those that have come with it.
func (t *together) store(ctx context.Context, first stored) {
	all := []stored{first}
	for more := true; more && len(all) < togetherMost; {
		select {
		case s := <-t.in:
			all = append(all, s)
		default:
			more = false
		}
	}
	if len(all) == 1 {
		r, err := t.client.Enqueue(ctx, first.Payload, first.Options...)
		first.result <- enqueue.Result{Receipt: r, Err: err}
		return
	}
	items := func(yield func(enqueue.Item) bool) {
		for _, s := range all {
			if !yield(s.Item) {
				return
			}
		}
	}
	answered := 0
	for r := range t.client.Batch(ctx, items) {
		all[r.Index].result <- r
		answered++
	}
	for _, s := range all[answered:] { // results come in order
		s.result <- enqueue.Result{Err: errStopped}
	}
}
