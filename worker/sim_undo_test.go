package worker

import (
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// undoing are a cancel that wants an issued invoice voided, and the void that follows from it where the
// invoice is issued.
func (s *sim) undoing(issued bool) []*simIntent {
	i := intentOf("cancel", testMerchant, 1)
	cancel := i.make().(*tasks.B2CCancelDelayIssue)
	cancel.RelateNumber, cancel.VoidReason = "R"+i.subject, "r"
	i.make = func() tasks.Payload { p := *cancel; return &p }
	if !issued {
		return []*simIntent{i}
	}
	number := samples.Named("B2C void").Subject("T", 2)
	i.stage = func(f *ecpaytest.Server) error {
		return f.StageDelayed(ecpaytest.Delayed{
			Tsr: i.subject, RelateNumber: cancel.RelateNumber, Issued: true, InvoiceNo: number, InvoiceDate: testDate,
		})
	}
	void := intentAbout("B2C void", testMerchant, number)
	void.make = func() tasks.Payload {
		return &tasks.B2CInvalid{MerchantID: testMerchant, InvoiceNo: number, InvoiceDate: testDate, Reason: cancel.VoidReason}
	}
	void.staged, void.follows = true, true
	void.stored.Store(true) // by whom it follows from, or never
	i.undoneBy = void
	return []*simIntent{i, void}
}

// never reports whether a task that follows from another was not enqueued, as far as Redis knows.
func (s *sim) never(i *simIntent) bool {
	return i.follows && s.redis.number("EXISTS", asynqKey(i.queue, "t:"+i.id), record.TaskKey(i.id), record.DoneKey(i.id)) == 0
}

// followed is an attempt that may enqueue another task.
type followed struct{ began, ended time.Time }

// mayFollow notes an attempt of a task from which another follows, until the func it returns is called.
func (s *sim) mayFollow(id string) (end func()) {
	for _, i := range s.intents {
		if i.id != id || i.undoneBy == nil {
			continue
		}
		s.stops.mu.Lock()
		defer s.stops.mu.Unlock()
		f := &followed{began: time.Now()}
		s.stops.followed[i.undoneBy.id] = append(s.stops.followed[i.undoneBy.id], f)
		return func() {
			s.stops.mu.Lock()
			defer s.stops.mu.Unlock()
			f.ended = time.Now()
		}
	}
	return func() {}
}

// mayHaveFollowed reports whether an attempt that was on its way at a time may have enqueued a task after it.
func (s *stops) mayHaveFollowed(id string, t time.Time) bool {
	for _, f := range s.followed[id] {
		if !f.began.After(t) && (f.ended.IsZero() || f.ended.Add(latest).After(t)) {
			return true
		}
	}
	return false
}
