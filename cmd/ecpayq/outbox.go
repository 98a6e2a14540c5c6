package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks/ledger"
)

func (p *program) outboxCommand() *cli.Command {
	database := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{p.cfg.FlagOf("ECPAYQ_OUTBOX_URL"), p.cfg.FlagOf("ECPAYQ_OUTBOX_URL_FILE"), jsonFlag()}, more...)
	}
	acts := func(more ...cli.Flag) []cli.Flag { return append(database(p.cfg.Flags(config.Reader)...), more...) }
	return &cli.Command{
		Name: "outbox", Usage: "relay intents that a shop commits with its order in a table of its own database",
		Description: "The table ecpayq_outbox is in the database of ECPAYQ_OUTBOX_URL. docs/outbox.md says how a shop uses it.",
		Commands: []*cli.Command{
			p.outboxSchemaCommand(),
			p.outboxRelayCommand(),
			{
				Name: "list", Usage: "list the rows that are wrong, with why",
				Flags: database(&config.BoolFlag{Name: "all", Usage: "the rows that wait to be relayed, too"}), Action: p.outbox(p.outboxList),
			},
			{
				Name: "retry", ArgsUsage: "ID…", Usage: "have rows that are wrong relayed again, once what was wrong is mended",
				Flags: acts(&config.BoolFlag{Name: "all", Usage: "all of them"}), Action: p.outbox(p.outboxRetry),
			},
			{
				Name: "discard", ArgsUsage: "ID…", Usage: "delete rows that are wrong, at your word: what they ask for is never done",
				Flags: acts(&cli.StringFlag{Name: "note", Usage: "why, for the audit; required"}), Action: p.outbox(p.outboxDiscard),
			},
			p.outboxVerifyCommand(),
		},
	}
}

func (p *program) outboxSchemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the SQL that makes the table",
		Description: "PostgreSQL 13, MySQL 8.0.11 or MariaDB 10.6, or newer. Without --producer and --relay the grants are comments.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "database", Usage: "postgres or mysql, which is for MariaDB too"},
			&cli.StringFlag{Name: "producer", Usage: "the database user of the shop, who may insert then"},
			&cli.StringFlag{Name: "relay", Usage: "the database user of the relay, who may claim then"},
			&config.BoolFlag{Name: "notify", Usage: "a trigger by which a commit wakes the relay at once (PostgreSQL)"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			if c.String("database") == "" {
				return usageError{errors.New("--database is required: postgres or mysql")}
			}
			text, err := relay.Schema(c.String("database"), relay.SchemaOptions{
				Producer: c.String("producer"), Relay: c.String("relay"), Notify: c.Bool("notify"),
			})
			if err != nil {
				return usageError{err}
			}
			fmt.Fprint(p.out, text)
			return nil
		},
	}
}

func (p *program) outboxRelayCommand() *cli.Command {
	flags := append(p.cfg.Flags(config.Producer), jsonFlag(),
		&config.BoolFlag{Name: "once", Usage: "relay what is there, and end; exit code 1 where a row is wrong"})
	for _, env := range []string{
		"ECPAYQ_OUTBOX_URL", "ECPAYQ_OUTBOX_URL_FILE", "ECPAYQ_OUTBOX_POLL", "ECPAYQ_OUTBOX_LISTEN", "ECPAYQ_CONFIG",
		"ECPAYQ_MERCHANT_ID", "ECPAYQ_MERCHANT_ID_FILE", "ECPAYQ_ADMIN_ADDR", "ECPAYQ_LOG_LEVEL", "ECPAYQ_LOG_FORMAT",
	} {
		flags = append(flags, p.cfg.FlagOf(env))
	}
	return &cli.Command{
		Name: "relay", Usage: "carry rows of the table into Redis until SIGTERM; a worker does so too, by ECPAYQ_OUTBOX_URL",
		Description: "Any number may run side by side. It needs no keys of ECPay's. Where merchants are configured, rows of others are\n" +
			"wrong; SIGHUP reads them again.",
		Flags: flags, Action: p.relayOutbox,
	}
}

