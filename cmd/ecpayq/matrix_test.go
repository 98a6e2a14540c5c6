package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// This file says what has to become of every write in every trouble, by the
// rules and not by the code. The README has it as a table, and the slow tests
// hold real workers to it.

// aftermath is what a trouble leaves behind: what ECPay did, and what the worker
// can read of it.
type aftermath int

const (
	// recorded: the answer was read, and recorded in the end.
	recorded aftermath = iota
	// landed: the effect is there when the worker comes back, its answer is not.
	landed
	// absent: the request never has an effect, and the worker cannot know.
	absent
	// late: the effect comes about after the worker has come back once.
	late
	// landedRefused and absentRefused: as above, and ECPay refuses every later
	// attempt of the write.
	landedRefused
	absentRefused
	// absentUnknown: as absent, and ECPay gives every later attempt a code that
	// nobody knows.
	absentUnknown
)

// The outcomes. What follows the state happened in this order after the first
// request: "asked" is one question or several, "sent again" one more write.
const (
	done               = "done"
	doneAsked          = "done, asked"
	doneSentAgain      = "done, sent again"
	doneAskedSentAgain = "done, asked, sent again"
	doneSentAgainAsked = "done, sent again, asked"
	held               = "held"
	ambiguous          = "dead (`Ambiguous`)"
	rejected           = "dead (`Rejected`)"
	notFound           = "dead (`NotFound`)"
)

// rule is what becomes of one kind of write.
type rule struct {
	write    string
	outcomes map[aftermath]string
}

// asked is the rule of a write whose effect a question shows at once: what is
// shown is done, what is not shown after the fence was not executed and is sent
// again. A refusal then is the refusal of the only request that ECPay acted on.
func asked(refused string) map[aftermath]string {
	return map[aftermath]string{
		recorded: done, landed: doneAsked, absent: doneAskedSentAgain, late: doneAsked,
		landedRefused: doneAsked, absentRefused: refused, absentUnknown: ambiguous,
	}
}

// always is the rule of a write that never goes out twice: it ends the same,
// whatever ECPay did with the first one.
func always(outcome string) map[aftermath]string {
	return map[aftermath]string{
		recorded: done, landed: outcome, absent: outcome, late: outcome,
		landedRefused: outcome, absentRefused: outcome, absentUnknown: outcome,
	}
}

func rules() []rule {
	return []rule{
		{"Trigger, DelayDay 0", asked(notFound)},
		// An invoice that is scheduled cannot be seen before the day of its issue.
		{"Trigger, DelayDay 3", always(held)},
		// Not knowing the day, nobody can wait for it.
		{"Trigger, DelayDay not given", always(ambiguous)},
		{"Trigger, no RelateNumber", always(ambiguous)},
		// A second cancel changes nothing, so it is sent at once. That it finds nothing
		// to cancel is the work of the first one, unless the invoice is issued: a
		// question tells. Any other refusal says nothing about the first one, nor does
		// a question.
		{"Cancel", map[aftermath]string{
			recorded: done, landed: doneSentAgainAsked, absent: doneSentAgain, late: doneSentAgain,
			landedRefused: ambiguous, absentRefused: ambiguous, absentUnknown: ambiguous,
		}},
		{"Cancel, no RelateNumber", map[aftermath]string{
			recorded: done, landed: ambiguous, absent: doneSentAgain, late: doneSentAgain,
			landedRefused: ambiguous, absentRefused: ambiguous, absentUnknown: ambiguous,
		}},
		{"Void", asked(rejected)},
		{"Confirm of a void", asked(notFound)},
	}
}

// trouble is one way for a write to go unanswered, or nearly so.
type trouble struct {
	name   string
	leaves aftermath
}

func troubles() []trouble {
	return []trouble{
		{"Connection dropped, no effect", absent},
		{"Connection dropped after the effect", landed},
		{"Connection dropped, effect a second later", landed},
		{"Connection dropped, effect after our first question or second cancel", late},
		{"No answer until the timeout, no effect", absent},
		{"No answer until the timeout, effect", landed},
		{"Answer that is no JSON, effect", landed},
		{"TransCode 1 with unreadable Data, effect", landed},
		{"HTTP 500 with HTML, effect", landed},
		{"Worker killed after its mark, before the first byte", absent},
		{"Worker killed while it waits for the answer, effect", landed},
		{"Worker killed with the answer, before it is recorded", landed},
		{"Redis killed when the answer is to be recorded, back within the attempt", recorded},
		{"Redis killed when the answer is to be recorded, back too late", landed},
		{"Redis killed when asynq is to complete the task", recorded},
		{"Answer lost after the effect, later writes refused", landedRefused},
		{"Answer lost without an effect, later writes refused", absentRefused},
		{"Answer lost without an effect, later writes answered with a code in no table", absentUnknown},
	}
}

// matrixTable is the matrix in Markdown, with what outcome says in the cells.
func matrixTable(outcome func(trouble, rule) string) string {
	var b strings.Builder
	b.WriteString("| What goes wrong |")
	for _, r := range rules() {
		fmt.Fprintf(&b, " %s |", r.write)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 1+len(rules())) + "\n")
	for _, x := range troubles() {
		fmt.Fprintf(&b, "| %s |", x.name)
		for _, r := range rules() {
			fmt.Fprintf(&b, " %s |", outcome(x, r))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestTheReadmeSaysWhatBecomesOfEveryWriteInEveryTrouble(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := matrixTable(func(x trouble, r rule) string { return r.outcomes[x.leaves] })
	if !strings.Contains(string(readme), "\n\n"+want+"\n") {
		t.Errorf("README.md has not this table:\n%s", want)
	}
}
