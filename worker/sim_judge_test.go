package worker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// judge holds what happened to what is promised.
func (s *sim) judge(c *simCounts) {
	s.sweepAll()
	reader := s.newProc("reader")
	for _, i := range s.intents {
		if i.of != nil {
			s.judgeQuestion(i)
			continue
		}
		if s.never(i) {
			continue
		}
		c.intents.Add(1)
		n, shown := i.effects(s)
		// What a failover may cost is one effect more, where ECPay cannot be asked.
		switch allowed := i.allowed + int(i.early.Load()); {
		case s.lossy && !i.askable && n == allowed+1:
			c.twice.Add(1)
		case n > allowed:
			s.violated("%s of %s has %d effects, want at most %d", i.name, i.subject, n, allowed)
		}
		rec := s.redis.hash(record.TaskKey(i.id))
		state := rec[record.FieldState]
		done := s.redis.number("EXISTS", record.DoneKey(i.id)) == 1
		if _, completed := s.redis.direct("ZSCORE", asynqKey(i.queue, "completed"), i.id).(string); s.lossy && completed {
			done = true // told to asynq after the failover, and to us before
		}
		_, dead := s.redis.direct("ZSCORE", record.DeadKey(i.id), i.id).(string)
		switch {
		case !i.stored.Load():
			s.violated("%s of %s was never accepted", i.name, i.subject)
		case done && rec[record.FieldResolvedBy] != "":
		case !dead && n == 0 && s.mayBeCancelled(i, state):
		case done:
			c.done.Add(1)
			if n == 0 {
				s.violated("%s of %s is done without an effect", i.name, i.subject)
			}
		case dead:
			read, err := record.Get(context.Background(), reader.rdb, i.id)
			switch {
			case err != nil:
				s.violated("%s of %s cannot be read: %v", i.name, i.subject, err)
			case read.Death.Kind == ecpay.Ambiguous:
				c.ambiguous.Add(1)
			default:
				c.dead.Add(1)
				// A letter that was run again and done is back as it was before, if a failover lost
				// that. Whoever replays it has ECPay asked first.
				ofAnother := i.undoneBy != nil // the void is done by a task of its own, however the cancel ended
				// The word that a write did not happen settles it where ECPay cannot be asked, also one that came too early.
				misled := !i.askable && i.early.Load() > 0
				if shown && !ofAnother && !misled && !(s.lossy && read.Died.Before(s.lostAt)) {
					s.violated("%s of %s is dead(%s), and ECPay shows its effect", i.name, i.subject, read.Death.Kind)
				}
			}
		default:
			s.violated("%s of %s is neither done nor in the ledger: state %q, in the ledger %t", i.name, i.subject, state, dead)
		}
	}
	s.judgeOutcomes(c, record.NewReader(reader.rdb))
	c.stopped.Add(s.stops.n)
	c.cancelled.Add(s.stops.cancelled)
	s.judgeCalls(c)
	s.judgeUndone()
	c.words.Add(s.words.Load())
	c.again.Add(s.again.Load())
	c.steps.Add(s.steps.Load())
	c.joint.Add(int64(len(s.joint)))
	c.alone.Add(int64(len(s.alone)))
	for _, p := range s.everyProc() {
		if p.dead.Load() {
			c.crashes.Add(1)
		}
	}
	for _, n := range s.runs {
		c.runs.Add(int64(n))
	}
}

// sweepAll copies into the ledger what asynq archived by itself, if there is any, and settles
// what somebody who crashed left unsure.
func (s *sim) sweepAll() {
	if s.redis.number("SCARD", record.UnsureKey) == 0 && !slices.ContainsFunc(s.intents, func(i *simIntent) bool {
		_, archived := s.redis.direct("ZSCORE", asynqKey(i.queue, "archived"), i.id).(string)
		_, dead := s.redis.direct("ZSCORE", record.DeadKey(i.id), i.id).(string)
		return archived && !dead
	}) {
		return
	}
	done := make(chan struct{})
	s.background("sweep", func(p *simProc) {
		defer close(done)
		for range 2 {
			if err := s.sweep(p); err != nil {
				s.violated("a sweep without faults fails: %v", err)
			}
			time.Sleep(2 * time.Minute) // one that crashed keeps its lock as long
		}
	})
	<-done
}

