package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func (p *program) taskCommand() *cli.Command {
	flags := func() []cli.Flag { return append(p.cfg.Flags(config.Reader), jsonFlag()) }
	return &cli.Command{
		Name: "task", Usage: "show what became of a task",
		Commands: []*cli.Command{
			{
				Name: "show", Usage: "show a task now", ArgsUsage: "ID", Flags: flags(),
				Action: func(ctx context.Context, c *cli.Command) error {
					return p.withTask(ctx, c, func(client *enqueue.Client, id string) error {
						t, err := client.Task(ctx, id)
						if err != nil {
							return fmt.Errorf("task %s: %w", id, err)
						}
						return p.printTask(c, t)
					})
				},
			},
			{
				Name: "wait", Usage: "wait until a task has ended, then show it; exit code 1 if it is dead", ArgsUsage: "ID",
				Flags: append(flags(), &cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "give up after this time with exit code 1"}),
				Action: func(ctx context.Context, c *cli.Command) error {
					return p.withTask(ctx, c, func(client *enqueue.Client, id string) error { return p.waitTask(ctx, c, client, id) })
				},
			},
		},
	}
}

func (p *program) withTask(ctx context.Context, c *cli.Command, f func(*enqueue.Client, string) error) error {
	if c.Args().Len() != 1 {
		return usageError{fmt.Errorf("give one task id")}
	}
	id := c.Args().First()
	if _, _, err := tasks.ParseID(id); err != nil {
		return usageError{err}
	}
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return f(client, id)
}

const waitPoll = 100 * time.Millisecond

func (p *program) waitTask(ctx context.Context, c *cli.Command, client *enqueue.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
	defer cancel()
	var last record.Task
	seen := false
	for {
		t, err := client.Task(ctx, id)
		switch {
		case err == nil:
			last, seen = t, true
		case ctx.Err() != nil: // below
		case !errors.Is(err, enqueue.ErrRedis):
			return fmt.Errorf("task %s: %w", id, err)
		}
		if seen && last.Ended() {
			if err := p.printTask(c, last); err != nil || last.State == record.StateCompleted {
				return err
			}
			return errSilent
		}
		select {
		case <-time.After(waitPoll):
		case <-ctx.Done():
			if !seen {
				return fmt.Errorf("task %s: %w", id, err)
			}
			if err := p.printTask(c, last); err != nil {
				return err
			}
			return fmt.Errorf("task %s is still %s after %s", id, last.State, c.Duration("timeout"))
		}
	}
}

func (p *program) printTask(c *cli.Command, t record.Task) error {
	if !p.wantsTable(c) {
		return p.printJSON(t)
	}
	colours := map[string]text.Color{record.StateCompleted: text.FgGreen, record.StateDead: text.FgRed, record.StateHeld: text.FgYellow, record.StateMissing: text.FgRed}
	state := t.State
	if col, ok := colours[state]; ok {
		state = p.colour(col, state)
	}
	rows := []table.Row{{"id", t.ID}, {"type", t.Type}, {"queue", t.Queue}, {"state", state}, {"attempts", t.Attempts}}
	add := func(name string, v any, show bool) {
		if show {
			rows = append(rows, table.Row{name, v})
		}
	}
	if t.Kind != nil {
		add("kind", t.Kind.String(), true)
	}
	add("HTTP status", t.HTTPStatus, t.HTTPStatus != 0)
	add("TransCode", t.TransCode, t.TransCode != 0)
	add("RtnCode", t.RtnCode, t.RtnCode != 0)
	add("RtnMsg", clean(t.RtnMsg), t.RtnMsg != "")
	add("meaning", meaning(t), meaning(t) != "")
	add("reason", clean(t.Reason), t.Reason != "")
	if t.NextAt != nil {
		add("next attempt", t.NextAt.In(ecpay.Taipei).Format(time.DateTime)+" (Asia/Taipei)", true)
	}
	add("result", clean(string(t.Result)), len(t.Result) > 0)
	p.printTable(nil, rows)
	return nil
}

// meaning is what the code table says of the task's code, in both languages.
func meaning(t record.Task) string {
	typ, ok := tasks.ByName(t.Type)
	codes, err := ecpay.NewCodes()
	if !ok || err != nil {
		return ""
	}
	row, ok := codes.Lookup(typ.Operation.Name, t.RtnCode, t.TransCode)
	if !ok || row.En == "" {
		return ""
	}
	return row.En + " / " + row.ZhTW
}
