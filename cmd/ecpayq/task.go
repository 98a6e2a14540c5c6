package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func (p *program) taskCommand() *cli.Command {
	flags := func() []cli.Flag { return append(p.cfg.Flags(config.Reader), jsonFlag()) }
	return &cli.Command{
		Name: "task", Usage: "show what became of a task; list and cancel those that wait",
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
				Flags: append(flags(),
					&config.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "give up after this time with exit code 1"}),
				Action: func(ctx context.Context, c *cli.Command) error {
					return p.withTask(ctx, c, func(client *enqueue.Client, id string) error { return p.waitTask(ctx, c, client, id) })
				},
			},
			{
				Name:  "list",
				Usage: "list tasks that wait: for later, for their turn, held or to be retried, in each queue those whose time comes first in front",
				Flags: append(flags(),
					&cli.StringFlag{Name: "state", Usage: "only one of " + strings.Join(waitingStates, ", ")},
					&cli.StringFlag{Name: "type", Usage: "only this task type, like b2b:invalid"},
					&cli.StringFlag{Name: "merchant-id", Usage: "only this merchant"},
					&config.IntFlag{Name: "limit", Usage: "at most this many; 0 for all"},
				),
				Action: func(ctx context.Context, c *cli.Command) error { return p.listTasks(ctx, c) },
			},
			{
				Name: "cancel", Usage: "withdraw tasks for later that were never begun; the same intent may be enqueued again", ArgsUsage: "ID…",
				Flags: append(flags(), p.cfg.FlagOf("ECPAYQ_RETENTION"),
					&cli.StringFlag{Name: "note", Usage: "why they are not wanted any more; required"}),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.cancelTasks(ctx, c)) },
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
			return fmt.Errorf("task %s is still %s after %s", id, last.State, clean.Duration(c.Duration("timeout")))
		}
	}
}

func (p *program) printTask(c *cli.Command, t record.Task) error {
	if !p.wantsTable(c) {
		return p.printJSON(t)
	}
	colours := map[string]text.Color{record.StateCompleted: text.FgGreen,
		record.StateDead: text.FgRed, record.StateHeld: text.FgYellow, record.StateMissing: text.FgRed}
	var state any = t.State
	if col, ok := colours[t.State]; ok {
		state = p.colour(col, t.State)
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
	add("RtnMsg", t.RtnMsg, t.RtnMsg != "")
	add("meaning", meaning(t), meaning(t) != "")
	add("reason", t.Reason, t.Reason != "")
	add("原因", t.ReasonZh, t.ReasonZh != "" && t.ReasonZh != t.Reason)
	if t.NextAt != nil {
		add("next attempt", t.NextAt.In(ecpay.Taipei).Format(time.DateTime)+" (Asia/Taipei)", true)
	}
	add("result", string(t.Result), len(t.Result) > 0)
	if i := t.Invoice; i != nil {
		add("invoice", i.Number+" "+i.Date+", random code "+i.RandomCode, true)
	}
	p.printTable(nil, append(rows, deadlineRows(t.Deadlines)...))
	return nil
}

// meaning is what the code table says of the task's code, in both languages.
func meaning(t record.Task) string {
	typ, ok := tasks.ByName(t.Type)
	codes, err := ecpay.NewCodes()
	if !ok || err != nil {
		return ""
	}
	row, ok := codes.Lookup(typ.Operation.ID(), t.RtnCode, t.TransCode)
	if !ok || row.En == "" {
		return ""
	}
	return row.En + " / " + row.ZhTW
}

var waitingStates = []string{record.StateScheduled, record.StatePending, record.StateHeld, record.StateRetry}

func (p *program) listTasks(ctx context.Context, c *cli.Command) error {
	f, err := filter(c) // of dead tasks, whose words are the same
	if err == nil {
		err = noArgs(c)
	}
	if err != nil {
		return err
	}
	if err := notEmpty(c, "state"); err != nil {
		return err
	}
	state, limit := c.String("state"), f.Limit
	if state != "" && !slices.Contains(waitingStates, state) {
		return usageError{fmt.Errorf("--state is %q; it must be one of %s", state, strings.Join(waitingStates, ", "))}
	}
	if limit == 0 && p.wantsTable(c) {
		limit = tableLimit
	}
	var rows []table.Row
	shown := 0
	err = p.withRedis(func(rdb redis.UniversalClient) error {
		for t, err := range waiting(ctx, record.NewReader(rdb)) {
			switch {
			case err != nil:
				return err
			case state != "" && t.State != state, f.Type != "" && t.Type != f.Type, f.MerchantID != "" && record.Owner(t.ID) != f.MerchantID:
				continue
			case !p.wantsTable(c):
				if err := p.printJSON(t); err != nil {
					return err
				}
			default:
				next := ""
				if t.NextAt != nil {
					next = t.NextAt.In(ecpay.Taipei).Format(time.DateTime)
				}
				rows = append(rows, table.Row{t.ID, t.Type, t.State, next, t.Attempts, t.Why().Both()})
			}
			if shown++; shown == limit {
				return nil
			}
		}
		return nil
	})
	if len(rows) > 0 {
		p.printTable(table.Row{"id", "type", "state", "until (Asia/Taipei)", "attempts", "reason"}, rows)
	} else if err == nil && p.wantsTable(c) {
		p.say("nothing waits / 沒有等待中的任務")
	}
	return err
}

// waiting yields what waits in all queues.
func waiting(ctx context.Context, r *record.Reader) iter.Seq2[record.Task, error] {
	return func(yield func(record.Task, error) bool) {
		for _, q := range tasks.QueueNames() {
			for _, later := range []bool{true, false} {
				for t, err := range r.Waiting(ctx, q, later) {
					if !yield(t, err) || err != nil {
						return
					}
				}
			}
		}
	}
}
