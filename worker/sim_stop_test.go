package worker

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	replays "github.com/ecpayq/ecpayq/worker/schedule"
)

// stops is what people wanted not to be sent, and who may have changed that.
type stops struct {
	mu      sync.Mutex
	stopped map[string]time.Time // since when a person has stopped it
	ended   map[string]time.Time // since when it is told to be cancelled
	acts    map[string]*act      // of those who name a task to have it run
	calls   map[string]*act      // of shops that enqueue it

	followed map[string][]*followed // attempts from which it may follow

	tried map[string]bool // somebody began to cancel it, and was not answered

	n, cancelled int64 // how often
}

// act is what somebody does who may be slow, or whose last command may come late.
type act struct {
	open  int
	began time.Time // the last one
	last  time.Time // when the last one ended
}

// latest is after how long nothing comes any more of what an act sent.
const latest = 3 * time.Minute

func newStops() *stops {
	return &stops{stopped: map[string]time.Time{}, ended: map[string]time.Time{},
		acts: map[string]*act{}, calls: map[string]*act{}, followed: map[string][]*followed{}, tried: map[string]bool{}}
}

// begin notes an act on a task, until the func it returns is called.
func (s *stops) begin(of map[string]*act, id string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := of[id]
	if a == nil {
		a = &act{}
		of[id] = a
	}
	a.open++
	a.began = time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.open--
		a.last = time.Now()
	}
}

// since reports whether an act may have come to something since a time.
func (a *act) since(t time.Time) bool {
	return a != nil && (a.open > 0 || a.last.Add(latest).After(t))
}

// begunAfter reports whether an act began after a time.
func (a *act) begunAfter(t time.Time) bool { return a != nil && a.began.After(t) }

// named is for whoever names a task to have it run: in doing so they take back what
// stopped it.
func (s *sim) named(id string) (end func()) { return s.stops.begin(s.stops.acts, id) }

// called is for a shop that enqueues a task: after a cancel it may.
func (s *sim) called(id string) (end func()) { return s.stops.begin(s.stops.calls, id) }

// mayRun judges a run that begins. After a failover nobody knows any more that it was
// stopped.
func (s *sim) mayRun(id string) {
	if s.lossy {
		return
	}
	s.stops.mu.Lock()
	defer s.stops.mu.Unlock()
	if t, ok := s.stops.stopped[id]; ok && !s.isCancelled(id) && !s.stops.acts[id].since(t) {
		s.violated("%s is run %s after a person stopped it, and nobody named it", id, time.Since(t))
	}
	// Who was on the way already when that was answered comes too late; but an enqueue
	// that comes late is one.
	if t, ok := s.stops.ended[id]; ok && !s.stops.acts[id].begunAfter(t) && !s.stops.calls[id].since(t) && !s.stops.mayHaveFollowed(id, t) {
		s.violated("%s is run %s after it was told to be cancelled, and nobody enqueued it", id, time.Since(t))
	}
	delete(s.stops.stopped, id)
	delete(s.stops.ended, id)
}

// isStopped reports whether a person has stopped a task, as Redis has it now.
func (s *sim) isStopped(i *simIntent) bool {
	if state := s.redis.text("HGET", asynqKey(i.queue, "t:"+i.id), "state"); state != "" && state != "archived" {
		return false // it was run again since
	}
	if by, _ := s.redis.direct("HGET", record.TaskKey(i.id), record.FieldBy).(string); strings.HasPrefix(by, record.ByHand("")) {
		_, dead := s.redis.direct("ZSCORE", record.DeadKey(i.id), i.id).(string)
		return dead
	}
	_, archived := s.redis.direct("ZSCORE", asynqKey(i.queue, "archived"), i.id).(string)
	msg := s.redis.text("HGET", asynqKey(i.queue, "t:"+i.id), "msg")
	return archived && !strings.Contains(msg, asynq.SkipRetry.Error())
}

// isCancelled reports whether Redis has a task as cancelled, and not begun since.
func (s *sim) isCancelled(id string) bool {
	rec := s.redis.hash(record.TaskKey(id))
	return rec[record.FieldState] == string(record.Done) && rec[record.FieldResolvedBy] != ""
}

// mayBeCancelled reports whether a task that is nowhere may have been cancelled: its
// record lives no longer than asynq keeps a task.
func (s *sim) mayBeCancelled(i *simIntent, state string) bool {
	_, ended := s.stops.ended[i.id]
	return s.isCancelled(i.id) || state == "" && (ended || s.stops.tried[i.id])
}

// waits reports whether asynq has a task where a person may archive it.
func (s *sim) waits(i *simIntent) bool {
	state, _ := s.redis.direct("HGET", asynqKey(i.queue, "t:"+i.id), "state").(string)
	return state == "pending" || state == "scheduled" || state == "retry"
}

