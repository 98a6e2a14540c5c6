package worker

import (
	"slices"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// lateCancel adds a cancel around 10:00 in Taipei on the day of issue, after which ECPay takes
// none and issues some hours later. Schedules begin at 8:00; all other trouble is over by then.
func (s *sim) lateCancel() {
	i := intentOf("cancel", testMerchant, 9)
	i.name = "late cancel"
	p := i.payload()
	i.id, i.queue = tasks.ID(p), tasks.TypeOf(p).Queue
	if !slices.Contains(s.queues, i.queue) {
		s.queues = append(s.queues, i.queue)
	}
	s.intents = append(s.intents, i)
	s.at(within(s.rng, 3*time.Hour, 12*time.Hour), "the shop stages for tomorrow", func() {
		if err := s.fake.StageDelayed(ecpaytest.Delayed{Tsr: "T9", RelateNumber: "RT9", DelayFlag: "1", DelayDay: 1}); err != nil {
			panic(err)
		}
	})
	near := s.policy.Fence / 2
	s.at(26*time.Hour+within(s.rng, -near, near), "a shop cancels on the day of issue", func() {
		for range 1 + s.rng.IntN(3) {
			s.fake.Inject(ecpaytest.Match{Operation: i.op, Subject: i.subject}, ecpaytest.Fault{Drop: true, AfterEffect: chance(s.rng, 300)})
		}
		s.accept(i)
	})
}
