package enqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
)

// Item is one intent of a [Client.Batch].
type Item struct {
	Payload tasks.Payload
	// Options are for this one, after those of the whole batch.
	Options []Option
	// Flush makes what was taken so far be stored and answered before the next
	// item is taken; Payload must be nil. A stream that has nothing more for now
	// wants that: a batch waits for many items otherwise.
	Flush bool
}

// Result is what became of one [Item].
type Result struct {
	// Index counts the items from 0, without those that only flush.
	Index int
	// Receipt is as of [Client.Enqueue]; its zero value when Err is set, unless that
	// is [ErrNotConfirmed].
	Receipt Receipt
	// Err is nil, or what [Client.Enqueue] would return: an [*ecpay.ValidationError],
	// an error that wraps [ErrRedis], and so on. The other items go on.
	Err error
}

const (
	// chunkSize is how many items go together: far more than it takes to make round
	// trips cheap.
	chunkSize = 512
	// maxOnWay is how many chunks are on their way at once: while Redis stores one, the
	// next ones are looked up and encoded, so that it never waits for them.
	maxOnWay = 4
)

// Batch stores many intents, each as [Client.Enqueue] would, with two round trips
// for hundreds of them instead of one for each. Results come in the order of the
// items. Memory does not grow with their number. Calling it again with the same
// items, after whatever interrupted it, is safe and stores what is missing.
//
// A batch ends early when ctx has ended: items without a result were not looked
// at. Each pipeline has Config.Timeout. With Config.Confirm each pipeline is
// confirmed as a whole, once for each of its queues.
//
// The items are taken in the goroutine of the caller, while the ones before them
// are being stored.
func (c *Client) Batch(ctx context.Context, items iter.Seq[Item], opts ...Option) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		b := &batch{c: c, capture: asynqx.NewCapture(c.rdb), yield: yield}
		defer b.wait() // after cancel: nothing of ours runs on when the caller goes on
		defer cancel()
		index, all := 0, call{by: "enqueue"}.with(opts)
		for item := range items {
			if ctx.Err() != nil {
				break
			}
			if !item.Flush {
				b.take(ctx, index, item, all)
				index++
			}
			if len(b.taken) == chunkSize && !b.send(ctx) || item.Flush && !(b.send(ctx) && b.deliverAll()) {
				return
			}
		}
		if ctx.Err() != nil || b.send(ctx) {
			b.deliverAll()
		}
	}
}

// batch is a [Client.Batch] that runs.
type batch struct {
	c       *Client
	capture *asynqx.Capture
	yield   func(Result) bool

	taken []entry
	onWay []*chunk  // the oldest first
	spare [][]entry // to take into
}

// entry is an item on its way.
type entry struct {
	intent
	index int
	err   error
	// open until it is known what became of it.
	open bool
	// known is what was there before.
	known earlier
	// placed means that it has a place in its merchant's line.
	placed bool
	asynqx.Command
}

func (b *batch) take(ctx context.Context, index int, item Item, o call) {
	e := entry{index: index}
	if item.Payload == nil {
		e.err = errors.New("enqueue: no payload")
	} else if err := item.Payload.Validate(); err != nil {
		e.err = fmt.Errorf("enqueue: %w", err)
	} else if o = o.with(item.Options); o.err != nil {
		e.err = o.err
	} else {
		b.c.traceItem(ctx, item.Payload, &o)
		e.intent, e.err = b.c.intent(item.Payload, o)
		e.open = e.err == nil
	}
	if b.taken == nil {
		b.taken = make([]entry, 0, chunkSize)
	}
	b.taken = append(b.taken, e)
}

// send sets what was taken on its way. It reports whether the caller wants more.
func (b *batch) send(ctx context.Context) bool {
	if len(b.taken) == 0 {
		return true
	}
	for len(b.onWay) >= maxOnWay {
		if !b.deliver() {
			return false
		}
	}
	ch := newChunk(b.taken, slices.Clone(b.onWay))
	b.onWay = append(b.onWay, ch)
	if b.taken = nil; len(b.spare) > 0 {
		b.taken, b.spare = b.spare[0], b.spare[1:]
	}
	go b.carry(ctx, ch)
	return true
}

func (b *batch) wait() {
	for _, ch := range b.onWay {
		<-ch.done
	}
}

func (b *batch) deliverAll() bool {
	for len(b.onWay) > 0 {
		if !b.deliver() {
			return false
		}
	}
	return true
}

// deliver waits for the oldest chunk and gives it to the caller.
func (b *batch) deliver() bool {
	ch := b.onWay[0]
	<-ch.done
	b.onWay = b.onWay[1:]
	for i := range ch.entries {
		e := &ch.entries[i]
		r := Result{Index: e.index, Receipt: e.receipt, Err: e.err}
		if e.err != nil && !errors.Is(e.err, ErrNotConfirmed) {
			r.Receipt = Receipt{}
		}
		if !b.yield(r) {
			return false
		}
	}
	if cap(ch.entries) == chunkSize {
		clear(ch.entries)
		b.spare = append(b.spare, ch.entries[:0])
	}
	return true
}
