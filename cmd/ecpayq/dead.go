package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) deadCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		common := append(p.cfg.Flags(config.Reader), p.cfg.FlagOf("ECPAYQ_RETENTION"), p.cfg.FlagOf("ECPAYQ_MERCHANT_INTERVAL"),
			p.cfg.FlagOf("ECPAYQ_PAYLOAD_KEY_FILE"), p.cfg.FlagOf("ECPAYQ_PAYLOAD_PLAINTEXT"), jsonFlag())
		return append(common, more...)
	}
	return &cli.Command{
		Name: "dead", Usage: "list, correct, replay and resolve dead tasks; none is forgotten before",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list dead tasks, the longest dead first", Flags: flags(filterFlags()...),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.deadList(ctx, c)) },
			},
			{
				Name: "show", Usage: "show a dead task with its payload", ArgsUsage: "ID", Flags: flags(),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.deadShow(ctx, c)) },
			},
			{
				Name: "replay", Usage: "run dead tasks again: those named, or those that the filters select", ArgsUsage: "[ID…]",
				Description: "Without ids or --kind, Rejected and Ambiguous tasks are left alone: the first would be\n" +
					"rejected again, about the second a person must look at ECPay. What a person stopped\n" +
					"is replayed by its id only. Running it again after an\n" +
					"interruption is safe, and so is running it twice at once.",
				DisableSliceFlagSeparator: true, // a value may have a comma
				Flags: flags(append(filterFlags(),
					&config.BoolFlag{Name: "dry-run", Usage: "say what would be replayed and change nothing"},
					&cli.StringSliceFlag{Name: "set", Usage: "correct a field of the payload, like Reason=訂單取消; may be repeated"},
					&config.BoolFlag{
						Name:  "not-executed",
						Usage: "your word that what was sent did not happen at ECPay: it is sent again once it cannot land any more",
					},
					&cli.StringFlag{Name: "note", Usage: "why, for the audit"},
				)...),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.deadReplay(ctx, c)) },
			},
			{
				Name: "resolve", Usage: "end dead tasks without running them: the effect is there, or is not wanted", ArgsUsage: "ID…",
				Flags: flags(p.cfg.FlagOf("ECPAYQ_FINISH_TTL"),
					&cli.StringFlag{Name: "note", Usage: "why nothing more has to happen; required"}),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.deadResolve(ctx, c)) },
			},
			{
				Name: "export", Usage: "write dead tasks with their payloads", Flags: flags(append(filterFlags(),
					&cli.StringFlag{Name: "format", Value: "ndjson", Usage: "ndjson or csv"})...),
				Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.deadExport(ctx, c)) },
			},
		},
	}
}

func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "type", Usage: "only this task type, like b2b:invalid"},
		&cli.StringFlag{Name: "kind", Usage: "only this kind, like Rejected"},
		&cli.StringFlag{Name: "merchant-id", Usage: "only this merchant"},
		&config.DurationFlag{Name: "older-than", Usage: "only tasks that died longer ago than this, like 24h"},
		&config.IntFlag{Name: "limit", Usage: "at most this many; 0 for all"},
	}
}

func filter(c *cli.Command) (deadletter.Filter, error) {
	f := deadletter.Filter{MerchantID: c.String("merchant-id"), OlderThan: c.Duration("older-than"), Limit: c.Int("limit")}
	if err := notEmpty(c, "merchant-id", "type", "kind"); err != nil {
		return f, err
	}
	if f.OlderThan < 0 || f.Limit < 0 {
		return f, usageError{errors.New("--older-than and --limit must not be negative")}
	}
	if name := c.String("type"); name != "" {
		i := slices.IndexFunc(tasks.Types(), func(t tasks.Type) bool { return t.Called(name) })
		if i >= 0 {
			name = tasks.Types()[i].Name
		} else if !strings.Contains(name, ":") { // a type of somebody else's may be in the ledger too
			return f, usageError{fmt.Errorf("--type is %q; it looks like b2b:invalid", name)}
		}
		f.Type = name
	}
	if name := c.String("kind"); name != "" {
		i := slices.IndexFunc(record.Kinds(), func(k ecpay.Kind) bool { return strings.EqualFold(k.String(), name) })
		if i < 0 {
			return f, usageError{fmt.Errorf("--kind is %q; it must be one of %v", name, record.Kinds())}
		}
		f.Kind = &record.Kinds()[i]
	}
	return f, nil
}