// noteStop notes that a task was stopped, if it was.
func (s *sim) noteStop(p *simProc, i *simIntent) {
	if !s.isStopped(i) {
		return
	}
	s.logf("%s: %s is stopped", p.name, i.id)
	s.stops.mu.Lock()
	defer s.stops.mu.Unlock()
	if _, ok := s.stops.stopped[i.id]; !ok {
		s.stops.stopped[i.id] = time.Now()
		s.stops.n++
	}
}

// stopByHand is a person who archives what waits, on asynq's pages, as the dashboard does it.
func (s *sim) stopByHand(p *simProc) {
	store := ledger.New(p.rdb, 24*time.Hour, p.now)
	for _, i := range s.intents {
		if !s.waits(i) {
			continue
		}
		func() {
			defer s.noteStop(p, i)
			since, err := store.Now(context.Background())
			if err == nil {
				err = asynq.NewInspectorFromRedisClient(p.rdb).ArchiveTask(i.queue, i.id)
			}
			s.logf("%s: archive of %s: %v", p.name, i.id, err)
			if err == nil {
				d := store.DepositByHand(context.Background(), i.queue, []string{i.id}, "sim", since)[0]
				s.logf("%s: deposit of %s: %t %v", p.name, i.id, d.Kept, d.Err)
			}
		}()
	}
}

// cancel is a person who cancels what was enqueued for later.
func (s *sim) cancel(p *simProc) {
	l := s.ledger(p)
	for _, i := range s.intents {
		if i.later == 0 {
			continue
		}
		func() {
			answered := false
			defer func() {
				if !answered {
					s.noteStop(p, i)
					s.stops.mu.Lock()
					s.stops.tried[i.id] = true
					s.stops.mu.Unlock()
				}
			}()
			out, err := l.Cancel(context.Background(), i.id, "sim", "not wanted")
			s.logf("%s: cancel of %s: %s %v", p.name, i.id, out, err)
			if answered = err == nil && out == ledger.Cancelled; !answered {
				return
			}
			s.stops.mu.Lock()
			defer s.stops.mu.Unlock()
			delete(s.stops.stopped, i.id)
			s.stops.ended[i.id] = time.Now()
			s.stops.cancelled++
		}()
	}
}

// runSchedule is a schedule without a kind, which names no task. So does a bare replay,
// which does the same by several goroutines; a process that crashes would leave them.
func (s *sim) runSchedule(p *simProc) {
	e, err := replays.New("sim", "@yearly", nil, replays.Filter{})
	if err != nil {
		panic(err)
	}
	r, err := replays.Once(context.Background(), p.rdb, s.ledger(p), e, deadletter.ReplayOptions{By: "sim"}, func(string, error) {})
	s.logf("%s: schedule: %+v %v", p.name, r, err)
}

// planStops draws what people stop and cancel, and who replays what nobody named
// meanwhile.
func (s *sim) planStops(some func(n, thousandths int, name string, f func())) {
	if !chance(s.rng, 350) {
		return
	}
	for _, i := range s.intents {
		if chance(s.rng, 500) {
			i.later = within(s.rng, time.Second, 20*time.Minute).Truncate(time.Second)
		}
	}
	some(2, 500, "a person stops what waits", func() { s.background("person", s.stopByHand) })
	some(2, 500, "a person cancels what is for later", func() { s.background("person", s.cancel) })
	some(2, 400, "a person cancels, and does not get to the end", func() {
		n := 1 + s.rng.IntN(30)
		s.background("person", func(p *simProc) {
			p.tripsLeft.Store(int64(n))
			s.cancel(p)
		})
	})
	some(2, 400, "a person stops what waits, and does not get to the end", func() {
		n := 1 + s.rng.IntN(15)
		s.background("person", func(p *simProc) {
			p.tripsLeft.Store(int64(n))
			s.stopByHand(p)
		})
	})
	some(2, 600, "a person cancels, and another has it run", func() {
		s.background("person", s.cancel)
		s.at(within(s.rng, 0, 500*time.Millisecond), "another has it run", func() {
			if chance(s.rng, 700) {
				s.background("replay", s.replay)
			} else {
				s.dashboard()
			}
		})
	})
	some(6, 700, "a schedule", func() { s.background("schedule", s.runSchedule) })
	some(3, 400, "a sweep", func() { s.background("sweep", func(p *simProc) { _ = s.sweep(p) }) })
}

// enqueue is one call of a shop.
func (s *sim) enqueue(client *enqueue.Client, i *simIntent) (enqueue.Receipt, error) {
	defer s.called(i.id)()
	var options []enqueue.Option
	if i.later > 0 {
		options = append(options, enqueue.ProcessIn(i.later))
	}
	return client.Enqueue(context.Background(), i.payload(), options...)
}
