package enqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// chunk is many items that go together.
type chunk struct {
	entries []entry
	before  []*chunk // on their way, the oldest first
	ids     map[string]bool
	again   []*entry      // whose intent is in this chunk already, or in one before
	encoded chan struct{} // closed when its places in line are taken
	stored  chan struct{} // closed when Redis has it
	done    chan struct{} // closed when all is known
}

func newChunk(entries []entry, before []*chunk) *chunk {
	ch := &chunk{entries: entries, before: before, ids: make(map[string]bool, len(entries)),
		encoded: make(chan struct{}), stored: make(chan struct{}), done: make(chan struct{})}
	for i := range entries {
		e := &entries[i]
		if !e.open {
			continue
		}
		if id := e.receipt.ID; ch.ids[id] || slices.ContainsFunc(before, func(b *chunk) bool { return b.ids[id] }) {
			e.open = false
			ch.again = append(ch.again, e)
		} else {
			ch.ids[id] = true
		}
	}
	return ch
}

// lookers is how many earlier tasks are dealt with side by side.
const lookers = 16

func (e *entry) settle(r Receipt, err error) { e.receipt, e.err, e.open = r, err, false }

// carry settles the items of a chunk. Several chunks are carried at once, and are
// encoded and stored one after the other: on their own connections they would be in no
// order. An intent that is twice in them is sent once.
func (b *batch) carry(ctx context.Context, ch *chunk) {
	defer close(ch.done)
	there := b.lookUp(ctx, ch.entries)
	for _, c := range ch.before {
		<-c.encoded
	}
	b.encode(ctx, ch.entries)
	close(ch.encoded)
	for _, c := range ch.before {
		<-c.stored // the queue has the order of the items
	}
	there = append(there, b.store(ctx, ch.entries)...)
	close(ch.stored)
	if len(ch.again) > 0 {
		for _, c := range ch.before {
			<-c.done
		}
	}
	b.describe(ctx, append(there, ch.again...))
	if b.c.cfg.Confirm.Wanted() {
		b.confirm(ctx, ch.entries)
	}
	ch.before = nil
}

// lookUp returns the entries whose task has ended before, done or dead, and
// settles those of which that cannot be read. It takes one round trip: the keys
// of one merchant share a slot, so that two commands read them all.
func (b *batch) lookUp(ctx context.Context, entries []entry) (there []*entry) {
	type ledger struct {
		entries []*entry
		ids     []string
		markers []string
		dead    *redis.FloatSliceCmd
		done    *redis.SliceCmd
	}
	ledgers := map[string]*ledger{}
	for i := range entries {
		if e := &entries[i]; e.open {
			owner := record.Owner(e.receipt.ID)
			l := ledgers[owner]
			if l == nil {
				l = &ledger{}
				ledgers[owner] = l
			}
			l.entries = append(l.entries, e)
			l.ids = append(l.ids, e.receipt.ID)
			l.markers = append(l.markers, record.OwnerDoneKey(owner, e.receipt.ID))
		}
	}
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
			e.known = earlier{dead: i < len(l.dead.Val()) && l.dead.Val()[i] != 0, done: i < len(l.done.Val()) && l.done.Val()[i] != nil}
			if e.known.stands(e.payload) {
				e.open = false
				there = append(there, e)
			}
		}
	}
	return there
}

