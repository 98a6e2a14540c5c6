package enqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
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
	// chunkSize is how many items one pipeline carries: far more than it takes to
	// make round trips cheap, and little enough that Redis serves others in between.
	chunkSize = 512
	// lookers is how many earlier tasks are looked at side by side.
	lookers = 16
)

// Batch stores many intents, each as [Client.Enqueue] would, with two round trips
// for hundreds of them instead of two for each. Results come in the order of the
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
		b := &batch{c: c, collector: newCollector(c.rdb), yield: yield}
		b.asynq = asynq.NewClientFromRedisClient(b.collector)
		defer b.wait() // after cancel: nothing of ours runs on when the caller goes on
		defer cancel()
		index, all := 0, call{by: "enqueue"}.with(opts)
		for item := range items {
			if ctx.Err() != nil {
				break
			}
			if !item.Flush {
				b.take(index, item, all)
				index++
			}
			if len(b.taken) == chunkSize && !b.send(ctx) || item.Flush && !(b.send(ctx) && b.deliver()) {
				return
			}
		}
		if ctx.Err() != nil || b.send(ctx) {
			b.deliver()
		}
	}
}

// batch is a [Client.Batch] that runs. One chunk is taken while another is on its
// way.
type batch struct {
	c         *Client
	collector *collector
	asynq     *asynq.Client
	yield     func(Result) bool

	taken []entry
	onWay []entry
	done  chan struct{} // closed when onWay is answered; nil when nothing is
}

// entry is an item on its way.
type entry struct {
	intent
	index int
	err   error
	// open until it is known what became of it.
	open bool
	command
	answer *redis.Cmd
}

func (b *batch) take(index int, item Item, o call) {
	e := entry{index: index}
	if item.Payload == nil {
		e.err = errors.New("enqueue: no payload")
	} else if err := item.Payload.Validate(); err != nil {
		e.err = fmt.Errorf("enqueue: %w", err)
	} else {
		e.intent, e.err = b.c.intent(item.Payload, o.with(item.Options))
		e.open = e.err == nil
	}
	b.taken = append(b.taken, e)
}

// send sets what was taken on its way, after what is on its way is delivered. It
// reports whether the caller wants more.
//
// What can be done before that is done first: Redis stores one chunk while the
// next is looked up and encoded.
func (b *batch) send(ctx context.Context) bool {
	chunk := b.taken
	var slow []func()
	for e, known := range b.lookUp(ctx, chunk) {
		slow = append(slow, b.later(ctx, e, func(ctx context.Context) (Receipt, error) { return b.c.ended(ctx, &e.intent, known) }))
	}
	b.encode(ctx, chunk)
	if !b.deliver() {
		return false
	}
	b.taken, b.onWay = b.onWay[:0], chunk
	done := make(chan struct{})
	b.done = done
	go func() {
		defer close(done)
		b.store(ctx, chunk, slow)
	}()
	return true
}

func (b *batch) wait() {
	if b.done != nil {
		<-b.done
	}
}

// deliver waits for what is on its way and gives it to the caller.
func (b *batch) deliver() bool {
	b.wait()
	b.done = nil
	for i := range b.onWay {
		e := &b.onWay[i]
		r := Result{Index: e.index, Receipt: e.receipt, Err: e.err}
		if e.err != nil && !errors.Is(e.err, ErrNotConfirmed) {
			r.Receipt = Receipt{}
		}
		if !b.yield(r) {
			return false
		}
	}
	clear(b.onWay)
	b.onWay = b.onWay[:0]
	return true
}

func (e *entry) settle(r Receipt, err error) { e.receipt, e.err, e.open = r, err, false }

// later settles e when it is called.
func (b *batch) later(ctx context.Context, e *entry, describe func(context.Context) (Receipt, error)) func() {
	e.open = false
	return func() { e.settle(b.c.lookAt(ctx, e, describe)) }
}

// store settles what is not yet settled of a chunk; slow does so for what was
// there before.
func (b *batch) store(ctx context.Context, chunk []entry, slow []func()) {
	for e := range b.pipeline(ctx, chunk) {
		slow = append(slow, b.later(ctx, e, func(ctx context.Context) (Receipt, error) {
			return b.c.conflict(ctx, &e.intent)
		}))
	}
	inParallel(slow)
	if b.c.cfg.Confirm.Wanted() {
		b.confirm(ctx, chunk)
	}
}

