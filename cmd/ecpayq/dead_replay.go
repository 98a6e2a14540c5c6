package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) deadReplay(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := filter(c)
		if err != nil {
			return err
		}
		f.IDs = c.Args().Slice()
		o := deadletter.ReplayOptions{DryRun: c.Bool("dry-run"), NotExecuted: c.Bool("not-executed"), By: p.who(), Note: c.String("note")}
		if len(f.IDs) == 0 && f.Kind != nil && *f.Kind == ecpay.Stopped {
			return usageError{errors.New("--kind Stopped selects nothing: what a person stopped is replayed by its id only; " +
				"ecpayq dead list --kind Stopped lists it")}
		}
		if o.NotExecuted && len(f.IDs) == 0 && f.Kind == nil {
			return usageError{errors.New("--not-executed is your word about certain tasks; name their ids or a --kind")}
		}
		for _, s := range c.StringSlice("set") {
			name, value, ok := strings.Cut(s, "=")
			if !ok || name == "" {
				return usageError{fmt.Errorf("--set is %q; it must be Field=value", s)}
			}
			if o.Set == nil {
				o.Set = map[string]string{}
			}
			if _, twice := o.Set[name]; twice {
				return usageError{fmt.Errorf("--set names %s twice", name)}
			}
			o.Set[name] = value
		}
		total, err := l.Count(ctx, f)
		if err != nil {
			return err
		}
		bar := p.startBar("replay", total)
		out := p.acts(c, "replayed")
		err = p.lists(&f, func() error {
			return l.ReplayAll(ctx, f, o, func(r deadletter.Result) {
				bar.step()
				line, err := actLine{ID: r.ID, Result: r.ActResult, Kind: r.Kind.String(), GoesAt: r.GoesAt}, r.Err
				switch {
				case r.ActResult == ledger.NotFound:
					line.Kind, err = "", deadletter.ErrNotFound
				case r.ActResult == ledger.Skipped && r.Stopped:
					out.stopped++
					return
				case r.ActResult == ledger.Busy && len(f.IDs) > 0:
					line.Kind = ""
					line.State, err = notReplayed(ctx, l, r.ID, o)
				}
				out.add(line, err)
			})
		})
		bar.stop()
		if err != nil {
			_ = out.finish() // what went so far; the error says why it ended
			return err
		}
		return out.finish()
	}
}

// notReplayed is the state of a task that is named and not dead. It is run as it is, by itself: an error, with
// what to do, where somebody wants it run in another way.
func notReplayed(ctx context.Context, l *deadletter.Ledger, id string, o deadletter.ReplayOptions) (state string, err error) {
	state, err = l.State(ctx, id)
	switch {
	case err != nil || len(o.Set) == 0 && !o.NotExecuted:
		return state, err
	case state == record.StateDead:
		return state, hinted("ecpayq dead show "+id+", then replay it", "it was run again and died meanwhile")
	}
	return state, hinted("ecpayq task wait "+id+", or archive it on the dashboard first",
		"it is "+cmp.Or(state, "gone")+", and only a dead task is corrected or run on your word; nothing was changed")
}
