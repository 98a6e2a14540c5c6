package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// actLine is one line of what replay, resolve and cancel print.
type actLine struct {
	ID     string           `json:"id"`
	Result ledger.ActResult `json:"outcome,omitempty"`
	Kind   string           `json:"kind,omitempty"`
	// State is where the task is, when that is why nothing was done.
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
	// GoesAt is when it is sent at the earliest.
	GoesAt *time.Time `json:"goes_at,omitempty"`
}

// acts prints and counts what became of the tasks of one command.
type acts struct {
	p       *program
	verb    string // what was not done to a task, like "replayed"
	table   bool
	rows    []table.Row
	counts  map[ledger.ActResult]int
	skipped map[string]int
	stopped int
	waiting []string
	failed  int
	errs    []error
	err     error // of printing
}

func (p *program) acts(c *cli.Command, verb string) *acts {
	return &acts{p: p, verb: verb, table: p.wantsTable(c), counts: map[ledger.ActResult]int{}, skipped: map[string]int{}}
}

func (a *acts) add(r actLine, err error) {
	if err != nil {
		r.Error = record.PlainError(err).Error()
		a.errs = append(a.errs, fmt.Errorf("%s: %w", r.ID, err))
	}
	if r.Result != "" {
		a.counts[r.Result]++
	} else {
		a.failed++
	}
	if r.GoesAt != nil && len(a.waiting) < tableLimit {
		a.waiting = append(a.waiting, fmt.Sprintf("%s waits until %s (Asia/Taipei): what was sent before may still land until then; "+
			"look at ECPay again before, if it cannot be asked by a RelateNumber", r.ID, r.GoesAt.Format(time.DateTime)))
	}
	if r.Result == ledger.Skipped {
		a.skipped[r.Kind]++
		return
	}
	if !a.table {
		a.err = errors.Join(a.err, a.p.printJSON(r))
		return
	}
	// A terminal gets what did not go by itself, and the count of the rest.
	if (err != nil || r.Result != ledger.Replayed && r.Result != ledger.Resolved && r.Result != ledger.Cancelled) && len(a.rows) < tableLimit {
		a.rows = append(a.rows, table.Row{r.ID, r.Kind, string(r.Result), r.Error})
	}
}

// maxErrors bounds the lines on stderr; stdout has a line for each task.
const maxErrors = 20

func (a *acts) finish() error {
	if len(a.rows) > 0 {
		a.p.printTable(table.Row{"id", "kind", "outcome", "error"}, a.rows)
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(a.counts)) {
		if k != ledger.Skipped {
			words = append(words, fmt.Sprintf("%s %d", k, a.counts[k]))
		}
	}
	if a.failed > 0 {
		words = append(words, fmt.Sprintf("failed %d", a.failed))
	}
	if len(words) == 0 {
		words = []string{"nothing to do"}
	}
	a.p.say("%s", strings.Join(words, ", "))
	for _, line := range a.waiting {
		a.p.say("%s", line)
	}
	for _, kind := range slices.Sorted(maps.Keys(a.skipped)) {
		a.p.say("%d %s left alone; look at them, then name them by id or --kind %s", a.skipped[kind], kind, kind)
	}
	if a.stopped > 0 {
		a.p.say("%d that a person stopped left alone; only their ids name them", a.stopped)
	}
	switch {
	case a.err != nil:
		return a.err
	case len(a.errs) == 1:
		return a.errs[0]
	case len(a.errs) > 1:
		for _, err := range a.errs[:min(len(a.errs), maxErrors)] {
			a.p.say("%s", err)
			if h := hintFor(err); h != "" {
				fmt.Fprintf(a.p.err, "hint: %s\n", clean.Text(h))
			}
		}
		return fmt.Errorf("%d tasks could not be %s", len(a.errs), a.verb)
	}
	return nil
}

// each does something to tasks one after the other, and goes on after an error of one;
// but not when Redis cannot be reached: then it is the same with all that follow.
func (a *acts) each(
	ctx context.Context, l *deadletter.Ledger, ids []string,
	hint func(state, id string) error, act func(id string) (ledger.ActResult, error),
) error {
	for i, id := range ids {
		out, err := act(id)
		r := actLine{ID: id, Result: out}
		var answer redis.Error
		if err != nil && ctx.Err() == nil && a.p.redis.caused(err) && !errors.As(err, &answer) {
			_ = a.finish()
			if left := len(ids) - i - 1; left > 0 {
				return fmt.Errorf("%s: %w; %d more not tried", id, err, left)
			}
			return fmt.Errorf("%s: %w", id, err)
		}
		begun := errors.Is(err, deadletter.ErrBegun)
		if begun || err == nil && out != ledger.Resolved && out != ledger.Cancelled {
			state, serr := l.State(ctx, id)
			switch r.State = state; {
			case serr != nil:
				err = serr
			case begun:
				err = fmt.Errorf("it is %s: %w", state, err)
			default:
				err = hint(state, id)
			}
		}
		a.add(r, err)
		if ctx.Err() != nil {
			break
		}
	}
	return a.finish()
}
