package worker

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// poke lets the driver look again.
func (s *sim) poke() {
	select {
	case s.poked <- struct{}{}:
	default:
	}
}

// still waits until nothing else moves at this instant, and forgets that it was
// poked: which of two that move at once comes first is the scheduler's choice, and
// a seed has to bring back the same schedule.
func (s *sim) still() {
	synctest.Wait()
	select {
	case <-s.poked:
	default:
	}
}

// run lets asynq's model drive the workers until nothing is left to do. It
// reports whether that came within the limit of virtual time.
func (s *sim) run(limit time.Duration) bool {
	end := time.Now().Add(limit)
	recoverAt := time.Now()
	for deliveries := 0; time.Now().Before(end) && deliveries < 5000; {
		if !s.redis.down.Load() {
			for _, q := range s.queues {
				s.asynq.forward(q)
				if !time.Now().Before(recoverAt) {
					s.heartbeat()
					s.asynq.recover(q)
				}
			}
			if !time.Now().Before(recoverAt) {
				recoverAt = time.Now().Add(within(s.rng, 10*time.Second, 60*time.Second))
			}
			deliveries += s.dispatch()
		}
		if s.settled() {
			return true
		}
		next := recoverAt
		if !s.active() {
			next = end
		}
		for _, q := range s.queues {
			if at, ok := s.asynq.next(q); ok && at.Before(next) {
				next = at
			}
		}
		if len(s.events) > 0 && s.events[0].at.Before(next) {
			next = s.events[0].at
		}
		timer := time.NewTimer(max(time.Millisecond, time.Until(next)) + within(s.rng, 0, time.Second))
		select {
		case <-timer.C:
		case <-s.poked:
			time.Sleep(within(s.rng, 100*time.Microsecond, 50*time.Millisecond))
		}
		timer.Stop()
		s.still()
		for len(s.events) > 0 && !s.events[0].at.After(time.Now()) {
			e := heap.Pop(&s.events).(event)
			s.logf("-- %s", e.name)
			e.run()
			s.still()
		}
	}
	return false
}

// active reports whether asynq takes a task for running.
func (s *sim) active() bool {
	for _, q := range s.queues {
		if s.redis.number("LLEN", asynqKey(q, "active")) > 0 {
			return true
		}
	}
	return false
}

// settled reports whether nothing happens any more.
func (s *sim) settled() bool {
	if s.faulty.Load() || len(s.events) > 0 || slices.ContainsFunc(s.intents, func(i *simIntent) bool { return !i.stored.Load() }) {
		return false // also while a shop that crashed is about to call again
	}
	for _, q := range s.queues {
		if s.asynq.waiting(q) > 0 {
			return false
		}
	}
	for _, p := range s.everyProc() {
		if !p.dead.Load() && len(p.tasks()) > 0 {
			return false
		}
	}
	return true
}

// heartbeat extends the leases of what runs in a process that lives.
func (s *sim) heartbeat() {
	for _, p := range s.everyProc() {
		if !p.stands() {
			continue
		}
		for _, m := range p.tasks() {
			if m.id != "" {
				s.asynq.extend(m.queue, m.id)
			}
		}
	}
}

const simConcurrency = 4

// dispatch hands pending tasks to workers.
func (s *sim) dispatch() (n int) {
	for _, q := range s.queues {
		for {
			p := s.free()
			if p == nil {
				return n
			}
			if s.failoverAt == s.seqRuns()+1 {
				s.failover()
			}
			m, ok := s.asynq.dequeue(q)
			if !ok {
				break
			}
			s.deliver(p, m)
			n++
		}
	}
	return n
}

func (s *sim) seqRuns() (n int) {
	for _, r := range s.runs {
		n += r
	}
	return n
}

// failover lets a replica fall behind now, and take over from the master in a
// moment. What is written in between is lost. It waits until the shops are done:
// an enqueue that a failover loses is lost, unless a replica confirmed it.
func (s *sim) failover() {
	// A Redis that no worker has met is not missed when it is gone.
	met := s.redis.number("EXISTS", record.ReplicationKey(redisx.Topology{}, "")) == 1
	if !met || !s.faulty.Load() || slices.ContainsFunc(s.intents, func(i *simIntent) bool { return !i.stored.Load() }) {
		s.failoverAt++
		return
	}
	s.failoverAt = 0
	behind := s.redis.snapshot()
	s.logf("the replica falls behind")
	s.promoteLater(behind, within(s.rng, 20*time.Millisecond, 2*time.Second))
}

