package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) deadCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append(append(p.cfg.Flags(config.Reader), p.cfg.FlagOf("ECPAYQ_RETENTION"), p.cfg.FlagOf("ECPAYQ_MERCHANT_INTERVAL"), jsonFlag()), more...)
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
					&config.BoolFlag{Name: "not-executed", Usage: "your word that what was sent did not happen at ECPay: it is sent again once it cannot land any more"},
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
		i := slices.IndexFunc(tasks.Types(), func(t tasks.Type) bool { return t.Name == name || t.Command() == name })
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

// notEmpty refuses flags that are given without a value, as a script gives them whose
// variable is empty: a filter would select everything.
func notEmpty(c *cli.Command, flags ...string) error {
	for _, name := range flags {
		if c.IsSet(name) && c.String(name) == "" {
			return usageError{fmt.Errorf("--%s is empty; leave it out to mean all", name)}
		}
	}
	return nil
}

// checkKept checks how long things are kept, as far as the command has flags for it.
func (p *program) checkKept(c *cli.Command) error {
	for name, check := range map[string]func() error{"retention": p.cfg.CheckRetention, "finish-ttl": p.cfg.CheckFinishTTL} {
		if !slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			continue
		}
		if err := check(); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// withLedger runs f, unless parsing the command line made it an error.
func (p *program) withLedger(c *cli.Command, f func(*deadletter.Ledger) error) error {
	if err := p.checkKept(c); err != nil {
		return err
	}
	return p.withRedis(func(rdb redis.UniversalClient) error {
		return f(deadletter.New(deadletter.Config{
			Redis: rdb, Retention: p.cfg.Retention, FinishTTL: p.cfg.FinishTTL, Interval: tasks.Every(p.cfg.MerchantInterval),
		}))
	})
}

// withRedis runs f and says of its errors what a person can do.
func (p *program) withRedis(f func(redis.UniversalClient) error) error {
	if err := p.cfg.CheckRedisURL(); err != nil {
		return err
	}
	if err := p.cfg.CheckMerchantInterval(); err != nil {
		return usageError{err}
	}
	u, err := p.cfg.ResolveRedisURL()
	if err != nil {
		return err
	}
	if err := p.awaitLoaded(p.ctx, u); err != nil {
		return err
	}
	o, err := enqueue.ParseRedisURL(u)
	if err != nil {
		return err
	}
	o.ContextTimeoutEnabled = true
	o.DialTimeout = 2 * time.Second
	rdb := redis.NewUniversalClient(o)
	defer rdb.Close()
	p.redis = &redisErrors{}
	rdb.AddHook(p.redis)
	err = f(rdb)
	var usage usageError
	var invalid *ecpay.ValidationError
	var set *deadletter.SetError
	switch {
	case errors.As(err, &invalid), errors.As(err, &set), errors.Is(err, ledger.ErrOtherID):
		return usageError{errors.New(err.Error())} // of --set, not of a flag for each field
	case err != nil && !errors.As(err, &usage) && p.redis.caused(err):
		return fmt.Errorf("%w: %w", enqueue.ErrRedis, err)
	}
	return err
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
	p.printTable(table.Row{"id", "type", "merchant", "kind", "RtnCode", "message", "died (Asia/Taipei)", "attempts", "state", "what to do / 處理方式"}, rows)
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

// code shows no number where ECPay gave none.
func code(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (p *program) deadShow(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		if c.Args().Len() != 1 {
			return usageError{errors.New("give one task id")}
		}
		letter, err := l.Get(ctx, c.Args().First())
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
		if full.Payload == nil {
			payload = fmt.Sprintf("%d bytes that are no JSON: %q", len(letter.Payload), clip(letter.Payload, 200))
		}
		rows = append(rows, table.Row{"payload", payload})
		if full.Original != nil {
			rows = append(rows, table.Row{"before correction", string(full.Original)})
		}
		p.printTable(nil, rows)
		return nil
	}
}

func clip(b []byte, n int) []byte { return b[:min(n, len(b))] }

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

func (p *program) deadReplay(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := filter(c)
		if err != nil {
			return err
		}
		f.IDs = c.Args().Slice()
		o := deadletter.ReplayOptions{DryRun: c.Bool("dry-run"), NotExecuted: c.Bool("not-executed"), By: p.who(), Note: c.String("note")}
		if len(f.IDs) == 0 && f.Kind != nil && *f.Kind == ecpay.Stopped {
			return usageError{errors.New("--kind Stopped selects nothing: what a person stopped is replayed by its id only; ecpayq dead list --kind Stopped lists it")}
		}
		if o.NotExecuted && len(f.IDs) == 0 && f.Kind == nil {
			return usageError{errors.New("--not-executed is your word about certain tasks; name their ids or a --kind")}
		}
		for _, s := range c.StringSlice("set") {
			name, value, ok := strings.Cut(s, "=")
			if !ok || name == "" {
				return usageError{fmt.Errorf("--set is %q; it must be Field=value", s)}
			}
			if o.Set == nil {
				o.Set = map[string]string{}
			}
			if _, twice := o.Set[name]; twice {
				return usageError{fmt.Errorf("--set names %s twice", name)}
			}
			o.Set[name] = value
		}
		total, err := l.Count(ctx, f)
		if err != nil {
			return err
		}
		bar := p.startBar("replay", total)
		out := p.outcomes(c, "replayed")
		err = p.lists(&f, func() error {
			return l.ReplayAll(ctx, f, o, func(r deadletter.Result) {
				bar.step()
				kind, err := r.Kind.String(), r.Err
				switch {
				case r.ActResult == ledger.NotFound:
					kind, err = "", deadletter.ErrNotFound
				case r.ActResult == ledger.Skipped && r.Stopped:
					out.stopped++
					return
				}
				out.add(outcome{ID: r.ID, Outcome: r.ActResult, Kind: kind, GoesAt: r.GoesAt}, err)
			})
		})
		bar.stop()
		if err != nil {
			_ = out.finish() // what went so far; the error says why it ended
			return err
		}
		return out.finish()
	}
}

func (p *program) deadResolve(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		note := strings.TrimSpace(c.String("note"))
		switch {
		case !c.Args().Present():
			return usageError{errors.New("give the ids of the tasks to resolve")}
		case note == "":
			return usageError{errors.New("--note is required: say why nothing more has to happen")}
		}
		return p.outcomes(c, "resolved").each(ctx, l, c.Args().Slice(), notResolved, func(id string) (ledger.ActResult, error) {
			return l.Resolve(ctx, id, p.who(), note)
		})
	}
}

