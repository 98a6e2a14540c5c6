package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
)

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "check configuration, Redis, clock, keys and ECPay's reachability; exit code 1 if something is wrong",
		Flags: append(p.cfg.Flags("worker"), jsonFlag()),
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
}

func (p *program) doctor(ctx context.Context, c *cli.Command) error {
	var report []finding
	add := func(check, status, detail, hint string) {
		report = append(report, finding{check, status, detail, hint})
	}
	fail := func(check string, err error) { add(check, "failed", err.Error(), hintFor(err)) }

	if err := p.cfg.Validate(); err != nil {
		fail("configuration", err)
	} else if warnings := p.cfg.Warnings(); len(warnings) > 0 {
		add("configuration", "warning", strings.Join(warnings, "; "), "leave ECPAYQ_FENCE and ECPAYQ_MERCHANT_INTERVAL at their defaults, a fence may be longer and an interval shorter")
	} else {
		add("configuration", "ok", "all values are valid and fit each other", "")
	}
	if dir, err := p.cfg.Open(); err != nil {
		fail("keys", err)
	} else {
		add("keys", "ok", fmt.Sprintf("%d merchant(s), every HashKey and HashIV has 16 bytes", dir.Len()), "")
	}
	report = append(report, p.checkRedis(ctx)...)
	report = append(report, p.checkECPay(ctx)...)

	bad := false
	for _, f := range report {
		bad = bad || f.Status == "failed"
	}
	if err := p.printReport(c, report); err != nil {
		return err
	}
	if bad {
		return errSilent
	}
	return nil
}

func (p *program) printReport(c *cli.Command, report []finding) error {
	if !p.wantsTable(c) {
		return p.printJSON(report)
	}
	colours := map[string]text.Color{"ok": text.FgGreen, "warning": text.FgYellow, "failed": text.FgRed}
	var rows []table.Row
	for _, f := range report {
		detail := f.Detail
		if f.Hint != "" {
			detail += "\nhint: " + f.Hint
		}
		rows = append(rows, table.Row{f.Check, p.colour(colours[f.Status], f.Status), clean2(detail)})
	}
	p.printTable(table.Row{"check", "status", "detail"}, rows)
	return nil
}

// clean2 is clean that keeps line breaks.
func clean2(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

const doctorTimeout = 5 * time.Second

func (p *program) checkRedis(ctx context.Context) []finding {
	failed := func(err error) []finding {
		h := hintFor(err)
		if h == "" {
			h = hintFor(enqueue.ErrRedis)
		}
		return []finding{{"redis", "failed", err.Error(), h}}
	}
	u, err := p.cfg.ResolveRedisURL()
	if err != nil {
		return failed(err)
	}
	o, err := enqueue.ParseRedisURL(u)
	if err != nil {
		return failed(err)
	}
	o.MaxRetries, o.DialTimeout, o.ContextTimeoutEnabled = -1, 2*time.Second, true
	rdb := redis.NewUniversalClient(o)
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	if err := rdb.Ping(ctx).Err(); err != nil {
		return failed(err)
	}
	d, err := app.ReadDurability(ctx, rdb)
	if err != nil {
		return failed(err)
	}
	report := []finding{{"redis", "ok", "reachable, version " + d.Version, ""}}
	if d.TooOld() {
		report[0] = finding{"redis", "failed", "version " + d.Version + " is older than " + app.MinRedis, "upgrade Redis to " + app.MinRedis + " or newer"}
	}
	switch problems, unknown := d.Problems(), d.Unknown(); {
	case len(problems) > 0:
		report = append(report, finding{"redis durability", "warning", strings.Join(problems, "; "), "use deploy/redis.conf"})
	case len(unknown) > 0:
		report = append(report, finding{"redis durability", "warning", strings.Join(unknown, ", ") + ": not known, Redis does not tell this user", "ask as an administrator of Redis: redis-cli CONFIG GET " + unknown[0] + "; deploy/redis.conf has what it should be"})
	default:
		report = append(report, finding{"redis durability", "ok", "appendonly yes, appendfsync always, noeviction", ""})
	}
	before := time.Now()
	at, err := rdb.Time(ctx).Result()
	if err != nil {
		return append(report, finding{"clock", "warning", "redis TIME: " + err.Error(), ""})
	}
	return append(report, clockFinding("clock against redis", at.Sub(before.Add(time.Since(before)/2).Round(0))))
}

// clockFinding judges an offset: ECPay's window is 10 minutes.
func clockFinding(check string, offset time.Duration) finding {
	side := "ahead of"
	if offset < 0 {
		side = "behind"
	}
	f := finding{check, "ok", fmt.Sprintf("%s %s ours", offset.Abs().Round(time.Millisecond), side), ""}
	switch {
	case offset.Abs() > 5*time.Minute:
		f.Status, f.Hint = "failed", "ECPay refuses timestamps that are 10 minutes off; set up NTP"
	case offset.Abs() > 5*time.Second:
		f.Status, f.Hint = "warning", "set up NTP"
	}
	return f
}

// checkECPay asks for the front page: any answer shows that ECPay is reachable,
// and no operation is touched.
func (p *program) checkECPay(ctx context.Context) []finding {
	base, err := p.cfg.BaseURL()
	if err != nil {
		return []finding{{"ecpay", "failed", err.Error(), hintFor(err)}}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, base.String(), nil)
	if err != nil {
		return []finding{{"ecpay", "failed", err.Error(), ""}}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return []finding{{"ecpay", "failed", base.Host + ": " + err.Error(), "allow outgoing HTTPS to this host by name; its addresses change"}}
	}
	defer resp.Body.Close()
	report := []finding{{"ecpay", "ok", base.Host + " is reachable", ""}}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		report = append(report, clockFinding("clock against ecpay", time.Until(date.Add(500*time.Millisecond)).Round(time.Second)))
	}
	return report
}
