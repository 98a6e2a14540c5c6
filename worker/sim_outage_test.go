package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// outageIntents are a void and a cancel of each merchant. A cancel that goes unanswered
// is sent again without a question.
func outageIntents() (all []*simIntent) {
	for n, id := range []string{testMerchant, otherMerchants[0], otherMerchants[1]} {
		void, cancel := intentOf("void", id, 100+n), intentOf("cancel, nothing to ask", id, 100+n)
		void.queue, cancel.queue = void.sample.Queue, cancel.sample.Queue
		all = append(all, void, cancel)
	}
	return all
}

func TestAnOutageOf18HoursKillsNothingAndMeetsFewRequests(t *testing.T) {
	const outage = 18 * time.Hour
	for name, begin := range map[string]func(*sim){
		"nothing is delivered": func(s *sim) { s.away.Store(true) },
		"the Ministry is away": func(s *sim) { s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 9000001, Times: -1}) },
		"HTTP 503 with HTML": func(s *sim) {
			s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{HTTPStatus: 503, Body: "<html>", Times: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, 1, nil)
				defer s.close()
				s.intents, s.queues = outageIntents(), []string{"invalid", "cancel_delay_issue"}
				for _, i := range s.intents {
					i.id = tasks.ID(i.payload())
					if err := i.stage(s.fake); err != nil {
						t.Fatal(err)
					}
					s.accept(i)
				}
				s.newWorker()
				s.newWorker()
				begin(s)
				over := time.Now().Add(outage)
				s.at(outage, "the outage ends", func() {
					s.away.Store(false)
					s.fake.ClearFaults()
					s.faulty.Store(false)
				})
				if !s.run(outage + 2*time.Hour) {
					t.Errorf("not at an end two hours after the outage")
				}
				var c simCounts
				s.judge(&c)
				for _, b := range s.blame {
					t.Error(b)
				}
				if n := len(s.intents); int(c.done.Load()) != n {
					t.Errorf("%d of %d are done", c.done.Load(), n)
				}
				during := 0
				for _, call := range s.fake.Calls() {
					if call.At.Before(over) {
						during++
					}
				}
				// One probe every five minutes, and what was on its way at the beginning.
				if most := int(outage/(5*time.Minute)) + 60; during > most {
					t.Errorf("%d requests during the outage, want at most %d", during, most)
				}
			})
		})
	}
}