// lookAt describes the task that was there before e, or does with it what else is
// to be done.
func (c *Client) lookAt(ctx context.Context, e *entry, describe func(context.Context) (Receipt, error)) (Receipt, error) {
	short, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	r, err := describe(short)
	gone := errors.Is(err, record.ErrNotFound) // a moment later: it is no duplicate
	replace := e.replaceDead && (r.Duplicate && r.State == record.StateDead || errors.Is(err, ErrStuck))
	if gone || replace {
		return c.enqueue(ctx, e.payload, e.call)
	}
	return r, err
}

func inParallel(work []func()) {
	var wg sync.WaitGroup
	places := make(chan struct{}, lookers)
	for _, f := range work {
		places <- struct{}{}
		wg.Go(func() {
			f()
			<-places
		})
	}
	wg.Wait()
}

// lookUp yields the entries whose task has ended before, done or dead, and
// settles those of which that cannot be read. It takes one round trip: the keys
// of one merchant share a slot, so that two commands read them all.
func (b *batch) lookUp(ctx context.Context, chunk []entry) iter.Seq2[*entry, earlier] {
	type ledger struct {
		entries []*entry
		ids     []string
		markers []string
		dead    *redis.FloatSliceCmd
		done    *redis.SliceCmd
	}
	ledgers := map[string]*ledger{}
	for i := range chunk {
		if e := &chunk[i]; e.open {
			owner := record.Owner(e.receipt.ID)
			l := ledgers[owner]
			if l == nil {
				l = &ledger{}
				ledgers[owner] = l
			}
			l.entries, l.ids, l.markers = append(l.entries, e), append(l.ids, e.receipt.ID), append(l.markers, record.DoneKey(e.receipt.ID))
		}
	}
	return func(yield func(*entry, earlier) bool) {
		err := b.c.trip(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
			for owner, l := range ledgers {
				l.dead, l.done = pipe.ZMScore(ctx, record.OwnerDeadKey(owner), l.ids...), pipe.MGet(ctx, l.markers...)
			}
		})
		for _, l := range ledgers {
			lerr := err
			if lerr == nil {
				lerr = errors.Join(unlessMissing(l.dead.Err()), unlessMissing(l.done.Err()))
			}
			for i, e := range l.entries {
				if lerr != nil {
					e.settle(Receipt{}, redisError(ctx, e.receipt.ID, lerr))
					continue
				}
				// The score is the time of death, 0 without one.
				known := earlier{dead: i < len(l.dead.Val()) && l.dead.Val()[i] != 0, done: i < len(l.done.Val()) && l.done.Val()[i] != nil}
				if known.stands(e.payload) && !yield(e, known) {
					return
				}
			}
		}
	}
}

func unlessMissing(err error) error {
	if record.Missing(err) {
		return nil
	}
	return err
}

// trip sends one pipeline. The answers are in its commands, each for itself,
// unless an error is returned: then they must not be read, since a client that
// ignores ctx may still be writing them.
func (c *Client) trip(ctx context.Context, fill func(context.Context, redis.Pipeliner)) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	pipe := c.rdb.Pipeline()
	fill(ctx, pipe)
	answered, err := obey(ctx, c.own, func() (bool, error) {
		_, _ = pipe.Exec(ctx) // the first error of the commands
		return true, nil
	})
	if !answered {
		return err
	}
	return nil
}

// encode lets asynq say what it would send for the open entries.
func (b *batch) encode(ctx context.Context, chunk []entry) {
	for i := range chunk {
		e := &chunk[i]
		if !e.open {
			continue
		}
		command, info, err := b.collector.collect(ctx, b.asynq, b.c.task(&e.intent))
		switch {
		case errors.Is(err, errOtherAsynq):
			e.settle(Receipt{}, fmt.Errorf("enqueue %s: %w", e.receipt.ID, err))
		case err != nil:
			e.settle(Receipt{}, redisError(ctx, e.receipt.ID, err))
		default:
			e.command, e.receipt.State = command, e.state(info)
		}
	}
}