func unlessMissing(err error) error {
	if redisx.Missing(err) {
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
	if pipe.Len() == 0 {
		return nil
	}
	answered, err := obey(ctx, c.own, func() (bool, error) {
		redisx.ExecEach(ctx, pipe)
		return true, nil
	})
	if !answered {
		return err
	}
	return nil
}

// encode lets asynq say what it would send for the open entries.
func (b *batch) encode(ctx context.Context, entries []entry) {
	for i := range entries {
		e := &entries[i]
		if !e.open {
			continue
		}
		e.placed = true
		command, state, err := b.capture.Task(ctx, b.c.task(&e.intent))
		switch {
		case errors.Is(err, asynqx.ErrOtherAsynq):
			e.settle(Receipt{}, fmt.Errorf("enqueue %s: %w", e.receipt.ID, err))
		case err != nil:
			e.settle(Receipt{}, redisError(ctx, e.receipt.ID, err))
		default:
			e.Command, e.receipt.State = command, e.state(state)
		}
	}
}

// store stores the open entries, and returns those whose id exists. It settles
// the others.
func (b *batch) store(ctx context.Context, entries []entry) (there []*entry) {
	open := make([]*entry, 0, len(entries))
	for i := range entries {
		if entries[i].open {
			open = append(open, &entries[i])
		}
	}
	groups := asynqx.Grouped(open)
	// Redis may not know a script yet, or have forgotten it, by SCRIPT FLUSH, a
	// failover or the move of a slot: then its text is sent.
	for _, asText := range []bool{false, true} {
		err := b.c.trip(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
			for _, g := range groups {
				g.Send(ctx, pipe, asText)
			}
		})
		var unknown []*asynqx.Group[*entry]
		for _, g := range groups {
			if err == nil && g.Unknown() {
				unknown = append(unknown, g)
				continue
			}
			there = append(there, judge(ctx, g, err)...)
		}
		groups = unknown
	}
	return there
}

// judge settles the entries of a group by its answer, and returns those whose id
// exists. That may be by this very batch, since the Redis client sends a pipeline
// again when it has lost the answers: the nonce tells.
func judge(ctx context.Context, g *asynqx.Group[*entry], err error) (there []*entry) {
	for i, e := range g.Entries {
		err := err
		if err == nil {
			err = g.Answer(i)
		}
		switch {
		case err == nil:
			e.settle(e.receipt, nil)
		case errors.Is(err, asynqx.ErrExists):
			e.open = false
			there = append(there, e)
		case errors.Is(err, asynqx.ErrOtherAsynq):
			e.settle(Receipt{}, fmt.Errorf("enqueue %s: %w", e.receipt.ID, err))
		default:
			e.settle(Receipt{}, redisError(ctx, e.receipt.ID, err))
		}
	}
	return there
}

// describe settles entries by the tasks that were there before them, or does with
// those what else is to be done.
func (b *batch) describe(ctx context.Context, entries []*entry) {
	if len(entries) == 0 {
		return
	}
	short, cancel := context.WithTimeout(ctx, b.c.cfg.Timeout)
	defer cancel()
	found, err := b.c.find(short, entries)
	var work []func()
	for i, e := range entries {
		var r Receipt
		rerr := err
		if err == nil {
			r, rerr = b.c.asThere(short, e, found[i])
		} else {
			rerr = redisError(short, e.receipt.ID, err)
		}
		gone := errors.Is(rerr, record.ErrNotFound) // a moment later: it is no duplicate
		replace := e.replaceDead && (r.Duplicate && r.State == record.StateDead || errors.Is(rerr, ErrStuck))
		if !gone && !replace {
			e.settle(r, rerr)
			continue
		}
		work = append(work, func() { e.settle(b.c.enqueue(ctx, e.payload, e.call)) })
	}
	inParallel(work)
}

// find reads the tasks with the ids of entries.
func (c *Client) find(ctx context.Context, entries []*entry) ([]record.Found, error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.receipt.ID
	}
	return obey(ctx, c.own, func() ([]record.Found, error) { return c.reader.GetAll(ctx, ids), nil })
}

// asThere is the receipt of an entry whose task was there before.
func (c *Client) asThere(ctx context.Context, e *entry, found record.Found) (Receipt, error) {
	describe := func() (Receipt, error) {
		return e.known.ended(c.receipt(ctx, &e.intent, found, e.nonce))
	}
	if e.placed {
		return c.giveBack(&e.intent, describe)
	}
	return describe()
}

func inParallel(work []func()) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, lookers)
	for _, f := range work {
		slots <- struct{}{}
		wg.Go(func() {
			f()
			<-slots
		})
	}
	wg.Wait()
}

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
		keys = append(keys, asynqx.TaskKey(queue, e.receipt.ID))
	}
	short, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	v, err := barrier.RunConfirmed(short, c.rdb, c.cfg.Confirm, barrierKeys{record.BarrierKey(queue), keys}, struct{}{})
	for _, e := range entries {
		switch {
		case err == nil && v.AreThere:
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
