package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/samples"
)

// This file says what has to become of every write in every trouble, by the
// rules of the samples and not by the code. The README has it as a table, and the slow
// tests hold real workers to it.

// columns are the writes of the table: all cases of the table of samples.
func columns() []samples.Case { return samples.Writes(samples.Cases()) }

// trouble is one way for a write to go unanswered, or nearly so.
type trouble struct {
	name   string
	leaves samples.Aftermath
}

func troubles() []trouble {
	return []trouble{
		{"Connection dropped, no effect", samples.Absent},
		{"Connection dropped after the effect", samples.Landed},
		{"Connection dropped, effect a second later", samples.Landed},
		{"Connection dropped, effect after our first question or second cancel", samples.Late},
		{"No answer until the timeout, no effect", samples.Absent},
		{"No answer until the timeout, effect", samples.Landed},
		{"Answer that is no JSON, effect", samples.Landed},
		{"TransCode 1 with unreadable Data, effect", samples.Landed},
		{"HTTP 500 with HTML, effect", samples.Landed},
		{"Worker killed after its mark, before the first byte", samples.Absent},
		{"Worker killed while it waits for the answer, effect", samples.Landed},
		{"Worker killed with the answer, before it is recorded", samples.Landed},
		{"Redis killed when the answer is to be recorded, back within the attempt", samples.Recorded},
		{"Redis killed when the answer is to be recorded, back too late", samples.Landed},
		{"Redis killed when asynq is to complete the task", samples.Recorded},
		{"Answer lost after the effect, later writes refused", samples.LandedRefused},
		{"Answer lost without an effect, later writes refused", samples.AbsentRefused},
		{"Answer lost without an effect, later writes answered with a code in no table", samples.AbsentUnknown},
	}
}

// matrixTable is the matrix in Markdown, with what outcome says in the cells.
func matrixTable(outcome func(trouble, samples.Case) string) string {
	var b strings.Builder
	b.WriteString("| What goes wrong |")
	for _, c := range columns() {
		fmt.Fprintf(&b, " %s |", c.Column)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 1+len(columns())) + "\n")
	for _, x := range troubles() {
		fmt.Fprintf(&b, "| %s |", x.name)
		for _, c := range columns() {
			fmt.Fprintf(&b, " %s |", outcome(x, c))
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
	want := matrixTable(func(x trouble, c samples.Case) string { return c.Outcomes[x.leaves] })
	if !strings.Contains(string(readme), "\n\n"+want+"\n") {
		t.Errorf("README.md has not this table:\n%s", want)
	}
}
