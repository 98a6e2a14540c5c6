package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "check configuration, Redis, clock, keys and ECPay's reachability; exit code 1 if something is wrong",
		Description: "Each merchant of the configuration is asked one harmless question, GetIssue of a RelateNumber that does\n" +
			"not exist, along its pace in the fleet: the answer shows whether its keys and the service work. Those for which the\n" +
			"queue issued invoices within a week are asked for the numbers (字軌) that they have left. Run it with the worker's\n" +
			"own environment.",
		Flags: append(p.cfg.Flags("worker"), jsonFlag(),
			&config.BoolFlag{Name: "no-ecpay", Usage: "ask ECPay nothing; Redis, configuration and keys are looked at all the same"}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return p.doctor(ctx, c)
		},
	}
}

// finding is one line of the doctor's report.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warning or failed
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
	HintZH string `json:"hint_zh,omitempty"`
}

const (
	statusOK      = "ok"
	statusWarning = "warning"
	statusFailed  = "failed"
)

func found(check, status, detail string, a record.Text) finding {
	return finding{check, status, detail, a.En, a.Zh}
}

// failed is the finding that something cannot be done, with the advice on the error in both languages.
func failed(check string, err error) finding {
	return found(check, statusFailed, err.Error(), record.Text{
		En: cmp.Or(hintFor(err), "mend what is said here; the README lists every setting"),
		Zh: cmp.Or(redisHint(err).Zh, "請修正此處所述的問題；README.zh-TW.md 列出所有設定"),
	})
}

func (p *program) doctor(ctx context.Context, c *cli.Command) error {
	report := []finding{p.checkConfig()}
	dir, err := p.cfg.Open()
	if err != nil {
		report = append(report, failed("keys", err))
	} else {
		report = append(report,
			finding{Check: "keys", Status: statusOK, Detail: fmt.Sprintf("%d merchant(s), every HashKey and HashIV has 16 bytes", dir.Len())})
	}
	if exposed := config.Exposed(p.cfg.SecretFiles()); len(exposed) > 0 {
		report = append(report, found("key files", statusWarning, strings.Join(exposed, "; "), record.Text{
			En: "chmod 600 FILE, as the user of the worker; or chmod 640, where root owns it and the worker is of its group",
			Zh: "以 worker 的使用者執行 chmod 600 檔案；若由 root 擁有而 worker 屬於其群組，則為 chmod 640",
		}))
	}
	rdb, done, seen := p.checkRedis(ctx)
	defer done()
	report = append(report, seen...)
	var standing map[string]merchants.Merchant
	if rdb != nil {
		report = append(report, p.checkFleet(ctx, rdb, dir, &standing)...)
		report = append(report, p.checkOrders(ctx, rdb))
	}
	report = append(report, p.checkPayloadKeys(ctx, rdb))
	report = append(report, p.checkWebhooks(ctx, rdb)...)
	report = append(report, p.checkOutbox(ctx)...)
	if !c.Bool("no-ecpay") {
		reached := p.checkECPay(ctx)
		report = append(report, reached...)
		if dir != nil {
			asked := p.askMerchants(ctx, rdb, dir, standing, troubled(reached))
			report = append(report, asked...)
			if rdb != nil && !troubled(reached) && !troubled(asked) {
				report = append(report, p.checkTracks(ctx, rdb, dir)...)
			}
		}
	}
	if err := p.printReport(c, report); err != nil {
		return err
	}
	if troubled(report) {
		return errSilent
	}
	return nil
}

// troubled reports whether something failed.
func troubled(report []finding) bool {
	return slices.ContainsFunc(report, func(f finding) bool { return f.Status == statusFailed })
}

func (p *program) checkConfig() finding {
	f := finding{Check: "configuration", Status: statusOK, Detail: "all values are valid and fit each other"}
	if err := p.cfg.Validate(); err != nil {
		f = failed(f.Check, err)
	} else if warnings := p.cfg.Warnings(); len(warnings) > 0 {
		f.Status, f.Detail = statusWarning, strings.Join(warnings, "; ")
		f.Hint = "leave ECPAYQ_FENCE and ECPAYQ_MERCHANT_INTERVAL at their defaults, a fence may be longer and an interval shorter"
		f.HintZH = "請讓 ECPAYQ_FENCE 與 ECPAYQ_MERCHANT_INTERVAL 維持預設值；前者可以更長，後者可以更短"
	}
	return f
}

func (p *program) printReport(c *cli.Command, report []finding) error {
	if !p.wantsTable(c) {
		for _, f := range report {
			if err := p.printJSON(f); err != nil {
				return err
			}
		}
		return nil
	}
	colours := map[string]text.Color{statusOK: text.FgGreen, statusWarning: text.FgYellow, statusFailed: text.FgRed}
	var rows []table.Row
	for _, f := range report {
		detail := lines{f.Detail}
		if f.Hint != "" {
			detail = append(detail, "hint: "+f.Hint)
		}
		if f.HintZH != "" {
			detail = append(detail, "hint: "+f.HintZH)
		}
		rows = append(rows, table.Row{f.Check, p.colour(colours[f.Status], f.Status), detail})
	}
	p.printTable(table.Row{"check", "status", "detail"}, rows)
	return nil
}
