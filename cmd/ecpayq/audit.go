package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "list who did what to which task or merchant, here and on the dashboard, the newest first",
		Description: "Fields are named, values are never kept. A delete was refused: nothing is deleted.",
		Flags: append(append(p.cfg.Flags(config.Reader), jsonFlag()),
			&cli.StringFlag{Name: "id", Usage: "only this task"},
			&cli.StringFlag{Name: "merchant-id", Usage: "only this merchant"},
			&cli.StringFlag{Name: "who", Usage: "only this person, as listed"},
			&cli.StringFlag{Name: "what", Usage: "only one of " + strings.Join(ledger.Acts(), ", ")},
			&config.DurationFlag{Name: "newer-than", Usage: "only what was done within this time, like 24h"},
			&config.IntFlag{Name: "limit", Value: tableLimit, Usage: "at most this many; 0 for all"},
		),
		Action: func(ctx context.Context, c *cli.Command) error { return p.withLedger(c, p.audit(ctx, c)) },
	}
}

func auditFilter(c *cli.Command) (deadletter.AuditFilter, error) {
	f := deadletter.AuditFilter{
		ID: c.String("id"), MerchantID: c.String("merchant-id"), Who: c.String("who"), What: c.String("what"),
		NewerThan: c.Duration("newer-than"), Limit: c.Int("limit"),
	}
	if err := notEmpty(c, "id", "merchant-id", "who", "what"); err != nil {
		return f, err
	}
	switch {
	case f.NewerThan < 0 || f.Limit < 0:
		return f, usageError{errors.New("--newer-than and --limit must not be negative")}
	case f.What != "" && !slices.Contains(ledger.Acts(), f.What):
		return f, usageError{fmt.Errorf("--what is %q; it must be one of %s", f.What, strings.Join(ledger.Acts(), ", "))}
	}
	return f, noArgs(c)
}

func (p *program) audit(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := auditFilter(c)
		if err != nil {
			return err
		}
		var rows []table.Row
		for e, err := range l.Audit(ctx, f) {
			switch {
			case err != nil:
				return err
			case !p.wantsTable(c):
				if err := p.printJSON(e); err != nil {
					return err
				}
			default:
				rows = append(rows, table.Row{
					e.At.Format(time.DateTime), e.Who, e.What, e.ID + e.MerchantID, strings.Join(e.Fields, ", "), e.Note,
				})
			}
		}
		switch {
		case !p.wantsTable(c):
		case len(rows) == 0:
			p.say("nothing was done to a task or a merchant / 沒有操作紀錄")
		default:
			p.printTable(table.Row{"at (Asia/Taipei)", "who", "what", "id or merchant", "fields", "note"}, rows)
		}
		return nil
	}
}

// who is for the audit: as the system knows the person.
func (p *program) who() string {
	name := "unknown"
	for _, env := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v, ok := p.env(env); ok && v != "" {
			name = v
			break
		}
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
