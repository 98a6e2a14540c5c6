package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// simEnds are the ends of each owner's tasks in order, seen from outside: how a script left the
// record it is about, beside how it found it.
type simEnds map[string][]string

// recordState is what a record says of an end.
type recordState struct {
	key, state, died, by string
	done                 bool // it has a finish marker
}

// look reads the record that a script is about.
func (r *simRedis) look(keys []string) (s recordState) {
	for _, key := range keys {
		switch {
		case !strings.HasPrefix(key, "ecpayq:"):
		case strings.Contains(key, ":task:") && s.key == "": // that of the task; another is of what it asks for
			s = recordState{key, r.mr.HGet(key, record.FieldState), r.mr.HGet(key, record.FieldDied), r.mr.HGet(key, record.FieldBy), s.done}
		case strings.Contains(key, ":done:"):
			s.done = s.done || r.mr.Exists(key)
		}
	}
	return s
}

// note notes an end, if a script made one.
func (r *simRedis) note(before, after recordState) {
	_, stopped := record.ArchivedByHand(before.by)
	_, stops := record.ArchivedByHand(after.by)
	ends := false
	switch record.State(after.state) {
	case record.Done:
		ends = before.state != after.state && (before.state != "" || !before.done)
	case record.Dead:
		ends = before.state != after.state || before.died != after.died && !(stopped && stops)
	}
	if !ends {
		return
	}
	_, id, _ := strings.Cut(after.key, ":task:")
	owner := record.Owner(id)
	r.ends[owner] = append(slices.Clip(r.ends[owner]), id+" "+after.state)
}

// recorded returns the ends that the outcomes of an owner tell, read page by page.
func (s *sim) recorded(c *simCounts, reader *record.Reader, owner string) (ends []string) {
	q := record.OutcomeQuery{Merchants: []string{owner}, Limit: 3}
	seen, issued := int64(0), map[string]bool{}
	for {
		page, err := reader.Outcomes(context.Background(), q)
		if err != nil {
			s.violated("outcomes of %s cannot be read: %v", owner, err)
			return ends
		}
		for _, o := range page.Outcomes {
			if seen++; o.Seq != seen {
				s.violated("an outcome of %s has the number %d, want %d", owner, o.Seq, seen)
			}
			if o.State == record.OutcomeIssued {
				if issued[o.ID] || o.Invoice == nil || !slices.Contains(ends, o.ID+" "+string(record.Done)) {
					s.violated("%s is issued as %v, told before: %t, after %q", o.ID, o.Invoice, issued[o.ID], ends)
				}
				issued[o.ID] = true
				c.told.Add(1)
				continue
			}
			state := string(record.Done)
			if o.State == record.OutcomeDead || o.State == record.OutcomeStopped {
				state = string(record.Dead)
			}
			ends = append(ends, o.ID+" "+state)
		}
		if len(page.Outcomes) == 0 {
			return ends
		}
		q.After = page.Next
	}
}

// judgeOutcomes demands that the outcomes are the ends, none missing and none twice.
func (s *sim) judgeOutcomes(c *simCounts, reader *record.Reader) {
	owners := map[string]bool{}
	for _, i := range s.intents {
		owners[i.merchant] = true
	}
	for owner := range owners {
		want := s.withoutQuestions(s.redis.ends[owner])
		got := s.withoutQuestions(s.recorded(c, reader, owner)) // what a person ended is told of them, too
		c.outcomes.Add(int64(len(got)))
		if !slices.Equal(got, want) {
			s.violated("the outcomes of %s are not the ends of its tasks: %s", owner, differ(want, got))
		}
	}
}

func differ(want, got []string) string {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	return fmt.Sprintf("after %d, %q, want %q", n, got[n:], want[n:])
}