// judgeCalls looks at every request that arrived.
func (s *sim) judgeCalls(c *simCounts) {
	ids := map[string]bool{}
	last, strict := map[string]time.Time{}, map[string]time.Time{}
	for _, call := range s.fake.Calls() {
		c.calls.Add(1)
		if call.HTTPStatus == 0 || call.Dropped {
			c.unanswered.Add(1)
		}
		from, ok := s.sent[arrival(call.At, call.Path)]
		if !ok || call.RqID != "" && ids[call.RqID] {
			s.violated("%s on %s: nobody sent it, or its RqID %q was used before", call.Operation, call.Subject, call.RqID)
			continue
		}
		ids[call.RqID] = true
		owner := s.ownerOf(call)
		// The keys are those of the attempt: its worker may have others by now.
		other, isOther := s.others[call.MerchantID]
		unreadable := call.Data == nil && !isOther
		key := s.merchant.KeyFingerprint()
		switch {
		case isOther:
			key = other.KeyFingerprint()
		case unreadable:
			key = s.wrongMerchant.KeyFingerprint()
		}
		if owner == nil && !unreadable {
			s.violated("%s on %s is of no intent", call.Operation, call.Subject)
			continue
		}
		s.judgeStamp(call, from)
		if unreadable {
			c.refused.Add(1)
		} else {
			if call.Operation != owner.op {
				c.asked.Add(1)
			}
			s.judgeLock(call, from, owner)
		}
		if s.wrong || s.lossy || s.froze.Load() {
			continue // a permission is for the moment, and a clock that jumps ends a pause
		}
		for _, b := range s.bans {
			if b.merchant != "" && b.merchant != call.MerchantID || b.scope != "" && b.scope != gate.Scope(ecpay.Category(call.Path[1:4]), key) {
				continue
			}
			if b.merchant == "" && from.at.After(b.until) {
				c.closed.Add(1)
			}
			if from.at.After(b.from.Add(slowest)) && from.at.Before(b.until) {
				s.violated("%s on %s at %s, inside a ban %s that lasts until %s",
					call.Operation, call.Subject, from.at.Sub(s.start), b.scope, b.until.Sub(s.start))
			}
		}
		// Of two intervals the longer one counts, as long as somebody has used it lately.
		own := from.proc.h.policy.Interval == s.policy.Interval
		counts := own || from.at.Sub(strict[call.MerchantID]) < 3*time.Minute
		if before, ok := last[call.MerchantID]; ok && counts && from.at.Sub(before) < s.policy.Interval-slowest {
			s.violated("%s on %s comes %s after another call", call.Operation, call.Subject, from.at.Sub(before))
		}
		last[call.MerchantID] = from.at
		if own {
			strict[call.MerchantID] = from.at
		}
	}
}

// slowest is how long after its permission a request may be sent.
const slowest = 80 * time.Millisecond

// ownerOf is an intent on whose account a call was made.
func (s *sim) ownerOf(call ecpaytest.Call) *simIntent {
	for _, i := range s.intents {
		if call.MerchantID == i.merchant && call.Subject == i.subject && call.Operation == i.op {
			return i
		}
	}
	for _, i := range s.intents {
		if call.MerchantID == i.merchant && (call.Subject == i.subject || slices.Contains(i.asks, call.Subject)) {
			return i
		}
	}
	return nil
}

// judgeStamp demands a stamp made when the request was sent, by the sender's
// clock or, where that is wrong, by the right one.
func (s *sim) judgeStamp(call ecpaytest.Call, from simRequest) {
	const tolerance = 6 * time.Second // two sources agree within five
	stamp := time.Unix(call.Timestamp, 0)
	if stamp.Sub(from.clock).Abs() > tolerance && stamp.Sub(call.At).Abs() > tolerance && !s.wrong {
		s.violated("%s on %s is stamped %s off", call.Operation, call.Subject, stamp.Sub(call.At))
	}
}

// judgeLock demands that the sender held the lock of the subject.
func (s *sim) judgeLock(call ecpaytest.Call, from simRequest, owner *simIntent) {
	if s.lossy {
		return // with the lock's own last writes
	}
	token, until, _ := strings.Cut(from.locks[record.LockKey(owner.id)], " ")
	if owner.of != nil && s.tokens[token] != from.proc { // the trigger asks the same
		token, until, _ = strings.Cut(from.locks[record.LockKey(owner.of.id)], " ")
	}
	by, _, _ := strings.Cut(until, " ")
	ms, _ := strconv.ParseInt(by, 10, 64)
	switch {
	case s.tokens[token] != from.proc:
		s.violated("%s on %s is sent by %s, which has not the lock", call.Operation, call.Subject, from.proc.name)
	case !s.wrong && call.At.After(time.UnixMilli(ms)):
		s.violated("%s on %s is sent %s after its lock", call.Operation, call.Subject, call.At.Sub(time.UnixMilli(ms)))
	}
}
