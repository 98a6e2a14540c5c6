package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func (p *program) webhookCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append(append(p.cfg.Flags(config.Reader), p.cfg.FlagOf("ECPAYQ_CONFIG"), jsonFlag()), more...)
	}
	return &cli.Command{
		Name: "webhook", Usage: "show, test, enable and replay the endpoints to which workers deliver outcomes",
		Description: "They stand in the YAML file under webhooks.",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list endpoints with what waits, what was given up and what is wrong", ArgsUsage: "[NAME…]",
				Flags: flags(), Action: p.webhooks(p.webhookList),
			},
			{
				Name: "test", Usage: "send a signed test to endpoints from this machine; exit code 1 where it is not delivered", ArgsUsage: "NAME…",
				Description: "It reads the secret, needs no Redis and changes nothing: an endpoint that is disabled stays so.",
				Flags:       []cli.Flag{p.cfg.FlagOf("ECPAYQ_CONFIG"), jsonFlag()}, Action: p.webhookTest,
			},
			{
				Name: "enable", ArgsUsage: "NAME…",
				Usage:       "let endpoints that are disabled or paused go on, and send at once what waits to be tried again",
				Description: "Running it again is safe.",
				Flags:       flags(), Action: p.webhooks(p.webhookEnable),
			},
			{
				Name: "replay", ArgsUsage: "NAME [ID…]",
				Usage: "send outcomes to an endpoint again: by webhook-id, by time, or those that were given up",
				Description: "What is in the queue already is not put into it again. The webhook-id stays the same, so that a receiver\n" +
					"can tell what it had.",
				Flags: flags(
					&cli.StringFlag{Name: "since", Usage: "what was recorded at this time or later (RFC 3339), like 2026-01-31T09:00:00+08:00"},
					&cli.StringFlag{Name: "until", Usage: "and before this time"},
					&config.BoolFlag{Name: "dead", Usage: "only what was given up"},
				),
				Action: p.webhooks(p.webhookReplay),
			},
			{
				Name: "discard", ArgsUsage: "NAME ID…",
				Usage: "drop deliveries that were given up, at your word: they are not sent again by themselves",
				Flags: flags(&cli.StringFlag{Name: "note", Usage: "why, for the audit; required"}), Action: p.webhooks(p.webhookDiscard),
			},
		},
	}
}

// webhooks runs an action with what the file has, without secrets.
func (p *program) webhooks(f func(context.Context, *cli.Command, *webhook.Admin, []webhook.Endpoint) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		list, err := p.cfg.WebhookNames()
		if err != nil {
			return err
		}
		return p.withRedis(func(rdb redis.UniversalClient) error { return f(ctx, c, webhook.NewAdmin(rdb), list) })
	}
}

// named are the endpoints of some names, in the order of the names.
func named(list []webhook.Endpoint, names []string) ([]webhook.Endpoint, error) {
	known := map[string]webhook.Endpoint{}
	var all []string
	for _, e := range list {
		known[e.Name] = e
		all = append(all, e.Name)
	}
	some := make([]webhook.Endpoint, len(names))
	for i, n := range names {
		e, ok := known[n]
		switch {
		case !ok && len(all) == 0:
			return nil, usageError{errors.New("the file of ECPAYQ_CONFIG has no webhooks")}
		case !ok:
			return nil, usageError{fmt.Errorf("there is no webhook %q; the file has %s", n, strings.Join(all, ", "))}
		}
		some[i] = e
	}
	return some, nil
}

// errNoName asks for one.
var errNoName = usageError{errors.New("name the webhook; ecpayq webhook list shows their names")}