func (p *program) relayConfig(c *cli.Command) (cfg app.RelayConfig, err error) {
	log, redisURL, err := p.process(c)
	if err != nil {
		return cfg, err
	}
	if err := errors.Join(p.cfg.CheckMerchantInterval(), p.cfg.CheckOutboxPoll()); err != nil {
		return cfg, usageError{err}
	}
	db, err := p.outboxDatabase()
	if err != nil {
		return cfg, err
	}
	file, err := p.cfg.API() // the intervals of merchants, and no keys
	if err != nil {
		return cfg, err
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return cfg, err
	}
	cfg = app.RelayConfig{
		Outbox:  app.Outbox{Database: db, Poll: p.cfg.OutboxPoll, Listen: p.cfg.OutboxListen},
		Enqueue: enqueue.Config{RedisURL: redisURL, Retention: p.cfg.Retention, Confirm: p.confirm(), Interval: file.Interval, PayloadKeys: keys},
		Logger:  log, Version: version, AdminAddr: p.cfg.AdminAddr,
	}
	for _, text := range config.Exposed([]config.SecretFile{
		{Name: "ECPAYQ_REDIS_URL_FILE", Path: p.cfg.RedisURLFile}, {Name: "ECPAYQ_OUTBOX_URL_FILE", Path: p.cfg.OutboxURLFile},
		{Name: "ECPAYQ_PAYLOAD_KEY_FILE", Path: p.cfg.PayloadKeyFile},
	}) {
		log.Warn().Msg(text)
	}
	return cfg, nil
}

// knownMerchants are those of the configuration.
type knownMerchants struct {
	cfg *config.Config
	ids atomic.Pointer[map[string]bool]
}

// read reads them; with an error the old ones stay.
func (k *knownMerchants) read() error {
	ids, err := k.cfg.MerchantIDs()
	if err == nil {
		k.ids.Store(&ids)
	}
	return err
}

// has reports whether a merchant is known; where none is configured, all are.
func (k *knownMerchants) has(id string) bool {
	ids := *k.ids.Load()
	return ids == nil || ids[id]
}

func (p *program) relayOutbox(ctx context.Context, c *cli.Command) error {
	known := &knownMerchants{cfg: p.cfg}
	cfg, err := p.relayConfig(c)
	if err == nil {
		err = known.read()
	}
	if err != nil {
		return err
	}
	cfg.Known = known.has
	app.UseLogger(cfg.Logger)
	if c.Bool("once") {
		return p.relayOnce(ctx, c, cfg)
	}
	r, err := app.StartRelay(cfg)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.reload:
			if err := errors.Join(known.read(), p.takePayloadKeys(cfg.Enqueue.PayloadKeys)); err != nil {
				cfg.Logger.Error().Err(err).Msg("merchants and payload keys not read again; what could not be read stays")
				continue
			}
			cfg.Logger.Info().Msg("merchants and payload keys were read again")
		}
	}
	cfg.Logger.Info().Msg("draining")
	err = r.Stop()
	cfg.Logger.Info().Msg("stopped")
	return err
}

// relayed is what relay --once did.
type relayed struct {
	Stored    int `json:"stored"`
	Replaced  int `json:"replaced,omitempty"`
	Duplicate int `json:"duplicate"`
	Wrong     int `json:"wrong"`
}

func (p *program) relayOnce(ctx context.Context, c *cli.Command, cfg app.RelayConfig) error {
	if cfg.Logger.GetLevel() < zerolog.WarnLevel {
		cfg.Logger = cfg.Logger.Level(zerolog.WarnLevel)
	}
	claim, err := app.RelayOnce(ctx, cfg)
	did := relayed{claim.Stored, claim.Replaced, claim.Duplicate, claim.WrongRows()}
	if p.wantsTable(c) {
		p.say("stored %d, replaced %d, duplicate %d, wrong %d / 已存入 %d，取代 %d，重複 %d，有誤 %d",
			did.Stored, did.Replaced, did.Duplicate, did.Wrong, did.Stored, did.Replaced, did.Duplicate, did.Wrong)
	} else if err := p.printJSON(did); err != nil {
		return err
	}
	switch {
	case err != nil:
		return outboxHint(cfg.Outbox.Database, err)
	case did.Wrong > 0:
		return &config.Hint{Err: fmt.Errorf("%d rows are wrong", did.Wrong), Text: "ecpayq outbox list says why"}
	}
	return nil
}

func (p *program) outboxDatabase() (*relay.Database, error) {
	db, err := p.cfg.Outbox()
	if err == nil && db == nil {
		err = config.ErrNoOutbox
	}
	return db, err
}

// outbox runs an action with the table.
func (p *program) outbox(f func(context.Context, *cli.Command, *relay.Admin) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		database, err := p.outboxDatabase()
		if err != nil {
			return err
		}
		for _, text := range database.Warnings {
			p.say("%s", text)
		}
		db, err := database.Open()
		if err != nil {
			return err
		}
		defer db.Close()
		if err := f(ctx, c, relay.NewAdmin(database, db)); err != nil {
			return outboxHint(database, err)
		}
		return nil
	}
}

