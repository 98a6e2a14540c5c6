package worker

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// simIntent is what a shop wants, with how to look at ECPay for it.
type simIntent struct {
	name     string
	merchant string
	id       string
	queue    string
	make     func() tasks.Payload
	subject  string
	asks     []string // the subjects of questions about it
	op       string
	sample   samples.Case
	// askable: while it is unanswered, ECPay can tell.
	askable bool
	allowed int          // effects
	early   atomic.Int32 // as many more, by a person's word that came too early
	stage   func(*ecpaytest.Server) error
	staged  bool
	stored  atomic.Bool
	// undoneBy is the task that follows from it, if any, and has its effect; follows means that this is such a one.
	undoneBy *simIntent
	follows  bool
	of       *simIntent    // whose invoice a question asks for
	later    time.Duration // for when it is enqueued, 0 for at once
}

func (i *simIntent) payload() tasks.Payload {
	p := i.make()
	if err := p.Validate(); err != nil {
		panic(err)
	}
	return p
}

// effects counts what requests of this intent brought about, and reports whether
// ECPay shows its effect now.
func (i *simIntent) effects(s *sim) (n int, shown bool) {
	if i.undoneBy != nil {
		return i.undoneBy.effects(s)
	}
	for _, e := range s.fake.EffectsOn(i.merchant, i.subject) {
		switch {
		case slices.Contains(i.sample.Effects, e.Name):
			shown = true
			if e.CallSeq != 0 { // and not by the passing of time
				n++
			}
		case e.Name == ecpaytest.EffectCancelled:
			shown = false
		}
	}
	return n, shown
}

// intentOf is a case of the table of samples, about its nth subject.
func intentOf(name, merchant string, n int) *simIntent {
	return intentAbout(name, merchant, samples.Named(name).Subject("T", n))
}

// intentAbout is a case of the table of samples.
func intentAbout(name, merchant, subject string) *simIntent {
	c := samples.Named(name)
	at := samples.At{MerchantID: merchant, Subject: subject, Date: testDate}
	p, row := c.Payload(at), c.Row()
	delay := tasks.DelayOf(p)
	return &simIntent{
		name: name, merchant: merchant, subject: at.Subject, op: row.Operation.Name, sample: c, allowed: 1, asks: []string{"R" + at.Subject},
		askable: row.SendUnasked || len(c.Questions()) > 0 && (!delay.Applies || delay.Known && delay.Days == 0),
		make:    func() tasks.Payload { return c.Payload(at) },
		stage:   func(f *ecpaytest.Server) error { return c.Stage(f, at) },
	}
}

// draw makes the intents of a schedule: one to three, on one or two subjects. Triggers and
// cancels, of which one undoes the other, have draws of their own, and so have rivals; any
// other write of the table of samples is as likely as each of those.
func (s *sim) draw() {
	of := func(name string, n int) *simIntent { return intentOf(name, testMerchant, n) }
	trigger := func(name string) *simIntent {
		i := of(name, 1)
		if s.merchant.RetriggerScheduled {
			i.allowed = 2
		}
		return i
	}
	cancel := func(related bool) *simIntent {
		if related {
			return of("cancel", 1)
		}
		return of("cancel, nothing to ask", 1)
	}
	others := slices.DeleteFunc(samples.Writes(samples.Usual()), func(c samples.Case) bool {
		return c.Row().UndoneBy != "" || c.Row().SendUnasked
	})
	s.merchant.RetriggerScheduled = chance(s.rng, 100)
	switch n := s.rng.IntN(7 + len(others)); n {
	case 0, 1:
		s.intents = []*simIntent{trigger("trigger at once")}
	case 2:
		s.intents = []*simIntent{trigger("trigger at once"), cancel(chance(s.rng, 800))}
	case 3:
		s.intents = []*simIntent{trigger("trigger with delay"), cancel(true)}
	case 4:
		kinds := []string{"trigger, nothing to ask", "trigger, delay unknown", "trigger with delay"}
		s.intents = []*simIntent{trigger(kinds[s.rng.IntN(len(kinds))])}
	case 5:
		if chance(s.rng, 500) {
			s.intents = []*simIntent{cancel(chance(s.rng, 700))}
		} else {
			s.intents = s.undoing(chance(s.rng, 700))
		}
	case 6:
		s.intents = s.rivals()
	default:
		s.intents = []*simIntent{of(others[n-7].Name, 1)}
	}
	if chance(s.rng, 150) {
		s.intents = append(s.intents, of("void", 2))
	}
	if s.many = chance(s.rng, 200); s.many {
		for n, id := range otherMerchants {
			s.intents = append(s.intents, intentOf("void", id, 3+n))
		}
	}
	s.fetching()
	for _, i := range s.intents {
		p := i.payload()
		i.id, i.queue = tasks.ID(p), tasks.TypeOf(p).Queue
		if !slices.Contains(s.queues, i.queue) {
			s.queues = append(s.queues, i.queue)
		}
	}
}