func (p *program) webhookList(ctx context.Context, c *cli.Command, a *webhook.Admin, list []webhook.Endpoint) error {
	if c.Args().Present() {
		var err error
		if list, err = named(list, c.Args().Slice()); err != nil {
			return err
		}
	}
	var rows []table.Row
	for _, e := range list {
		s, err := a.Status(ctx, e)
		if err != nil {
			return err
		}
		if !p.wantsTable(c) {
			if err := p.printJSON(s); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, table.Row{
			s.Name, s.URL, p.webhookState(s), s.Pending, s.Waiting, p.heldCount(s.Dead), taipei(s.SuccessAt), p.webhookTrouble(s),
		})
	}
	switch {
	case !p.wantsTable(c):
	case len(rows) == 0:
		p.say("no webhook / 沒有 webhook")
	default:
		p.printTable(table.Row{
			"webhook", "address", "state / 狀態", "next", "waiting", "given up", "last delivery (Asia/Taipei)", "trouble / 狀況",
		}, rows)
	}
	return nil
}

func (p *program) webhookState(s webhook.Status) any {
	names := map[string]string{
		webhook.StateEnabled: "enabled / 啟用", webhook.StateFailing: "failing / 失敗中",
		webhook.StateDisabled: "disabled / 已停用", webhook.StatePaused: "paused / 已暫停",
	}
	if s.State == webhook.StateEnabled {
		return names[s.State]
	}
	return p.colour(text.FgRed, names[s.State])
}

func (p *program) webhookTrouble(s webhook.Status) lines {
	var trouble lines
	if s.Disabled != "" {
		trouble = append(trouble, p.colour(text.FgRed, fmt.Sprintf("since %s: %s / %s", taipei(s.DisabledAt), s.Reason, s.ReasonZh)))
	}
	if s.FailingSince != nil {
		trouble = append(trouble, fmt.Sprintf("%d tries failed since %s: %s / 自該時起失敗 %d 次：%s",
			s.Failures, taipei(s.FailingSince), s.LastText, s.Failures, s.LastTextZh))
	}
	if s.Resume != nil {
		trouble = append(trouble, fmt.Sprintf("left alone until %s (Retry-After) / 依其要求暫停至該時", taipei(s.Resume)))
	}
	if s.Missed > 0 {
		trouble = append(trouble, p.colour(text.FgRed, fmt.Sprintf("%d outcomes were not kept long enough / 未及送達即已過期", s.Missed)))
	}
	return trouble
}

// testLine is what became of a test.
type testLine struct {
	Name   string  `json:"name"`
	ID     string  `json:"webhook_id"`
	Result string  `json:"result"`
	Status int     `json:"status,omitempty"`
	Text   string  `json:"text"`
	TextZh string  `json:"text_zh"`
	Body   string  `json:"body,omitempty"`
	Took   float64 `json:"seconds"`
}

