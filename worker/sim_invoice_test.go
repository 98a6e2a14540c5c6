package worker

import (
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// This file has workers ask for the invoices of triggers, in a quarter of the schedules that have one.
// It is the seed that says in which, and no draw, so that all others stay as they are: those below 50,000
// and from 100,000 to 200,000, among which broken rules are looked for, see sim_mutation_test.go.

// fetching adds the question that a worker may store for a trigger.
func (s *sim) fetching() {
	trigger := s.intents[0]
	others := s.seed < 50_000 || s.seed >= 100_000 && s.seed < 200_000
	if s.seed%4 != 3 || others || trigger.op != "TriggerIssue" {
		return
	}
	s.fetches = true
	p, relateNumber := trigger.payload(), "R"+trigger.subject
	q := &simIntent{
		name: "the question for " + trigger.name, merchant: trigger.merchant, subject: relateNumber, op: "GetIssue", of: trigger,
		sample: samples.Named("invoice query"), stage: func(*ecpaytest.Server) error { return nil }, staged: true, follows: true,
		make: func() tasks.Payload {
			return &tasks.B2CGetIssue{MerchantID: trigger.merchant, RelateNumber: relateNumber, Days: 3, TaskID: tasks.ID(p)}
		},
	}
	q.stored.Store(true) // by whom it follows from, or never
	s.intents = append(s.intents, q)
}

// judgeQuestion demands that a question that is there has an end, and that it ends in a letter only
// where a person may want one.
func (s *sim) judgeQuestion(i *simIntent) {
	if s.never(i) {
		return
	}
	rec := s.redis.hash(record.TaskKey(i.id))
	_, dead := s.redis.direct("ZSCORE", record.DeadKey(i.id), i.id).(string)
	if state := record.State(rec[record.FieldState]); len(rec) > 0 && state != record.Done && !dead {
		s.violated("%s is neither done nor in the ledger: state %q", i.name, state)
	}
}

// withoutQuestions leaves out the ends of questions that are done: they are told by the invoice alone.
func (s *sim) withoutQuestions(ends []string) []string {
	return slices.DeleteFunc(slices.Clone(ends), func(end string) bool {
		return strings.HasPrefix(end, "b2c.get_issue.") && strings.HasSuffix(end, " "+string(record.Done))
	})
}
