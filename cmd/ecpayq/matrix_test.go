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
// rules of the samples and not by the code. The README has it as two tables: what a trouble
// leaves behind, and what then becomes of each write. The slow tests hold real workers to it,
// in every trouble.

// matrix are the writes of the table: all cases of the table of samples.
func matrix() []samples.Case { return samples.Writes(samples.Cases()) }

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

// leaves is what a trouble leaves behind, in the words of the README.
var leaves = [...]string{
	samples.Recorded:      "The answer is recorded",
	samples.Landed:        "No answer; effect",
	samples.Absent:        "No answer; no effect",
	samples.Late:          "No answer; effect after a first question or second cancel",
	samples.LandedRefused: "No answer; effect; later writes refused",
	samples.AbsentRefused: "No answer; no effect; later writes refused",
	samples.AbsentUnknown: "No answer; no effect; later writes get a code in no table",
}

// grid is a table in Markdown.
func grid(corner string, columns, rows []string, cell func(row, column int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n|%s\n", corner, strings.Join(columns, " | "), strings.Repeat("---|", 1+len(columns)))
	for r, name := range rows {
		fmt.Fprintf(&b, "| %s |", name)
		for c := range columns {
			fmt.Fprintf(&b, " %s |", cell(r, c))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// titles are what the README calls the writes.
func titles() []string {
	var all []string
	for _, c := range matrix() {
		all = append(all, c.Title)
	}
	return all
}

// names are what the README calls the troubles.
func names() []string {
	var all []string
	for _, x := range troubles() {
		all = append(all, x.name)
	}
	return all
}

func TestTheReadmeSaysWhatBecomesOfEveryWriteInEveryTrouble(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		grid("What goes wrong", []string{"What it leaves"}, names(), func(row, _ int) string { return leaves[troubles()[row].leaves] }),
		grid("Write", leaves[:], titles(), func(row, column int) string { return matrix()[row].Outcomes[samples.Aftermath(column)] }),
	} {
		if !strings.Contains(string(readme), "\n\n"+want+"\n") {
			t.Errorf("README.md has not this table:\n%s", want)
		}
	}
}