func (p *program) webhookTest(ctx context.Context, c *cli.Command) error {
	if !c.Args().Present() {
		return errNoName
	}
	list, err := p.cfg.Webhooks()
	if err != nil {
		return err
	}
	if list, err = named(list, c.Args().Slice()); err != nil {
		return err
	}
	failed := 0
	for _, e := range list {
		id, a, err := webhook.Test(ctx, e, app.WebhookAgent)
		if err != nil {
			return err
		}
		if a.Result != webhook.Delivered {
			failed++
		}
		line := testLine{e.Name, id, string(a.Result), a.Status, a.Text, a.TextZh, a.Body, a.Took.Seconds()}
		if !p.wantsTable(c) {
			if err := p.printJSON(line); err != nil {
				return err
			}
			continue
		}
		p.say("%s: %s (%s, %.2f s) / %s", e.Name, a.Text, a.Result, line.Took, a.TextZh)
		if a.Body != "" {
			p.say("%s: it said: %s", e.Name, a.Body)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests were not delivered", failed, len(list))
	}
	return nil
}

func (p *program) webhookEnable(ctx context.Context, c *cli.Command, a *webhook.Admin, list []webhook.Endpoint) error {
	if !c.Args().Present() {
		return errNoName
	}
	list, err := named(list, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := p.auditWebhook(ctx, a, ledger.ActResume, e, ""); err != nil {
			return err
		}
		woken, err := a.Enable(ctx, e)
		if err != nil {
			return err
		}
		if p.wantsTable(c) {
			p.say("%s is enabled; %d deliveries that waited are sent now / 已啟用，%d 筆等待中的通知立即重送", e.Name, woken, woken)
		} else if err := p.printJSON(map[string]any{"name": e.Name, "state": webhook.StateEnabled, "woken": woken}); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) webhookReplay(ctx context.Context, c *cli.Command, a *webhook.Admin, list []webhook.Endpoint) error {
	if err := errors.Join(notEmpty(c, "since"), notEmpty(c, "until")); err != nil {
		return err
	}
	if !c.Args().Present() {
		return errNoName
	}
	found, err := named(list, c.Args().Slice()[:1])
	if err != nil {
		return err
	}
	e, ids := found[0], c.Args().Slice()[1:]
	r := webhook.Range{Dead: c.Bool("dead")}
	for _, f := range []struct {
		name string
		at   *time.Time
	}{{"since", &r.Since}, {"until", &r.Until}} {
		if *f.at, err = timeFlag(c, f.name); err != nil {
			return err
		}
	}
	by := c.IsSet("since") || c.IsSet("until") || r.Dead
	switch {
	case len(ids) > 0 && by:
		return usageError{errors.New("give ids, or --since, --until and --dead, not both")}
	case len(ids) == 0 && !by:
		return usageError{errors.New("give the webhook-ids, or --since, --until or --dead")}
	case !r.Until.IsZero() && !r.Since.Before(r.Until):
		return usageError{errors.New("--until must be after --since")}
	}
	if err := p.auditWebhook(ctx, a, ledger.ActReplay, e, strings.Join(ids, " ")); err != nil {
		return err
	}
	n := 0
	for _, id := range ids {
		if err := a.Replay(ctx, e, id); err != nil {
			return err
		}
		n++
	}
	if by {
		bar := p.showBar(&progress.Tracker{Message: "replay"})
		r.Progress = func(int) { bar.step() }
		n, err = a.ReplayRange(ctx, e, r)
		bar.stop()
	}
	if p.wantsTable(c) {
		p.say("%d deliveries to %s are sent again / %d 筆通知將重新送出", n, e.Name, n)
	} else if err := p.printJSON(map[string]any{"name": e.Name, "replayed": n}); err != nil {
		return err
	}
	return err
}

// auditWebhook writes who did what with an endpoint, before it is done.
func (p *program) auditWebhook(ctx context.Context, a *webhook.Admin, act string, e webhook.Endpoint, note string) error {
	return a.Audit(ctx, ledger.AuditEntry{Who: p.who(), What: act, Note: strings.TrimSpace(e.Queue() + " " + record.Clip(note, 400))})
}

func (p *program) webhookDiscard(ctx context.Context, c *cli.Command, a *webhook.Admin, list []webhook.Endpoint) error {
	if err := notEmpty(c, "note"); err != nil {
		return err
	}
	switch {
	case c.NArg() < 2:
		return usageError{errors.New("give the webhook and the webhook-ids of what was given up; asynq's page of its queue shows them")}
	case c.String("note") == "":
		return usageError{errors.New("--note is required: say why they are not sent any more")}
	}
	found, err := named(list, c.Args().Slice()[:1])
	if err != nil {
		return err
	}
	e, ids := found[0], c.Args().Slice()[1:]
	if err := p.auditWebhook(ctx, a, ledger.ActResolve, e, strings.Join(ids, " ")+" "+c.String("note")); err != nil {
		return err
	}
	for _, id := range ids {
		if err := a.Discard(ctx, e, id); err != nil {
			return err
		}
	}
	if p.wantsTable(c) {
		p.say("%d deliveries to %s are dropped / 已捨棄 %d 筆通知", len(ids), e.Name, len(ids))
		return nil
	}
	return p.printJSON(map[string]any{"name": e.Name, "discarded": len(ids)})
}

// timeFlag is a time, zero where the flag is not set.
func timeFlag(c *cli.Command, name string) (time.Time, error) {
	v := c.String(name)
	if v == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("--%s is %q; it must be a time like 2026-01-31T09:00:00+08:00", name, v)}
	}
	return at, nil
}
