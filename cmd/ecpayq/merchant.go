package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

func (p *program) merchantCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append(append(p.cfg.Flags(config.Reader), jsonFlag()), more...)
	}
	run := func(f func(context.Context, *cli.Command, redis.UniversalClient) error) cli.ActionFunc {
		return func(ctx context.Context, c *cli.Command) error {
			return p.withRedis(func(rdb redis.UniversalClient) error { return f(ctx, c, rdb) })
		}
	}
	return &cli.Command{
		Name: "merchant", Usage: "show where merchants stand, and end what holds one",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list merchants with their pace, line, requests in flight, ban and refused keys", ArgsUsage: "[MERCHANT…]",
				Description: "Listed is whoever something was sent for within two days, or whose tasks are held. Keys are\n" +
					"named by their fingerprint: keys that are equal have the same one.",
				Flags: flags(p.cfg.FlagOf("ECPAYQ_EGRESS"),
					&config.BoolFlag{Name: "troubled", Usage: "only those that are banned, refused or have held tasks"}),
				Action: run(p.merchantList),
			},
			{
				Name: "resume", ArgsUsage: "MERCHANT…",
				Usage: "lift the ban and the refusal of keys of merchants, and wake their held tasks along the pace",
				Description: "What waits for something of its own stays as it is, like an unanswered write for its fence.\n" +
					"Running it again after an interruption is safe, and so is running it twice at once.",
				Flags:  flags(&cli.StringFlag{Name: "note", Usage: "why, for the audit"}),
				Action: run(p.merchantResume),
			},
		},
	}
}

func (p *program) merchantList(ctx context.Context, c *cli.Command, rdb redis.UniversalClient) error {
	if err := p.warnOfEgress(ctx, rdb); err != nil {
		return err
	}
	m := merchants.New(rdb)
	var list []merchants.Merchant
	var err error
	if c.Args().Present() {
		for _, id := range c.Args().Slice() {
			one, err := m.Get(ctx, id)
			if err != nil {
				return fmt.Errorf("merchant %s: %w", id, err)
			}
			list = append(list, one)
		}
	} else if list, err = m.List(ctx); err != nil {
		return err
	}
	var rows []table.Row
	for _, one := range list {
		switch {
		case c.Bool("troubled") && one.Ban == nil && one.Denied == nil && one.Held == 0 && one.Broken == "":
		case p.wantsTable(c):
			rows = append(rows, p.merchantRow(one))
		default:
			if err := p.printJSON(one); err != nil {
				return err
			}
		}
	}
	switch {
	case !p.wantsTable(c):
	case len(rows) == 0:
		p.say("no merchant / 沒有特店")
	default:
		p.printTable(table.Row{
			"merchant", "interval", "last request (Asia/Taipei)", "in flight", "waiting", "held", "next place", "trouble / 狀況",
		}, rows)
	}
	return nil
}

// warnOfEgress says when it is no merchant's trouble that nothing goes.
func (p *program) warnOfEgress(ctx context.Context, rdb redis.UniversalClient) error {
	s, err := gate.NewEgress(rdb, p.cfg.Egress, 0).Look(ctx, false)
	if err != nil {
		return err
	}
	if what := dashboard.PausedFor(s.Why); !what.IsZero() {
		p.say("egress %s: %s: nothing is sent until %s (Asia/Taipei), then one request goes first", p.cfg.Egress, what.Both(), taipei(&s.Until))
	}
	return nil
}

func (p *program) merchantRow(m merchants.Merchant) table.Row {
	var trouble lines
	if m.Ban != nil {
		ban := fmt.Sprintf("banned since %s until %s / 綠界要求暫停", taipei(&m.Ban.Since), taipei(&m.Ban.Until))
		trouble = append(trouble, p.colour(text.FgRed, ban+withWhy(m.Ban.Why)))
	}
	if m.Broken != "" {
		trouble = append(trouble, "cannot be read / 無法讀取: "+m.Broken)
	}
	for _, d := range m.Denied {
		next := "tried again at " + taipei(&d.NextProbe)
		if d.Probing {
			next = "tried at this moment"
		}
		keys := "key " + d.Fingerprint
		if d.Fingerprint == gate.NoKeys {
			keys = "no keys"
		}
		refused := fmt.Sprintf("%s: %s refused since %s / 金鑰或服務遭拒", d.Service, keys, taipei(&d.Since))
		trouble = append(trouble, p.colour(text.FgRed, refused+", "+next+withWhy(d.Why)))
	}
	return table.Row{
		m.ID, time.Duration(m.Interval).String(), taipei(m.LastAt), m.InFlight, m.Waiting, p.heldCount(m.Held), taipei(m.NextPlace), trouble,
	}
}

func (p *program) heldCount(n int) any {
	if n == 0 {
		return n
	}
	return p.colour(text.FgYellow, strconv.Itoa(n))
}

func withWhy(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// taipei is a time for people, empty for none.
func taipei(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.In(ecpay.Taipei).Format(time.DateTime)
}

func (p *program) merchantResume(ctx context.Context, c *cli.Command, rdb redis.UniversalClient) error {
	if !c.Args().Present() {
		return usageError{errors.New("give the MerchantID of whom to resume")}
	}
	m := merchants.New(rdb)
	var rows []table.Row
	for _, id := range c.Args().Slice() {
		r, err := m.Resume(ctx, id, p.who(), c.String("note"))
		if err != nil {
			return fmt.Errorf("merchant %s: %w", id, err)
		}
		if p.wantsTable(c) {
			rows = append(rows, table.Row{r.ID, taipei(r.Banned), strings.Join(r.Denied, ", "), r.Tasks, r.Running})
			continue
		}
		if err := p.printJSON(r); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		p.printTable(table.Row{"merchant", "was banned until", "keys no longer refused", "tasks woken", "running now"}, rows)
	}
	return nil
}
