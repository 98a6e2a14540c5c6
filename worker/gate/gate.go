// Package gate keeps, per task, what must survive the worker: the budget, the
// mark of a write in flight, the finish marker and the result. Every step is
// one script over keys of one hash slot, by Redis' own clock, and may be
// executed twice without harm, since a Redis client may repeat a command whose
// answer it lost.
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Gate is safe for concurrent use.
type Gate struct {
	rdb      redis.UniversalClient
	topology redisx.Topology
	confirm  redisx.Confirm
	took     func(step string, d time.Duration)
	clock    *clock   // nil notices no clock that is set
	noted    sync.Map // time.Time by the owner of outcomes
}

// New returns a Gate that uses rdb and never closes it. With confirm, a write's
// mark must be on as many replicas and disks before [Gate.Enter] succeeds.
func New(rdb redis.UniversalClient, confirm redisx.Confirm) *Gate {
	return &Gate{
		rdb: rdb, topology: redisx.TopologyOf(rdb), confirm: confirm,
		took: func(string, time.Duration) {},
	}
}

// Steps are the steps that [Gate.Observed] tells of.
func Steps() []string { return []string{stepBegin, stepEnter, stepLeave} }

const stepBegin, stepEnter, stepLeave = "begin", "enter", "leave"

// Observed lets took, when not nil, be told how long every step took, and returns g.
func (g *Gate) Observed(took func(step string, d time.Duration)) *Gate {
	if took != nil {
		g.took = took
	}
	return g
}

func (g *Gate) since(step string, start time.Time) { g.took(step, time.Since(start)) }

// Attempt is one run of a task.
type Attempt struct {
	// Keys are those of the task, nil where only the egress is asked.
	Keys *record.TaskKeys
	// Token is the attempt's own; no two are equal.
	Token string
	// Enqueued is when the task was enqueued by the producer's clock, and Start when
	// its age begins by its headers; zero for unknown.
	Enqueued, Start time.Time
	// Nonce is that of the task's enqueue, empty for unknown, and Queue asynq's queue.
	Nonce, Queue string
	// Failed counts how often asynq took the task back after a failure.
	Failed int
	// LockFor is how long the lock of the subject lives at most.
	LockFor time.Duration
}

// Watch notices another replication id also while nothing runs, so that the time of the
// change is known. On a cluster it does not: there each merchant's slot remembers, and
// notices with its next task. It also tells others of a clock that was set, and learns
// of it; workers call it before their first attempt and every 10 seconds.
func (g *Gate) Watch(ctx context.Context) error {
	seen, fence := g.clock.seen()
	ago, err := lookScript.Run(ctx, g.rdb, lookKeys{record.ClockKey},
		lookArgs{!g.topology.Cluster(), time.Duration(seen) * time.Millisecond, fence})
	if err != nil {
		return fmt.Errorf("look at clock and replication: %w", err)
	}
	g.clock.learn(ago)
	return nil
}

// ErrSuperseded means that this attempt is over: another one runs by now, or its
// lock has ended.
var ErrSuperseded = errors.New("this attempt is over")