func (p *program) deadExport(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := liveFilter(c)
		if err != nil {
			return err
		}
		write, flush := func(l deadletter.Letter) error { return p.printJSON(l.Full()) }, func() error { return nil }
		switch format := c.String("format"); format {
		case "ndjson":
		case "csv":
			w := csv.NewWriter(p.out)
			if err := w.Write(csvHeader); err != nil {
				return err
			}
			write, flush = func(l deadletter.Letter) error { return w.Write(csvRow(l)) }, func() error { w.Flush(); return w.Error() }
		default:
			return usageError{fmt.Errorf("--format is %q; it must be ndjson or csv", format)}
		}
		total, err := l.Count(ctx, f)
		if err != nil {
			return err
		}
		bar := p.startBar("export", total)
		defer bar.stop()
		return p.lists(&f, func() error {
			for letter, err := range l.List(ctx, f) {
				if err == nil {
					err = write(letter)
				}
				if err != nil {
					return err
				}
				bar.step()
			}
			return flush()
		})
	}
}

var csvHeader = []string{
	"id", "type", "queue", "merchant_id", "kind", "http_status", "trans_code", "rtn_code", "rtn_msg", "reason", "reason_zh", "advice", "advice_zh",
	"died_at", "attempts", "state", "by", "payload", "payload_base64",
}

func csvRow(l deadletter.Letter) []string {
	full := l.Full()
	row := []string{
		l.ID, l.Type, l.Queue, l.MerchantID, l.Kind.String(), code(int64(l.HTTPStatus)), code(int64(l.TransCode)), code(l.RtnCode),
		l.RtnMsg, l.Reason, l.ReasonZh, l.Advice, l.AdviceZh, l.DiedAt.Format(time.RFC3339), strconv.Itoa(l.Attempts), l.State, l.By,
		string(full.Payload), base64Text(full.PayloadBase64),
	}
	for i, v := range row {
		switch csvHeader[i] {
		case "rtn_code", "trans_code":
		case "payload":
			row[i] = inert(string(clean.JSON([]byte(v))))
		default:
			row[i] = inert(clean.Text(v))
		}
	}
	return row
}