// troubles are what ECPay does to requests. After a refusal that is answered,
// nothing has happened; whatever else is answered may have.
func (s *sim) troubles() []ecpaytest.Fault {
	late := within(s.rng, time.Second, s.window+time.Minute)
	slow := within(s.rng, 0, 25*time.Second)
	return []ecpaytest.Fault{
		{Drop: true}, {Drop: true, AfterEffect: true}, {EffectAfter: late}, {EffectAfter: late}, {Hang: true}, {Hang: true, AfterEffect: true},
		{Garbage: true}, {Garbage: true, AfterEffect: true}, {UnreadableData: true, AfterEffect: true},
		{NullData: true}, {WrongKey: true, AfterEffect: true},
		{Truncate: true}, {HTTPStatus: 500, Body: "<html>", AfterEffect: true}, {HTTPStatus: 502, Body: "<html>"},
		{Latency: slow}, {Latency: slow, AfterEffect: true},
		{RtnCode: 9000001}, {TransCode: 104}, {TransCode: 110}, {RtnCode: 5070350}, {RtnCode: 2103005},
		{HTTPStatus: 403}, {HTTPStatus: 429, Header: http.Header{"Retry-After": {strconv.Itoa(1 + s.rng.IntN(900))}}},
		{AboutAnother: true}, {AboutAnother: true, AfterEffect: true},
		{RtnCode: 8888888}, {RtnCode: 8888888, AfterEffect: true}, {RtnCode: 10100058}, {RtnCode: 10100058, AfterEffect: true}, {TransCode: 128},
	}
}

// questionTroubles are what ECPay does to questions.
func (s *sim) questionTroubles() []ecpaytest.Fault {
	return []ecpaytest.Fault{
		{Drop: true}, {Hang: true}, {Garbage: true}, {HTTPStatus: 403}, {HTTPStatus: 503, Body: "<html>"}, {RtnCode: 8888888}, {RtnCode: 2013001},
		{TransCode: 104}, {TransCode: 110}, {Latency: within(s.rng, 0, 25*time.Second)}, {UnreadableData: true}, {RtnCode: 9000001},
		{AboutAnother: true}, {AboutAnother: true},
	}
}

// plan draws all that will happen.
func (s *sim) plan() {
	s.draw()
	s.drawOdds()
	for _, i := range s.intents {
		s.planStaging(i)
		if !i.follows {
			s.planEnqueues(i)
		}
	}
	s.planKeys()
	for range 2 {
		s.newWorker()
	}
	faults := within(s.rng, time.Minute, 4*s.window)
	during := func() time.Duration { return within(s.rng, 0, faults) }
	some := func(n, thousandths int, name string, f func()) {
		for range n {
			if chance(s.rng, thousandths) {
				s.at(during(), name, f)
			}
		}
	}
	s.planCare(faults, during)
	s.planWorkerTroubles(some)
	s.planOtherTroubles(some)
	s.planGreatTrouble(faults)
	s.planStops(some)
	s.at(faults, "the faults stop", func() {
		s.faulty.Store(false)
		s.fake.ClearFaults()
		s.lookAfter()
	})
	s.at(faults+20*time.Minute, "shops and workers are looked after", s.lookAfter)
	if !s.wrong && !s.lossy && chance(s.rng, 40) {
		s.lateCancel()
	}
}

// drawOdds draws how likely what may befall any command or request is.
func (s *sim) drawOdds() {
	pick := func(of ...int) int { return of[s.rng.IntN(len(of))] }
	s.odds = odds{
		crash: pick(0, 0, 10, 40), request: pick(0, 0, 10, 40), reply: pick(0, 0, 10, 60), late: pick(0, 0, 10, 40), freeze: pick(0, 0, 5, 15),
		connect: pick(0, 0, 20, 150),
	}
	if chance(s.rng, 700) {
		s.merchant.TsrIsRelateNumber = false
	}
}

// planStaging draws what ECPay does to the requests of an intent and to questions, and stages what it is about.
func (s *sim) planStaging(i *simIntent) {
	for range s.rng.IntN(5) {
		f := slices.DeleteFunc(s.troubles(), func(f ecpaytest.Fault) bool { return f.AboutAnother && !i.sample.NamesSubject })
		s.fake.Inject(ecpaytest.Match{Operation: i.op, Subject: i.subject}, f[s.rng.IntN(len(f))])
	}
	for _, question := range i.sample.AllQuestions() {
		for range s.rng.IntN(3) {
			f := slices.DeleteFunc(s.questionTroubles(), func(f ecpaytest.Fault) bool { return f.AboutAnother && i.sample.Nameless })
			s.fake.Inject(ecpaytest.Match{Operation: question}, f[s.rng.IntN(len(f))])
		}
	}
	stage := func() {
		if !i.staged && !slices.ContainsFunc(s.intents, func(o *simIntent) bool {
			return o.merchant == i.merchant && o.subject == i.subject && o.staged
		}) {
			if err := i.stage(s.fake); err != nil {
				panic(err)
			}
		}
		i.staged = true
	}
	// A cancel comes after the staging: of one that does not exist, nobody can tell
	// whether it was done.
	if i.op == "TriggerIssue" && chance(s.rng, 100) && len(s.intents) == 1 {
		s.at(within(s.rng, 0, 4*time.Minute), "staging lags", stage)
	} else {
		stage()
	}
}

