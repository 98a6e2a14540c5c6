package worker

import (
	"time"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// This file lets a failover lose tasks with all that is known of them, after which the shops
// call again.

// planSecondCalls draws a failover that no shop waits for, and a second call for each intent.
func (s *sim) planSecondCalls() {
	s.at(within(s.rng, time.Second, 2*time.Minute), "a replica falls behind", func() {
		if s.redis.down.Load() || s.redis.number("EXISTS", record.ReplicationKey(redisx.Topology{}, "")) == 0 {
			return // a Redis that no worker has met is not missed when it is gone
		}
		s.promoteLater(s.redis.snapshot(), within(s.rng, time.Second, 30*time.Second))
		for _, i := range s.intents {
			if i.follows {
				continue
			}
			ahead := within(s.rng, -2*time.Minute, 5*time.Minute)
			s.at(within(s.rng, 40*time.Second, 20*time.Minute), "a shop calls again for "+i.name, func() {
				s.again.Add(1)
				i.stored.Store(false)
				s.acceptBy(i, ahead)
			})
		}
	})
}

// promoteLater lets the master die after a while, and its replica take over.
func (s *sim) promoteLater(behind snapshot, after time.Duration) {
	s.at(after, "the master dies", func() {
		s.redis.down.Store(true)
		s.at(within(s.rng, time.Second, 5*time.Second), "the replica takes over", func() {
			s.redis.promote(behind)
			s.lostAt = s.redis.now()
			s.redis.down.Store(false)
			s.at(within(s.rng, 0, replicationCheck), "workers look at redis", func() {
				for _, p := range s.workers {
					s.watch(p)
				}
			})
		})
	})
}