// liveFilter is the filter of commands that only show, and take no ids.
func liveFilter(c *cli.Command) (deadletter.Filter, error) {
	f, err := filter(c)
	if err == nil {
		err = noArgs(c)
	}
	f.Live = true
	return f, err
}

// tableLimit is how many rows a terminal gets when --limit does not say.
const tableLimit = 100

func (p *program) deadList(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := liveFilter(c)
		if err != nil {
			return err
		}
		return p.lists(&f, func() error { return p.listDead(ctx, c, l, f) })
	}
}

func (p *program) listDead(ctx context.Context, c *cli.Command, l *deadletter.Ledger, f deadletter.Filter) error {
	if !p.wantsTable(c) {
		for letter, err := range l.List(ctx, f) {
			if err == nil {
				err = p.printJSON(letter)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if f.Limit == 0 {
		f.Limit = tableLimit
	}
	var rows []table.Row
	for letter, err := range l.List(ctx, f) {
		if err != nil {
			return err
		}
		rows = append(rows, deadRow(letter))
	}
	if len(rows) == 0 {
		p.say("nothing is dead / 沒有待處理的失敗工作")
		return nil
	}
	p.printTable(table.Row{
		"id", "type", "merchant", "kind", "RtnCode", "message", "died (Asia/Taipei)", "attempts", "state", "what to do / 處理方式",
	}, rows)
	if total, err := l.Count(ctx, deadletter.Filter{}); err == nil && total > len(rows) {
		p.say("%d of %d dead tasks; --limit N shows more, ecpayq dead export has all", len(rows), total)
	}
	return nil
}

func deadRow(l deadletter.Letter) table.Row {
	message := l.RtnMsg
	if message == "" {
		message = l.Why().Both()
	}
	return table.Row{
		l.ID, l.Type, l.MerchantID, l.Kind.String(), code(l.RtnCode), message,
		l.DiedAt.Format(time.DateTime), l.Attempts, l.State, l.ToDo().Both(),
	}
}

func (p *program) deadShow(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		if c.Args().Len() != 1 {
			return usageError{errors.New("give one task id")}
		}
		letter, err := l.Get(ctx, c.Args().First())
		if errors.Is(err, deadletter.ErrNotFound) {
			if state, stateErr := l.State(ctx, c.Args().First()); stateErr == nil && !(record.Task{State: state}).Ended() && state != "" {
				return hinted("ecpayq task show "+c.Args().First(), c.Args().First()+" is "+state+", and no dead letter")
			}
		}
		if err != nil {
			return fmt.Errorf("dead task %s: %w", c.Args().First(), err)
		}
		full := letter.Full()
		if !p.wantsTable(c) {
			return p.printJSON(full)
		}
		rows := []table.Row{
			{"id", letter.ID}, {"type", letter.Type}, {"queue", letter.Queue}, {"state", letter.State},
			{"kind", letter.Kind.String()}, {"RtnCode", code(letter.RtnCode)}, {"RtnMsg", letter.RtnMsg},
			{"reason", letter.Reason}, {"原因", letter.ReasonZh}, {"what to do", letter.Advice}, {"處理方式", letter.AdviceZh},
			{"died", letter.DiedAt.Format(time.DateTime) + " (Asia/Taipei)"}, {"attempts", letter.Attempts}, {"archived by", letter.By},
		}
		if letter.InFlightAt != nil {
			rows = append(rows, table.Row{"unanswered since", letter.InFlightAt.Format(time.DateTime) + " (Asia/Taipei)"})
		}
		if letter.GoesAt != nil {
			rows = append(rows, table.Row{"is sent again", letter.GoesAt.Format(time.DateTime) + " (Asia/Taipei)"})
		}
		if letter.LastError != "" {
			rows = append(rows, table.Row{"asynq says", letter.LastError})
		}
		payload := string(full.Payload)
		if letter.SealedBy != "" {
			payload = (&seal.KeyError{Key: letter.SealedBy}).Error()
		} else if full.Payload == nil {
			payload = fmt.Sprintf("%d bytes that are no JSON: %q", len(letter.Payload), letter.Payload[:min(200, len(letter.Payload))])
		}
		rows = append(rows, table.Row{"payload", payload})
		if full.Original != nil {
			rows = append(rows, table.Row{"before correction", string(full.Original)})
		}
		p.printTable(nil, rows)
		return nil
	}
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
		return hinted("another program wrote these keys: move them away (RENAME), the next sweep makes them anew",
			fmt.Sprintf("the dead letters of %d merchants cannot be listed", broken))
	}
	return err
}
