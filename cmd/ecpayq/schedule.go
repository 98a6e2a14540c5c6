package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

func (p *program) scheduleCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		common := append(p.cfg.Flags(config.Reader),
			p.cfg.FlagOf("ECPAYQ_CONFIG"), p.cfg.FlagOf("ECPAYQ_RETENTION"), p.cfg.FlagOf("ECPAYQ_MERCHANT_INTERVAL"), jsonFlag())
		return append(common, more...)
	}
	return &cli.Command{
		Name: "schedule", Usage: "show the replay schedules of the YAML file, and run one now; workers fire them",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list schedules with their next and last runs", Flags: flags(),
				Action: func(ctx context.Context, c *cli.Command) error { return p.listSchedules(ctx, c) },
			},
			{
				Name: "run", Usage: "replay now what a schedule would, beside its times", ArgsUsage: "NAME",
				Flags: flags(
					&config.BoolFlag{Name: "dry-run", Usage: "say how many would be replayed and change nothing"},
					&cli.StringFlag{Name: "note", Usage: "why, for the audit"},
				),
				Action: func(ctx context.Context, c *cli.Command) error { return p.runSchedule(ctx, c) },
			},
		},
	}
}

func (p *program) listSchedules(ctx context.Context, c *cli.Command) error {
	if err := noArgs(c); err != nil {
		return err
	}
	page, err := p.cfg.Page()
	if err != nil {
		return err
	}
	return p.withRedis(func(rdb redis.UniversalClient) error {
		all, err := schedule.List(ctx, rdb, page.Schedules)
		if err != nil {
			return err
		}
		var rows []table.Row
		for _, s := range all {
			if !p.wantsTable(c) {
				if err := p.printJSON(s.In(ecpay.Taipei)); err != nil {
					return err
				}
				continue
			}
			ran, last := "", lines{}
			if s.LastSlot != nil && s.Do == schedule.Reconcile {
				ran = fmt.Sprintf("%s: %d findings / 發現 %[2]d 項", s.LastSlot.Format(time.DateTime), s.Left)
			} else if s.LastSlot != nil {
				ran = fmt.Sprintf("%s: %d replayed, %d left alone", s.LastSlot.Format(time.DateTime), s.Replayed, s.Left)
			}
			if s.Failed > 0 {
				ran += fmt.Sprintf(", %d failed", s.Failed)
			}
			if ran != "" {
				last = append(last, ran)
			}
			if s.DueSince != nil && s.Running == nil {
				last = append(last, p.colour(text.FgYellow, "due since "+s.DueSince.Format(time.DateTime)+" / 應執行而未執行"))
			}
			rows = append(rows, table.Row{s.Name, s.Cron, s.TimeZone, s.NextAt.Format(time.DateTime), last})
		}
		switch {
		case len(rows) > 0:
			p.printTable(table.Row{"name", "cron", "time zone", "next", "last"}, rows)
		case p.wantsTable(c):
			p.say("no schedule is configured / 沒有設定排程")
		}
		return nil
	})
}

func (p *program) runSchedule(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError{errors.New("give the name of one schedule")}
	}
	if err := p.checkKept(c); err != nil {
		return err
	}
	name := c.Args().First()
	page, err := p.cfg.Page()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(page.Schedules, func(e schedule.Entry) bool { return e.Name == name })
	if i < 0 {
		var known []string
		for _, e := range page.Schedules {
			known = append(known, e.Name)
		}
		if known == nil {
			return usageError{fmt.Errorf("no schedule %q in ECPAYQ_CONFIG, which has none at all", name)}
		}
		return usageError{fmt.Errorf("no schedule %q in ECPAYQ_CONFIG; there are: %s", name, strings.Join(known, ", "))}
	}
	if e := page.Schedules[i]; e.Do == schedule.Reconcile {
		instead := fmt.Sprintf("ecpayq reconcile --days %d", e.Days)
		if e.MerchantID != "" {
			instead += " --merchant-id " + e.MerchantID
		}
		return usageError{hinted(instead, fmt.Sprintf("schedule %s compares invoices and replays nothing", name))}
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	return p.withRedis(func(rdb redis.UniversalClient) error {
		l := deadletter.New(deadletter.Config{Redis: rdb, PayloadKeys: keys, Retention: p.cfg.Retention, Interval: page.Interval})
		note := strings.TrimSpace("schedule " + name + " " + c.String("note"))
		o := deadletter.ReplayOptions{DryRun: c.Bool("dry-run"), By: p.who(), Note: note}
		r, err := schedule.Once(ctx, rdb, l, page.Schedules[i], o, func(id string, err error) {
			p.say("%s: %s", id, err)
		})
		if err != nil {
			return err
		}
		if !p.wantsTable(c) {
			if r.Replayed+r.Failed == 0 {
				p.say("nothing to do")
			}
			return p.printJSON(struct {
				Name   string `json:"name"`
				DryRun bool   `json:"dry_run,omitempty"`
				schedule.Report
			}{name, o.DryRun, r})
		}
		if r.Replayed+r.Failed == 0 {
			p.say("nothing to do for schedule %s, %d left alone / 排程 %[1]s 沒有可重送的任務，略過 %[2]d 項", name, r.Left)
			return nil
		}
		verb := map[bool]string{false: "replayed", true: "would be replayed"}[o.DryRun]
		p.say("%d %s, %d left alone, %d failed", r.Replayed, verb, r.Left, r.Failed)
		return nil
	})
}
