package worker

import (
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// This file sets all clocks at once, as on one machine, or when all follow one that is wrong.

// stepClocks sets Redis' clock and those of all workers, also of those that start later.
func (s *sim) stepClocks(d time.Duration) {
	s.lookedLately()
	s.logf("all clocks are set by %s", d)
	s.step.Add(int64(d))
	s.steps.Add(1)
	s.redis.offset.Add(int64(d))
	s.setAt = s.redis.now().UnixMilli()
	for _, p := range s.workers {
		p.offset.Add(int64(d))
	}
	for _, p := range s.workers { // each looks every ten seconds
		s.at(within(s.rng, 0, replicationCheck), "a worker looks at the clocks", func() {
			if p.stands() {
				s.watch(p)
			}
		})
	}
}

// planSteps sets the clocks once, or once more and perhaps back.
func (s *sim) planSteps(soon time.Duration, jump func() int64) {
	d := time.Duration(jump())
	s.at(soon, "the clocks are set", func() { s.stepClocks(d) })
	if chance(s.rng, 500) {
		again := -d
		if chance(s.rng, 300) {
			again = time.Duration(jump())
		}
		s.at(soon+within(s.rng, time.Second, 2*s.window), "the clocks are set once more", func() { s.stepClocks(again) })
	}
}

// lookedLately stands for the looks of workers that live, one every ten seconds: nobody
// could tell them from the last one of them. After the clocks were set, the next one counts.
func (s *sim) lookedLately() {
	looked, _ := strconv.ParseInt(s.redis.text("HGET", record.ClockKey, record.FieldLooked), 10, 64)
	if s.redis.down.Load() || looked < s.setAt || looked > s.redis.now().UnixMilli() {
		return
	}
	for _, p := range s.workers {
		if p.stands() {
			at := s.redis.now().Add(-within(s.rng, 0, replicationCheck)).UnixMilli()
			s.redis.direct("HSET", record.ClockKey, record.FieldLooked, at)
			return
		}
	}
}