// pipeline stores the open entries, and yields those whose id exists. It settles
// the others.
func (b *batch) pipeline(ctx context.Context, chunk []entry) iter.Seq[*entry] {
	var open []*entry
	for i := range chunk {
		if e := &chunk[i]; e.open {
			open = append(open, e)
		}
	}
	return func(yield func(*entry) bool) {
		// A script may be forgotten between its text and the last of its calls, by
		// SCRIPT FLUSH, a failover or the move of a slot: those are sent once more.
		for round := 0; len(open) > 0 && round < 3; round++ {
			err := b.c.trip(ctx, func(ctx context.Context, pipe redis.Pipeliner) { sendAll(ctx, pipe, open) })
			var forgotten []*entry
			for _, e := range open {
				if err == nil && redis.HasErrorPrefix(e.answer.Err(), "NOSCRIPT") && round < 2 {
					forgotten = append(forgotten, e)
				} else if b.judge(ctx, e, err) && !yield(e) {
					return
				}
			}
			open = forgotten
		}
	}
}

// sendAll sends the text of each script once for each queue, and its SHA-1
// after that: the queues of a cluster are on different servers.
func sendAll(ctx context.Context, pipe redis.Pipeliner, entries []*entry) {
	type place struct{ sha, queue string }
	sent := map[place]bool{}
	for _, e := range entries {
		if p := (place{e.sha, e.receipt.Queue}); sent[p] {
			e.answer = pipe.EvalSha(ctx, e.sha, e.keys, e.args...)
		} else {
			sent[p] = true
			e.answer = pipe.Eval(ctx, e.text, e.keys, e.args...)
		}
	}
}

// judge settles an entry by its answer, and reports whether its id exists. That
// may be by this very batch, since the Redis client sends a pipeline again when
// it has lost the answers: the nonce tells.
func (b *batch) judge(ctx context.Context, e *entry, err error) (exists bool) {
	var n int64
	if err == nil {
		n, err = e.answer.Int64()
	}
	switch {
	case err == nil && n == 1:
		e.settle(e.receipt, nil)
	case err == nil && n == 0:
		return true
	case err == nil:
		e.settle(Receipt{}, fmt.Errorf("enqueue %s: %w: its script answered %d", e.receipt.ID, errOtherAsynq, n))
	default:
		e.settle(Receipt{}, redisError(ctx, e.receipt.ID, err))
	}
	return false
}

// barrierOfMany is the barrier of one queue for many tasks.
//
// KEYS: the tasks, the barrier (in the slot of the queue)
var barrierOfMany = redis.NewScript(`
for i = 1, #KEYS - 1 do
  if redis.call('EXISTS', KEYS[i]) == 0 then return {0} end
end
redis.call('SET', KEYS[#KEYS], '1', 'PX', 60000)
return {1}`)

// confirm waits until replicas and disks have the tasks of a chunk. Where the
// master that answers lacks one, after a failover, each is confirmed for itself
// and stored once more if need be.
func (b *batch) confirm(ctx context.Context, chunk []entry) {
	queues := map[string][]*entry{}
	for i := range chunk {
		if e := &chunk[i]; e.err == nil && b.c.confirms(e.receipt) {
			queues[e.receipt.Queue] = append(queues[e.receipt.Queue], e)
		}
	}
	var work []func()
	for queue, entries := range queues {
		work = append(work, func() { b.confirmQueue(ctx, queue, entries) })
	}
	inParallel(work)
}

func (b *batch) confirmQueue(ctx context.Context, queue string, entries []*entry) {
	c := b.c
	var keys []string
	for _, e := range entries {
		keys = append(keys, record.AsynqTaskKey(queue, e.receipt.ID))
	}
	short, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	there, err := c.cfg.Confirm.Run(short, c.rdb, barrierOfMany, append(keys, record.BarrierKey(queue)))
	for _, e := range entries {
		switch {
		case err == nil && len(there) > 0 && there[0] == 1:
		case err == nil:
			e.err = c.confirmOne(ctx, e)
		default:
			e.err = notConfirmed(e.receipt.ID, err)
		}
	}
}

func (c *Client) confirmOne(ctx context.Context, e *entry) error {
	short, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	again, err := c.confirmed(short, e.receipt)
	if again {
		e.receipt, err = c.enqueue(ctx, e.payload, e.call)
	}
	return err
}