// planEnqueues draws when a shop enqueues an intent.
func (s *sim) planEnqueues(i *simIntent) {
	from, until := time.Duration(0), time.Minute
	if i.op == "CancelDelayIssue" && len(s.intents) > 1 && chance(s.rng, 400) { // while the trigger waits for its fence, and about its end
		from, until = 20*time.Second, s.policy.Fence+3*time.Minute
		s.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue", Subject: i.subject}, ecpaytest.Fault{Drop: true})
	}
	for n := range 1 + s.rng.IntN(2) {
		d := within(s.rng, from, until)
		if n > 0 {
			d = within(s.rng, from, 30*time.Minute)
		}
		s.at(d, "a shop enqueues "+i.name, func() { s.accept(i) })
	}
}

// planKeys draws whether the first workers have keys that are no more, or none yet.
func (s *sim) planKeys() {
	if chance(s.rng, 200) { // the first workers have keys that are no more, or none yet
		for range 1 + s.rng.IntN(2) {
			var m *Merchant
			if chance(s.rng, 700) {
				m = &s.wrongMerchant
			}
			s.outdated = append(s.outdated, m)
		}
	}
}

// planCare draws when workers are started again, told of new keys, and look after held tasks.
func (s *sim) planCare(faults time.Duration, during func() time.Duration) {
	// Crashed workers are started again, as an orchestrator does.
	for d := time.Duration(0); d < faults; d += within(s.rng, 5*time.Second, 3*time.Minute) {
		s.at(d, "workers are looked after", s.lookAfter)
	}
	// Workers are told of new keys one after the other, or started with them.
	if len(s.outdated) > 0 {
		s.at(during(), "keys are rotated", func() {
			s.rotated = true
			for _, p := range s.workers {
				s.at(within(s.rng, 0, 2*time.Minute), "a worker reloads its keys", func() { p.keys.current.Store(&s.merchant) })
			}
		})
	}
	for range 8 {
		s.at(within(s.rng, 0, 2*faults), "a worker looks after held tasks", func() {
			if p := s.anyWorker(); p != nil {
				p.resumeHeld()
			}
		})
	}
}

// mayHappen plans up to n events of a kind, each with so many chances in a thousand.
type mayHappen = func(n, thousandths int, name string, f func())

// planWorkerTroubles draws what befalls all merchants and the workers.
func (s *sim) planWorkerTroubles(some mayHappen) {
	if s.many {
		some(2, 600, "ecpay bans the address", func() {
			s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden, Times: 3 + s.rng.IntN(6)})
		})
		some(1, 400, "the ministry is away", func() {
			s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001, Times: 5 + s.rng.IntN(20)})
		})
	}
	some(2, 100, "a person resumes the merchant", func() { s.background("person", s.resume) })
	some(3, 300, "a worker is killed", func() {
		if p := s.anyWorker(); p != nil {
			p.kill("by SIGKILL")
		}
	})
	some(2, 200, "a worker is frozen", func() {
		if p := s.anyWorker(); p != nil {
			p.freeze(within(s.rng, time.Second, 3*time.Minute))
		}
	})
	some(2, 200, "a worker drains", func() {
		if p := s.anyWorker(); p != nil {
			p.drain = true
			s.newWorker()
		}
	})
	some(1, 150, "a worker is told to stop", func() {
		if p := s.anyWorker(); p != nil {
			s.stop(p, 60*time.Second)
			s.newWorker()
		}
	})
}

// planOtherTroubles draws what befalls Redis and ECPay, and what people do.
func (s *sim) planOtherTroubles(some mayHappen) {
	some(3, 250, "tasks are given to two workers", s.steal)
	some(1, 150, "redis is away", func() {
		s.redis.down.Store(true)
		s.at(within(s.rng, time.Second, time.Minute), "redis is back", func() { s.redis.down.Store(false) })
	})
	some(1, 150, "ecpay is away", func() {
		s.away.Store(true)
		s.at(within(s.rng, time.Second, 20*time.Minute), "ecpay is back", func() { s.away.Store(false) })
	})
	some(2, 150, "a sweep", func() { s.background("sweep", func(p *simProc) { _ = s.sweep(p) }) })
	some(2, 150, "a replay", func() { s.background("replay", s.replay) })
	some(2, 200, "a person says that it was not executed", func() { s.background("person", s.word) })
	some(1, 100, "a run from the dashboard", s.dashboard)
	some(1, 250, "others are at work at ecpay", s.atECPay)
}

