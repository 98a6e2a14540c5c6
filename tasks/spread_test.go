package tasks

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func triggerOf(merchantID string) Payload {
	return &B2CTriggerIssue{MerchantID: merchantID, Tsr: "T"}
}

func TestASpreadGivesABacklogTimesAlongItsMerchantsPace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 300_000_000, time.UTC)
	cancel := &B2CCancelDelayIssue{MerchantID: "A", Tsr: "T"}
	later := now.Add(time.Hour)
	at := func(d time.Duration) time.Time { return now.Truncate(time.Second).Add(d) }
	type step struct {
		name  string
		n     int // this many are taken
		p     Payload
		wish  time.Time
		after time.Duration // on the clock
		want  time.Time     // of the last of them; zero for at once
	}
	for name, steps := range map[string][]step{
		"a few at once are not delayed": {{"8", 8, triggerOf("A"), time.Time{}, 0, time.Time{}}},
		"the backlog follows the pace":  {{"1,000", 1000, triggerOf("A"), time.Time{}, 0, at(198 * time.Second)}},
		"what is due is at once":        {{"9, of which the last is due", 9, triggerOf("A"), time.Time{}, 0, at(0)}},
		"another merchant does not wait": {
			{"A", 2000, triggerOf("A"), time.Time{}, 0, at(398 * time.Second)}, {"B", 1, triggerOf("B"), time.Time{}, 0, time.Time{}},
		},
		"a cancel does not wait for triggers": {
			{"triggers", 2000, triggerOf("A"), time.Time{}, 0, at(398 * time.Second)}, {"a cancel", 1, cancel, time.Time{}, 0, time.Time{}},
		},
		"time that passes shortens the line": {
			{"100", 100, triggerOf("A"), time.Time{}, 0, at(18 * time.Second)},
			{"later", 1, triggerOf("A"), time.Time{}, 19 * time.Second, time.Time{}},
		},
		"a wish is rounded up":             {{"1", 1, triggerOf("A"), later, 0, at(time.Hour + time.Second)}},
		"a backlog of one wish follows it": {{"1,000", 1000, triggerOf("A"), later, 0, at(time.Hour + 199*time.Second)}},
		"never before the wish":            {{"9", 9, triggerOf("A"), later, 0, at(time.Hour + time.Second)}},
		"a wish for later delays nothing now": {
			{"later", 1000, triggerOf("A"), later, 0, at(time.Hour + 199*time.Second)}, {"now", 1, triggerOf("A"), time.Time{}, 0, time.Time{}},
		},
		"a wish that has passed is at once": {{"1", 1, triggerOf("A"), now.Add(-time.Hour), 0, at(-time.Hour + time.Second)}},
		"no interval":                       {{"1,000", 1000, triggerOf("FREE"), time.Time{}, 0, time.Time{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewSpread(func(merchantID string) time.Duration {
				if merchantID == "FREE" {
					return 0
				}
				return DefaultInterval
			})
			for _, step := range steps {
				var got time.Time
				for range step.n {
					got = s.Next(step.p, step.wish, now.Add(step.after))
				}
				if diff := cmp.Diff(step.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", step.name, diff)
				}
			}
		})
	}
}

func TestWhatIsGivenBackDelaysNobody(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := NewSpread(Every(time.Second))
	for _, wish := range []time.Time{{}, now.Add(time.Hour)} {
		s.Next(triggerOf("A"), wish, now)
		want := s.Next(triggerOf("A"), wish, now)
		for range 1000 {
			s.Next(triggerOf("A"), wish, now)
			s.GiveBack(triggerOf("A"), wish, now)
		}
		if got := s.Next(triggerOf("A"), wish, now); got.Sub(want) > 2*time.Second &&
			!want.IsZero() || got.After(now.Add(time.Hour+5*time.Second)) {
			t.Errorf("wish %s: got %s after %s", wish, got, want)
		}
	}
}

func TestASpreadForgetsLinesThatAreNotUsed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := NewSpread(Every(DefaultInterval))
	for i := range 10 * spreadLines {
		s.Next(triggerOf(fmt.Sprint(i)), time.Time{}, now)
		s.Next(triggerOf("BUSY"), time.Time{}, now)
	}
	if n := len(s.young) + len(s.old); n > 2*spreadLines {
		t.Errorf("%d lines are remembered", n)
	}
	if got := s.Next(triggerOf("BUSY"), time.Time{}, now); got.Before(now.Add(10 * spreadLines * DefaultInterval / 2)) {
		t.Errorf("a line in use was forgotten: %s", got)
	}
}