func (p *program) outboxList(ctx context.Context, c *cli.Command, a *relay.Admin) error {
	if err := noArgs(c); err != nil {
		return err
	}
	var rows []table.Row
	err := a.List(ctx, c.Bool("all"), func(r relay.Row) error {
		if !p.wantsTable(c) {
			return p.printJSON(r)
		}
		if len(rows) == tableRows {
			return errMore
		}
		rows = append(rows, table.Row{r.ID, taipei(&r.CreatedAt), r.TaskID, r.Attempts, r.Error, r.ErrorZh})
		return nil
	})
	more := errors.Is(err, errMore)
	if more {
		err = nil
	}
	switch {
	case err != nil || !p.wantsTable(c):
	case len(rows) == 0 && c.Bool("all"):
		p.say("the table is empty / 資料表是空的")
	case len(rows) == 0:
		p.say("no row is wrong / 沒有有誤的資料")
	default:
		p.printTable(table.Row{"row", "inserted (Asia/Taipei)", "task", "attempts", "error", "錯誤"}, rows)
	}
	if more {
		p.say("these are the first %d; --json prints all / 僅列出前 %d 筆，--json 可列出全部", tableRows, tableRows)
	}
	return err
}

// tableRows bounds a table, which is drawn when all of its rows are known.
const tableRows = 1000

var errMore = errors.New("there are more rows")

// rowIDs are the arguments.
func rowIDs(c *cli.Command) ([]int64, error) {
	var ids []int64
	for _, text := range c.Args().Slice() {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, usageError{fmt.Errorf("%q is not the id of a row; ecpayq outbox list shows them", text)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *program) auditOutbox(ctx context.Context, act, note string) error {
	return p.withRedis(func(rdb redis.UniversalClient) error {
		return ledger.Audit(ctx, rdb, ledger.AuditEntry{Who: p.who(), What: act, Note: note})
	})
}

func (p *program) outboxRetry(ctx context.Context, c *cli.Command, a *relay.Admin) error {
	ids, err := rowIDs(c)
	switch {
	case err != nil:
		return err
	case c.Bool("all") == (len(ids) > 0):
		return usageError{errors.New("give the ids of rows, or --all; ecpayq outbox list shows them")}
	}
	what := "all"
	if len(ids) > 0 {
		what = strings.Join(c.Args().Slice(), " ")
	}
	if err := p.auditOutbox(ctx, ledger.ActReplay, "outbox "+what); err != nil {
		return err
	}
	var n int64
	if c.Bool("all") {
		n, err = a.RetryAll(ctx)
	} else {
		n, err = eachRow(ctx, ids, a.Retry)
	}
	if p.wantsTable(c) {
		p.say("%d rows are relayed again / %d 筆將重新送入", n, n)
		return err
	}
	return errors.Join(p.printJSON(map[string]any{"retried": n}), err)
}

// eachRow does something with each row, and goes on where one cannot be done.
func eachRow(ctx context.Context, ids []int64, do func(context.Context, int64) error) (done int64, err error) {
	for _, id := range ids {
		switch bad := do(ctx, id); {
		case errors.Is(bad, relay.ErrNoRow):
			err = errors.Join(err, bad)
		case bad != nil:
			return done, errors.Join(err, bad)
		default:
			done++
		}
	}
	return done, err
}

func (p *program) outboxDiscard(ctx context.Context, c *cli.Command, a *relay.Admin) error {
	ids, err := rowIDs(c)
	switch {
	case err != nil:
		return err
	case len(ids) == 0:
		return usageError{errors.New("give the ids of rows; ecpayq outbox list shows them")}
	case strings.TrimSpace(c.String("note")) == "":
		return usageError{errors.New("--note is required: say why they are not wanted any more")}
	}
	if err := p.auditOutbox(ctx, ledger.ActResolve, "outbox "+strings.Join(c.Args().Slice(), " ")+": "+c.String("note")); err != nil {
		return err
	}
	n, err := eachRow(ctx, ids, a.Discard)
	if p.wantsTable(c) {
		p.say("%d rows are deleted / 已刪除 %d 筆", n, n)
		return err
	}
	return errors.Join(p.printJSON(map[string]any{"discarded": n}), err)
}

// outboxHint says what a person can do about an error of the database.
func outboxHint(db *relay.Database, err error) error {
	var usage usageError
	if errors.As(err, &usage) || errors.Is(err, context.Canceled) {
		return err
	}
	if hint := db.Hint(err); !hint.IsZero() {
		return &config.Hint{Err: err, Text: hint.Both()}
	}
	return err
}
