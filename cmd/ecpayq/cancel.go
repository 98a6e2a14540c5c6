package main

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) cancelTasks(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		note := strings.TrimSpace(c.String("note"))
		switch {
		case !c.Args().Present():
			return usageError{errors.New("give the ids of the tasks to cancel")}
		case note == "":
			return usageError{errors.New("--note is required: say why they are not wanted any more")}
		}
		return p.acts(c, "cancelled").each(ctx, l, c.Args().Slice(), notCancelled(ctx, l), func(id string) (ledger.ActResult, error) {
			return l.Cancel(ctx, id, p.who(), note)
		})
	}
}

// notCancelled says why a task cannot be cancelled, and what to do.
func notCancelled(ctx context.Context, l *deadletter.Ledger) func(state, id string) error {
	return func(state, id string) error {
		if state == record.StateCompleted {
			if before, err := l.Cancelled(ctx, id); err != nil || before {
				return cmp.Or(err, hinted("ecpayq task show "+id, "it was cancelled before; nothing was sent"))
			}
		}
		return inNoStateToCancel(state, id)
	}
}

func inNoStateToCancel(state, id string) error {
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
	return hinted("ecpayq task wait "+id+"; or archive it on the dashboard, then dead resolve",
		"it is "+state+" and may be sent at any moment"+later)
}