// atECPay does by other means what may be taken for the work of a task, see [samples.Sample.Others].
func (s *sim) atECPay() {
	for _, i := range s.intents {
		if others := i.sample.Others; others != nil {
			if err := others(s.fake, samples.At{MerchantID: i.merchant, Subject: i.subject}); err != nil {
				s.violated("others at work on %s: %v", i.subject, err)
			}
		}
	}
}

// planGreatTrouble draws one great trouble at a time, with writes that land late to make it hurt.
func (s *sim) planGreatTrouble(faults time.Duration) {
	soon := within(s.rng, 0, min(faults, 3*s.window/2))
	switch s.rng.IntN(8) {
	case 0:
		s.wrong = true
		s.landLate()
		s.at(soon, "the workers' clock jumps", func() {
			d := s.jump()
			for _, p := range s.workers {
				p.offset.Add(d)
			}
		})
	case 1:
		s.wrong = true
		s.landLate()
		s.at(soon, "redis' clock jumps", func() { s.redis.offset.Add(s.jump()) })
	case 2: // a little ahead from the start, which nothing corrects
		s.landLate()
		for _, p := range s.workers {
			p.offset.Store(int64(within(s.rng, -100*time.Second, 100*time.Second)))
		}
	case 3:
		s.lossy = true
		s.failoverAt = 1 + s.rng.IntN(4)
	case 4:
		s.lossy = true
		s.landLate()
		s.planSecondCalls()
	case 5:
		s.wrong = true
		s.landLate()
		s.planSteps(soon, s.jump)
	}
}

// landLate lets writes land long after they were sent.
func (s *sim) landLate() {
	for _, i := range s.intents {
		s.fake.Inject(ecpaytest.Match{Operation: i.op, Subject: i.subject}, ecpaytest.Fault{EffectAfter: within(s.rng, s.window/2, s.window)})
	}
}

// jump draws by how much a clock is set.
func (s *sim) jump() int64 {
	d := within(s.rng, 2*time.Minute, 30*time.Minute)
	if chance(s.rng, 400) {
		d = -d
	}
	return int64(d)
}

func (s *sim) anyWorker() *simProc {
	alive := slices.DeleteFunc(slices.Clone(s.workers), func(p *simProc) bool { return p.dead.Load() })
	if len(alive) == 0 {
		return nil
	}
	return alive[s.rng.IntN(len(alive))]
}

// lookAfter starts workers in the place of those that crashed.
func (s *sim) lookAfter() {
	s.workers = slices.DeleteFunc(s.workers, func(p *simProc) bool { return p.dead.Load() || p.drain && len(p.tasks()) == 0 })
	for len(s.workers) < 2 {
		s.newWorker()
	}
}

// replay runs dead tasks again, on nobody's word.
func (s *sim) replay(p *simProc) {
	l := s.ledger(p)
	for _, i := range s.intents {
		func() {
			defer s.named(i.id)()
			out, err := l.Replay(context.Background(), i.id, deadletter.ReplayOptions{By: "sim"})
			s.logf("%s: replay of %s: %s %v", p.name, i.id, out, err)
		}()
	}
}

// dashboard presses Run for whatever waits or is archived.
func (s *sim) dashboard() {
	s.background("dashboard", func(p *simProc) {
		inspector := asynq.NewInspectorFromRedisClient(p.rdb)
		for _, i := range s.intents {
			func() {
				defer s.named(i.id)()
				s.logf("%s: run of %s: %v", p.name, i.id, inspector.RunTask(i.queue, i.id))
			}()
		}
	})
}

// attend is the work of a person once the faults have stopped: sweep, look at
// ECPay for each dead task, and say what is there.
func (s *sim) attend() {
	s.background("person", func(p *simProc) {
		l := s.ledger(p)
		for _, i := range s.intents {
			letter, err := l.Get(context.Background(), i.id)
			if err != nil {
				continue
			}
			defer s.named(i.id)()
			_, shown := i.effects(s)
			if shown || letter.Kind == ecpay.Conflict || letter.Kind == ecpay.NotFound {
				out, err := l.Resolve(context.Background(), i.id, "sim", "looked it up")
				s.logf("%s: resolve of %s: %s %v", p.name, i.id, out, err)
				continue
			}
			out, err := l.Replay(context.Background(), i.id, deadletter.ReplayOptions{NotExecuted: true, By: "sim"})
			s.logf("%s: replay of %s as not executed: %s %v", p.name, i.id, out, err)
		}
	})
}
