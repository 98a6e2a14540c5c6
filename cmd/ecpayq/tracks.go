package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/tracks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
)

func (p *program) tracksCommand() *cli.Command {
	c := &cli.Command{
		Name:  "tracks",
		Usage: "show how many invoice numbers (字軌) merchants have left at ECPay and for how many days they last; nothing is changed",
		Description: "One JSON line for each category, term and InvType, or a table. Exit code 0: they last. 4: some end soon.\n" +
			"1: a merchant could not be asked.",
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := errors.Join(noArgs(c), notEmpty(c, "merchant-id")); err != nil {
				return err
			}
			if n := c.Int("warn-days"); n < 1 || n > 60 {
				return usageError{fmt.Errorf("--warn-days is %d; it must be 1 to 60, the days of a term", n)}
			}
			return p.withRedis(func(rdb redis.UniversalClient) error { return p.tracks(ctx, c, rdb) })
		},
	}
	c.Flags = append(p.askFlags(), merchantFlag(), &config.IntFlag{
		Name: "warn-days", Value: tracks.DefaultWarnDays, Usage: "warn where numbers last for fewer days, 1 to 60",
	})
	return c
}

func (p *program) tracks(ctx context.Context, c *cli.Command, rdb redis.UniversalClient) error {
	low := 0
	var rows []table.Row
	err := p.eachMerchant(ctx, c, rdb, "tracks", func(m worker.Merchant, ask askOne) error {
		all, err := tracks.Look(ctx, tracks.Config{Reader: record.NewReader(rdb), Ask: ask, WarnDays: c.Int("warn-days")}, m.ID())
		if err != nil {
			return err
		}
		if len(all) == 0 {
			p.say("merchant %s has no number at ECPay, and issued nothing lately / 特店 %[1]s 於綠界沒有字軌，近日也未開立發票", m.ID())
		}
		for _, s := range all {
			if s.Low() {
				low++
			}
			if !p.wantsTable(c) {
				if err := p.printJSON(s); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, p.trackRow(s))
		}
		return nil
	})
	if len(rows) > 0 {
		p.printTable(table.Row{"merchant", "category", "term / 期別", "InvType", "left / 剩餘", "off / 未啟用", "a day / 每日", "days / 天數", ""}, rows)
	}
	if err == nil && low > 0 {
		return errFindings
	}
	return err
}

func (p *program) trackRow(s tracks.Standing) table.Row {
	days := ""
	if s.DaysLeft != nil {
		days = strconv.Itoa(*s.DaysLeft)
	}
	return table.Row{
		s.MerchantID, string(s.Category), fmt.Sprintf("%s-%d", s.Year, s.Term), s.InvType, s.Left, s.Off, s.PerDay, days,
		lines{p.colour(text.FgYellow, s.Warning), s.WarningZh},
	}
}