// free picks a worker that takes tasks.
func (s *sim) free() *simProc {
	var able []*simProc
	for _, p := range s.workers {
		if p.stands() && !p.drain && len(p.tasks()) < simConcurrency {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[s.rng.IntN(len(able))]
}

// deliver runs the handler on a task in a process.
func (s *sim) deliver(p *simProc, m message) {
	done := p.work(m)
	s.runs[m.id]++
	s.mayRun(m.id)
	s.logf("%s runs %s (run %d)", p.name, m.id, s.runs[m.id])
	if s.wrong {
		p.client.ObserveReference(s.redis.now().Sub(p.now()))
	}
	later, began := within(s.rng, 0, 5*time.Millisecond), time.Now()
	s.running.Go(func() {
		defer done()
		time.Sleep(later)
		if s.perform != nil {
			s.finish(p, m, began, s.perform(p, m))
			return
		}
		defer s.mayFollow(m.id)()
		key := p.keys.key(record.Owner(m.id))
		v, text, err := p.h.run(context.Background(),
			job{id: m.id, typeName: m.typeName, queue: m.queue, payload: m.payload, headers: m.headers, failed: int(m.retried)})
		s.logf("%s: %s is %s(%s) next in %s: %s %v", p.name, m.id, v.Action, v.Kind, v.Delay, text, err)
		if v.Action == Hold && !v.Queued && err == nil {
			s.paused(m, v, key)
		}
		s.closed()
		s.finish(p, m, began, toAsynq(v, text, err).Err())
	})
}

// paused notes a pause that a verdict began, as it is recorded: the process may have
// been frozen since.
func (s *sim) paused(m message, v Verdict, key string) {
	b, pace := ban{from: time.Now(), merchant: record.Owner(m.id)}, s.redis.hash(record.KeysOfTask(m.id).Pace)
	until := ""
	switch v.Kind {
	case ecpay.Throttled:
		until = pace["ban"]
	case ecpay.Denied:
		t, _, _ := tasks.ParseID(m.id)
		b.scope = gate.Scope(t.Operation.Category, key)
		if w := strings.Fields(pace["denied:"+b.scope]); len(w) > 1 {
			until = w[1]
		}
	}
	n, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return // it is over, or its record is lost
	}
	b.until = time.UnixMicro(n)
	s.mu.Lock()
	s.bans = append(s.bans, b)
	s.mu.Unlock()
}

// closed notes a pause of the egress, of which others may not know for a while.
func (s *sim) closed() {
	state := s.redis.hash(record.EgressKeys(DefaultEgress)[0])
	n, err := strconv.ParseInt(state["ends"], 10, 64)
	if err != nil {
		return
	}
	b := ban{from: time.Now().Add(egressOld), until: time.UnixMicro(n)}
	s.mu.Lock()
	known := slices.ContainsFunc(s.bans, func(o ban) bool { return o.merchant == "" && o.until.Equal(b.until) })
	if !known {
		s.bans = append(s.bans, b)
	}
	s.mu.Unlock()
	if !known {
		s.logf("the egress pauses until %s", b.until.Sub(s.start))
	}
}

// resume is what a person does who knows that the pauses are not needed any more.
func (s *sim) resume(p *simProc) {
	s.mu.Lock()
	for i := range s.bans { // it may be interrupted, and nobody knows where
		if now := time.Now(); s.bans[i].merchant == testMerchant && s.bans[i].until.After(now) {
			s.bans[i].until = now
		}
	}
	s.mu.Unlock()
	r, err := merchants.New(p.rdb).Resume(context.Background(), testMerchant, "sim", "")
	s.logf("%s: resume: %+v %v", p.name, r, err)
}

// finish tells asynq, whose client is patient; but what it cannot write within the
// lease is lost, and the task runs again.
func (s *sim) finish(p *simProc, m message, began time.Time, result error) {
	p.alive()
	switch {
	case p.leaseOver(began), p.dice("lease", s.odds.request): // it could not be extended
		s.logf("%s: the lease of %s is over", p.name, m.id)
		return
	case result == nil:
		s.logf("%s: %s is completed: %v", p.name, m.id, s.asynq.complete(p.asynq, m))
		return
	}
	for end := time.Now().Add(25 * time.Second); ; {
		err := p.trip("completion", func() {
			switch {
			case errors.Is(result, asynq.SkipRetry), m.retried >= m.retry:
				s.asynq.archive(m, result.Error())
			default:
				s.asynq.retryAt(m, time.Now().Add(retryDelay(int(m.retried), result, nil)), result.Error(), asynqx.Counts(result))
			}
		})
		if err == nil || time.Now().After(end) {
			return
		}
		time.Sleep(p.draw("again", 50*time.Millisecond, time.Second))
	}
}

// stop ends a worker as SIGTERM does: it takes nothing new, and what has not ended
// within the timeout goes back to its queue.
func (s *sim) stop(p *simProc, timeout time.Duration) {
	p.drain = true
	s.at(timeout, "a worker's shutdown timeout is over", func() {
		if !s.redis.down.Load() && p.stands() {
			for _, m := range p.tasks() {
				if m.id != "" {
					s.asynq.requeue(m)
				}
			}
		}
		p.kill("at the end of its shutdown")
	})
}

// steal gives a running task to another worker while it runs, as a server does
// whose clock is a minute ahead.
func (s *sim) steal() {
	for _, q := range s.queues {
		for _, id := range s.redis.list("LRANGE", asynqKey(q, "active"), 0, -1) {
			if raw, ok := s.redis.direct("HGET", asynqKey(q, "t:"+id), "msg").(string); ok && s.rng.IntN(2) == 0 {
				s.logf("%s is given to another worker", id)
				s.asynq.retryAt(decodeMessage(raw), time.Now(), "asynq: task lease expired", true)
			}
		}
	}
}

// ledger is the ledger of dead letters as a process sees it.
func (s *sim) ledger(p *simProc) *deadletter.Ledger {
	return deadletter.New(deadletter.Config{Redis: p.rdb, Now: p.now, PayloadKeys: samples.PayloadKeys()})
}

func (s *sim) sweep(p *simProc) error {
	_, err := deadletter.NewSweeper(
		deadletter.SweeperConfig{Redis: p.rdb, Queues: s.queues, ScanEvery: time.Nanosecond, Logger: zerolog.Nop()},
	).Sweep(context.Background())
	return err
}

// background runs f as a process of its own, which may crash.
func (s *sim) background(name string, f func(p *simProc)) {
	p := s.newProc(name)
	done := p.work(message{})
	later := p.draw("later", 0, 5*time.Millisecond)
	go func() {
		defer done()
		time.Sleep(later)
		f(p)
	}()
}

// accept enqueues an intent as a shop does: until it is told that it is stored. A
// shop that crashed looks into its own database and calls again.
func (s *sim) accept(i *simIntent) { s.acceptBy(i, 0) }

// acceptBy is accept of a shop whose clock is ahead.
func (s *sim) acceptBy(i *simIntent, ahead time.Duration) {
	s.background("shop", func(p *simProc) {
		p.offset.Add(int64(ahead))
		defer func() {
			if p.dead.Load() && !i.stored.Load() {
				time.Sleep(p.draw("another shop", time.Second, time.Minute))
				s.acceptBy(i, ahead)
			}
		}()
		for {
			client, err := enqueue.New(enqueue.Config{Redis: p.rdb, Now: p.now, PayloadKeys: samples.PayloadKeys()})
			if err != nil {
				panic(err)
			}
			r, err := s.enqueue(client, i)
			if err == nil {
				s.logf("%s: %s is stored: %s, duplicate %t", p.name, r.ID, r.State, r.Duplicate)
				i.stored.Store(true)
				return
			}
			s.logf("%s: %s", p.name, strings.ReplaceAll(err.Error(), "\n", " "))
			p.alive()
			time.Sleep(p.draw("call again", time.Second, 10*time.Second))
		}
	})
}
