package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
)

// errFindings ends with exit code 4 and says nothing: the output said it.
var errFindings = errors.New("")

func (p *program) reconcileCommand() *cli.Command {
	c := &cli.Command{
		Name:  "reconcile",
		Usage: "compare the B2C invoices that ECPay has of a day with our record, along each merchant's pace; nothing is changed",
		Description: "Prints what does not agree, and what the record is too short for to tell: one JSON line each, or a table.\n" +
			"Exit code 0: all agrees. 4: there is something. 1: a merchant could not be compared.",
		Action: func(ctx context.Context, c *cli.Command) error {
			day, err := p.reconcileDay(c)
			if err != nil {
				return err
			}
			return p.withRedis(func(rdb redis.UniversalClient) error { return p.reconcile(ctx, c, rdb, day) })
		},
	}
	c.Flags = append(p.askFlags(), merchantFlag(),
		&cli.StringFlag{Name: "day", Usage: "day of issue in Asia/Taipei, YYYY-MM-DD; left out, yesterday"},
		&config.IntFlag{Name: "days", Value: 1, Usage: fmt.Sprintf("so many days, the last of which is that day, 1 to %d", maxDays)},
		&config.IntFlag{Name: "page-size", Value: reconcile.DefaultPageSize,
			Usage: fmt.Sprintf("invoices that ECPay is asked for at once, 1 to %d; fewer where invoices have very many items", ecpay.MaxNumPerPage)},
	)
	return c
}

// maxDays is how many days one command compares.
const maxDays = 31

// reconcileDay is the beginning of the day that is asked for.
func (p *program) reconcileDay(c *cli.Command) (time.Time, error) {
	if err := errors.Join(noArgs(c), notEmpty(c, "merchant-id")); err != nil {
		return time.Time{}, err
	}
	if n := c.Int("page-size"); n < 1 || n > ecpay.MaxNumPerPage {
		return time.Time{}, usageError{fmt.Errorf("--page-size is %d; it must be 1 to %d", n, ecpay.MaxNumPerPage)}
	}
	if n := c.Int("days"); n < 1 || n > maxDays {
		return time.Time{}, usageError{fmt.Errorf("--days is %d; it must be 1 to %d", n, maxDays)}
	}
	now := time.Now().In(ecpay.Taipei)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, ecpay.Taipei)
	if !c.IsSet("day") {
		return today.AddDate(0, 0, -1), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, c.String("day"), ecpay.Taipei)
	switch {
	case err != nil:
		return time.Time{}, usageError{fmt.Errorf("--day is %q; it must be a calendar day in Asia/Taipei, YYYY-MM-DD", c.String("day"))}
	case day.After(today):
		return time.Time{}, usageError{fmt.Errorf("--day is %s, which has not begun in Asia/Taipei, where it is %s",
			day.Format(time.DateOnly), today.Format(time.DateOnly))}
	case day.Equal(today):
		p.say("%s is not over: what is issued meanwhile may be missed / 當日尚未結束，比對期間開立的發票可能未列入", day.Format(time.DateOnly))
	}
	return day, nil
}

func (p *program) reconcile(ctx context.Context, c *cli.Command, rdb redis.UniversalClient, day time.Time) error {
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	findings := 0
	err = p.eachMerchant(ctx, c, rdb, "reconcile", func(m worker.Merchant, ask askOne) error {
		cfg := reconcile.Config{Reader: record.NewReader(rdb), PageSize: c.Int("page-size"), Ask: ask, PayloadKeys: keys}
		n, err := p.reconcileDays(ctx, c, cfg, m, day)
		findings += n
		return err
	})
	if err == nil && findings > 0 {
		return errFindings
	}
	return err
}

// reconcileDays compares the days of one merchant, the first one first, prints what it finds, and returns how much that is.
func (p *program) reconcileDays(
	ctx context.Context, c *cli.Command, cfg reconcile.Config, m worker.Merchant, last time.Time,
) (findings int, err error) {
	for n := c.Int("days") - 1; n >= 0; n-- {
		r, err := reconcile.Day(ctx, cfg, m.ID(), last.AddDate(0, 0, -n), m.TsrIsRelateNumber)
		if err != nil {
			return findings, err
		}
		p.say("merchant %s, %s: %d invoice(s), %d finding(s) / 特店 %[1]s，%[2]s：發票 %[3]d 張，發現 %[4]d 項",
			r.MerchantID, r.Day, r.Invoices, len(r.Findings))
		findings += len(r.Findings)
		if err := p.printFindings(c, r.Findings); err != nil {
			return findings, err
		}
	}
	return findings, nil
}

// printFindings prints those of one merchant.
func (p *program) printFindings(c *cli.Command, all []reconcile.Finding) error {
	if !p.wantsTable(c) {
		for _, f := range all {
			if err := p.printJSON(f); err != nil {
				return err
			}
		}
		return nil
	}
	var rows []table.Row
	for _, f := range all {
		what := reconcile.KindText(f.Kind)
		detail := lines{f.Detail, f.DetailZh}
		for _, d := range deadlineRows(f.Deadlines) {
			detail = append(detail, fmt.Sprintf("%s: %s", d...))
		}
		rows = append(rows, table.Row{
			lines{p.colour(text.FgYellow, string(f.Kind)), what.Zh}, lines{f.InvoiceNumber, f.InvoiceDate}, f.RelateNumber,
			detail,
		})
	}
	if len(rows) > 0 {
		p.printTable(table.Row{"finding", "invoice", "RelateNumber", "detail"}, rows)
	}
	return nil
}
