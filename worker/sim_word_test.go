package worker

import (
	"context"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// word is a person who looks at ECPay for what is dead, at any time, and says of what is not
// there that it did not happen. Where ECPay cannot be asked, that word is all that a worker
// has: given while the write may still land, it may cost an effect.
func (s *sim) word(p *simProc) {
	l := s.ledger(p)
	for _, i := range s.intents {
		if _, err := l.Get(context.Background(), i.id); err != nil {
			continue
		}
		if _, shown := i.effects(s); shown {
			continue
		}
		if !i.askable && s.mayLand(i) {
			i.early.Add(1)
		}
		func() {
			defer s.named(i.id)()
			out, err := l.Replay(context.Background(), i.id, deadletter.ReplayOptions{NotExecuted: true, By: "sim"})
			s.words.Add(1)
			s.logf("%s: replay of %s as not executed: %s %v", p.name, i.id, out, err)
		}()
	}
}

// mayLand reports whether a request of an intent may still take effect.
func (s *sim) mayLand(i *simIntent) bool {
	for _, call := range s.fake.Calls() {
		if call.MerchantID == i.merchant && call.Subject == i.subject && call.Operation == i.op && time.Since(call.At) < s.window+2*time.Minute {
			return true
		}
	}
	return false
}

// judgeUndone demands that no trigger is sent once the cancel of its Tsr is recorded as done,
// but by an attempt that was on its way.
func (s *sim) judgeUndone() {
	if s.wrong || s.lossy {
		return
	}
	for _, i := range s.intents {
		if i.op != "CancelDelayIssue" {
			continue
		}
		done, ok := s.doneAt(i)
		if !ok {
			continue
		}
		for _, call := range s.fake.Calls() {
			from, sent := s.sent[arrival(call.At, call.Path)]
			if sent && call.Operation == "TriggerIssue" && call.Subject == i.subject && from.at.After(done.Add(45*time.Second)) {
				s.violated("%s on %s is sent %s after its cancel was done", call.Operation, call.Subject, from.at.Sub(done))
			}
		}
	}
}

// doneAt is when a task was recorded as done; false when it was not, or ended by a person's
// word.
func (s *sim) doneAt(i *simIntent) (time.Time, bool) {
	ms, err := strconv.ParseInt(s.redis.text("GET", record.DoneKey(i.id)), 10, 64)
	return time.UnixMilli(ms), err == nil
}
