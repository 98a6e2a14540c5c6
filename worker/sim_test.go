package worker

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	simSchedules = flag.Int("sim.schedules", 300, "schedules that TestSimulation runs")
	simSeed      = flag.Uint64("sim.seed", 1, "the first seed of TestSimulation; 0 draws one")
	simFailures  = flag.Int64("sim.failures", 3, "failures after which TestSimulation ends")
	simOne       = flag.Bool("sim.trace", false, "run one schedule, of the first seed, and print what happens")
)

// TestSimulation runs schedules drawn by seed: workers, shops and operators that
// crash, freeze and lose commands at every step that touches the network, an
// ECPay that answers badly, late or not at all, clocks that jump, a Redis that is
// away or loses its last writes, and all clocks set at once. A failure prints the seed; run it again with
//
//	go test ./worker -run TestSimulation -sim.trace -sim.seed N
func TestSimulation(t *testing.T) {
	first := *simSeed
	if first == 0 {
		first = rand.Uint64N(1 << 40)
	}
	if *simOne {
		var trace bytes.Buffer
		blame, _ := schedule(t, first, &trace)
		t.Log("\n" + trace.String())
		for _, b := range blame {
			t.Errorf("seed %d: %s", first, b)
		}
		return
	}
	t.Logf("%d schedules from seed %d", *simSchedules, first)
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // a schedule is small and soon over
	var next, failed atomic.Int64
	var total simCounts
	t.Run("schedules", func(t *testing.T) {
		for i := range 2 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				for failed.Load() < *simFailures {
					n := next.Add(1) - 1
					if n >= int64(*simSchedules) {
						return
					}
					if n > 0 && n%10_000 == 0 {
						t.Logf("%d schedules", n)
					}
					seed := first + uint64(n)
					blame, counts := schedule(t, seed, nil)
					total.add(counts)
					if len(blame) > 0 {
						failed.Add(1)
						t.Errorf("seed %d: %s\n(go test ./worker -run TestSimulation -sim.trace -sim.seed %d)", seed, strings.Join(blame, "; "), seed)
					}
				}
			})
		}
	})
	t.Log(total.String())
	if *simSchedules >= 100 {
		total.mustHaveSeen(t)
	}
}

// simCounts is what schedules met, to show that they met it.
type simCounts struct {
	intents, done, dead, ambiguous, runs, calls, unanswered, crashes, asked, twice   atomic.Int64
	refused, closed, stopped, cancelled, words, again, steps, joint, alone, outcomes atomic.Int64
	told                                                                             atomic.Int64
}

func (c *simCounts) add(o *simCounts) {
	for _, f := range []struct{ to, from *atomic.Int64 }{
		{&c.intents, &o.intents}, {&c.done, &o.done}, {&c.dead, &o.dead}, {&c.ambiguous, &o.ambiguous}, {&c.runs, &o.runs},
		{&c.calls, &o.calls}, {&c.unanswered, &o.unanswered}, {&c.crashes, &o.crashes},
		{&c.asked, &o.asked}, {&c.twice, &o.twice}, {&c.refused, &o.refused}, {&c.closed, &o.closed},
		{&c.stopped, &o.stopped}, {&c.cancelled, &o.cancelled},
		{&c.words, &o.words}, {&c.again, &o.again}, {&c.steps, &o.steps},
		{&c.joint, &o.joint}, {&c.alone, &o.alone}, {&c.outcomes, &o.outcomes}, {&c.told, &o.told},
	} {
		f.to.Add(f.from.Load())
	}
}

func (c *simCounts) String() string {
	return fmt.Sprintf("%d intents: %d done, %d dead(Ambiguous), %d dead otherwise; %d runs, %d crashes, %d outcomes "+
		"recorded with asynq's and %d by themselves, %d requests, %d of them questions, %d unanswered, %d with wrong "+
		"keys; %d effects twice that a failover may cost",
		c.intents.Load(), c.done.Load(), c.ambiguous.Load(), c.dead.Load(), c.runs.Load(), c.crashes.Load(), c.joint.Load(),
		c.alone.Load(), c.calls.Load(), c.asked.Load(), c.unanswered.Load(), c.refused.Load(), c.twice.Load())
}

// mustHaveSeen demands that the simulation was about something.
func (c *simCounts) mustHaveSeen(t *testing.T) {
	t.Helper()
	for name, n := range map[string]int64{
		"intents that are done": c.done.Load(), "ambiguous ends": c.ambiguous.Load(), "other dead ends": c.dead.Load(),
		"crashes": c.crashes.Load(), "questions": c.asked.Load(), "unanswered requests": c.unanswered.Load(),
		"requests with wrong keys": c.refused.Load(), "requests after a pause of the egress": c.closed.Load(),
		"tasks that a person stopped": c.stopped.Load(), "cancelled tasks": c.cancelled.Load(),
		"words of a person": c.words.Load(), "second calls after a failover": c.again.Load(), "clocks that are set": c.steps.Load(),
		"outcomes recorded with asynq's": c.joint.Load(), "outcomes recorded by themselves": c.alone.Load(),
		"outcomes in the feed": c.outcomes.Load(), "invoices that are told": c.told.Load(),
	} {
		if n == 0 {
			t.Errorf("the schedules had no %s", name)
		}
	}
}

// schedule runs the schedule of a seed and returns what does not hold.
func schedule(t *testing.T, seed uint64, trace io.Writer) (blame []string, counts *simCounts) {
	counts = &simCounts{}
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, seed, trace)
		s.plan()
		if !s.run(1000 * time.Hour) {
			s.violated("not at an end after %s", time.Since(s.start))
		}
		s.judge(counts)
		if len(s.blame) == 0 && counts.dead.Load()+counts.ambiguous.Load() > 0 {
			s.attend()
			if !s.run(1000 * time.Hour) {
				s.violated("not at an end after %s, with a person's help", time.Since(s.start))
			}
			s.judge(&simCounts{})
		}
		s.close()
		blame = s.blame
	})
	return blame, counts
}

// A failure is worth a seed only if the seed brings it back.
func TestTheSameSeedIsTheSameSchedule(t *testing.T) {
	for seed := range uint64(30) {
		var first, again bytes.Buffer
		schedule(t, seed, &first)
		schedule(t, seed, &again)
		if first.String() != again.String() { // a diff of so many lines takes longer than the schedules
			t.Errorf("seed %d (-first +again):\n%s", seed, cmp.Diff(strings.Split(first.String(), "\n"), strings.Split(again.String(), "\n")))
		}
	}
}
