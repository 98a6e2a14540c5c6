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
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// outcome is one line of what replay, resolve and cancel print.
type outcome struct {
	ID      string           `json:"id"`
	Outcome ledger.ActResult `json:"outcome,omitempty"`
	Kind    string           `json:"kind,omitempty"`
	// State is where the task is, when that is why nothing was done.
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
	// GoesAt is when it is sent at the earliest.
	GoesAt *time.Time `json:"goes_at,omitempty"`
}

// outcomes prints and counts them.
type outcomes struct {
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

func (p *program) outcomes(c *cli.Command, verb string) *outcomes {
	return &outcomes{p: p, verb: verb, table: p.wantsTable(c), counts: map[ledger.ActResult]int{}, skipped: map[string]int{}}
}

func (o *outcomes) add(r outcome, err error) {
	if err != nil {
		r.Error = record.PlainError(err).Error()
		o.errs = append(o.errs, fmt.Errorf("%s: %w", r.ID, err))
	}
	if r.Outcome != "" {
		o.counts[r.Outcome]++
	} else {
		o.failed++
	}
	if r.GoesAt != nil && len(o.waiting) < tableLimit {
		o.waiting = append(o.waiting, fmt.Sprintf("%s waits until %s (Asia/Taipei): what was sent before may still land until then; look at ECPay again before, if it cannot be asked by a RelateNumber", r.ID, r.GoesAt.Format(time.DateTime)))
	}
	if r.Outcome == ledger.Skipped {
		o.skipped[r.Kind]++
		return
	}
	if !o.table {
		o.err = errors.Join(o.err, o.p.printJSON(r))
		return
	}
	// A terminal gets what did not go by itself, and the count of the rest.
	if (err != nil || r.Outcome != ledger.Replayed && r.Outcome != ledger.Resolved && r.Outcome != ledger.Cancelled) && len(o.rows) < tableLimit {
		o.rows = append(o.rows, table.Row{r.ID, r.Kind, string(r.Outcome), r.Error})
	}
}

// maxErrors bounds the lines on stderr; stdout has a line for each task.
const maxErrors = 20

func (o *outcomes) finish() error {
	if len(o.rows) > 0 {
		o.p.printTable(table.Row{"id", "kind", "outcome", "error"}, o.rows)
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(o.counts)) {
		if k != ledger.Skipped {
			words = append(words, fmt.Sprintf("%s %d", k, o.counts[k]))
		}
	}
	if o.failed > 0 {
		words = append(words, fmt.Sprintf("failed %d", o.failed))
	}
	if len(words) == 0 {
		words = []string{"nothing to do"}
	}
	o.p.say("%s", strings.Join(words, ", "))
	for _, line := range o.waiting {
		o.p.say("%s", line)
	}
	for _, kind := range slices.Sorted(maps.Keys(o.skipped)) {
		o.p.say("%d %s left alone; look at them, then name them by id or --kind %s", o.skipped[kind], kind, kind)
	}
	if o.stopped > 0 {
		o.p.say("%d that a person stopped left alone; only their ids name them", o.stopped)
	}
	switch {
	case o.err != nil:
		return o.err
	case len(o.errs) == 1:
		return o.errs[0]
	case len(o.errs) > 1:
		for _, err := range o.errs[:min(len(o.errs), maxErrors)] {
			o.p.say("%s", err)
			if h := hintFor(err); h != "" {
				fmt.Fprintf(o.p.err, "hint: %s\n", clean.Text(h))
			}
		}
		return fmt.Errorf("%d tasks could not be %s", len(o.errs), o.verb)
	}
	return nil
}

// each does something to tasks one after the other, and goes on after an error of one;
// but not when Redis cannot be reached: then it is the same with all that follow.
func (o *outcomes) each(ctx context.Context, l *deadletter.Ledger, ids []string, hint func(state, id string) error, act func(id string) (ledger.ActResult, error)) error {
	for i, id := range ids {
		out, err := act(id)
		r := outcome{ID: id, Outcome: out}
		var answer redis.Error
		if err != nil && ctx.Err() == nil && o.p.redis.caused(err) && !errors.As(err, &answer) {
			_ = o.finish()
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
		o.add(r, err)
		if ctx.Err() != nil {
			break
		}
	}
	return o.finish()
}

// notResolved says why a task cannot be resolved, and what to do; nil when it has ended.
func notResolved(state, id string) error {
	switch state {
	case record.StateCompleted:
		return nil
	case "":
		return deadletter.ErrNotFound
	case record.StateMissing:
		return hinted("ecpayq task show "+id, "no dead letter with this id, and asynq has lost the task")
	case record.StateDead:
		return hinted("ecpayq dead show "+id+", then resolve it", "it was run again and died meanwhile")
	}
	return hinted("ecpayq task wait "+id+", or archive it on the dashboard first", "it is "+state+", and only a dead task is resolved")
}

// notCancelled says why a task cannot be cancelled, and what to do.
func notCancelled(state, id string) error {
	const later = ", and only a task for later is cancelled"
	switch state {
	case "":
		return hinted("ecpayq task list shows those that wait", "no task with this id")
	case record.StateCompleted, record.StateMissing:
		return hinted("ecpayq task show "+id, "it is "+state+later)
	case record.StateDead:
		return hinted("ecpayq dead show "+id+", then dead resolve or dead replay", "it is dead"+later)
	case record.StateScheduled:
		return hinted("ecpayq task show "+id+", then cancel it", "it is scheduled again: somebody was faster")
	}
	return hinted("ecpayq task wait "+id+"; or archive it on the dashboard, then dead resolve", "it is "+state+" and may be sent at any moment"+later)
}

// lists runs something that lists dead letters, and says of which merchants none can be
// listed: their index in Redis is a key of the wrong type.
func (p *program) lists(f *deadletter.Filter, list func() error) error {
	broken := 0
	f.Broken = func(owner string, err error) {
		broken++
		p.say("merchant %s: its dead letters cannot be listed: %s: %s", owner, record.OwnerDeadKey(owner), err)
	}
	err := list()
	if err == nil && broken > 0 {
		return hinted("another program wrote these keys: move them away (RENAME), the next sweep makes them anew", fmt.Sprintf("the dead letters of %d merchants cannot be listed", broken))
	}
	return err
}

func hinted(hint, text string) error { return &config.Hint{Err: errors.New(text), Text: hint} }
