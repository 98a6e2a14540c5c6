package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) deadResolve(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		note := strings.TrimSpace(c.String("note"))
		switch {
		case !c.Args().Present():
			return usageError{errors.New("give the ids of the tasks to resolve")}
		case note == "":
			return usageError{errors.New("--note is required: say why nothing more has to happen")}
		}
		return p.acts(c, "resolved").each(ctx, l, c.Args().Slice(), notResolved, func(id string) (ledger.ActResult, error) {
			return l.Resolve(ctx, id, p.who(), note)
		})
	}
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
