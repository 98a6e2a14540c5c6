package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker"
)

func (p *program) workerCommand() *cli.Command {
	return &cli.Command{
		Name: "worker", Usage: "carry tasks to ECPay until SIGTERM; SIGHUP reads keys, merchants and webhooks again",
		Flags: p.cfg.Flags("worker"),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return p.work(ctx)
		},
	}
}

func (p *program) logger() (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(p.cfg.LogLevel)
	if err != nil || p.cfg.LogLevel == "" {
		return zerolog.Nop(), usageError{fmt.Errorf("ECPAYQ_LOG_LEVEL is %q; it must be debug, info, warn or error", p.cfg.LogLevel)}
	}
	w := clean.Writer(p.err)
	if p.cfg.LogFormat == "console" {
		w = zerolog.ConsoleWriter{
			Out: p.err, TimeFormat: time.DateTime, TimeLocation: ecpay.Taipei, NoColor: !isTerminal(p.err),
			FormatPrepare: func(fields map[string]any) error {
				clean.Value(fields)
				return nil
			},
		}
	}
	return zerolog.New(w).Level(level).Hook(stamp{}), nil
}

// stamp says when, in the zone of every time that is told.
type stamp struct{}

// Run implements [zerolog.Hook].
func (stamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Time(zerolog.TimestampFieldName, time.Now().In(ecpay.Taipei))
}

// hardEnd is how long after the shutdown timeout the process ends whatever
// still runs.
const hardEnd = 10 * time.Second

func (p *program) work(ctx context.Context) error {
	log, err := p.logger()
	if err != nil {
		return err
	}
	if err := p.cfg.Validate(); err != nil {
		return usageError{err}
	}
	dir, err := p.cfg.Open()
	if err != nil {
		return err
	}
	base, err := p.cfg.BaseURL()
	if err != nil {
		return err
	}
	redisURL, err := p.cfg.ResolveRedisURL()
	if err != nil {
		return err
	}
	for _, text := range slices.Concat(p.cfg.Warnings(), config.Exposed(p.cfg.SecretFiles())) {
		log.Warn().Msg(text)
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	page, err := p.cfg.Page()
	if err != nil {
		return err
	}
	endpoints, err := p.cfg.Webhooks()
	if err != nil {
		return err
	}
	database, err := p.cfg.Outbox()
	if err != nil {
		return err
	}
	app.UseLogger(log)
	provider, err := p.traces.complainTo(log).open(ctx)
	if err != nil {
		return err
	}
	defer p.traces.flush(ctx)
	w, err := app.StartWorker(app.WorkerConfig{
		Traces:      provider,
		Connections: p.connections(), LoadingTimeout: p.cfg.RedisLoadingTimeout, Interrupted: ctx.Done(),
		RedisURL: redisURL, BaseURL: base, Keys: dir, Merchants: dir.All, Codes: dir.Codes, HTTPTimeout: p.cfg.HTTPTimeout,
		Worker: worker.Config{
			Confirm: p.confirm(), Policy: p.cfg.Policy(), Egress: p.cfg.Egress, EgressRate: float64(p.cfg.EgressRate),
			Concurrency: p.cfg.Concurrency, TaskTimeout: p.cfg.TaskTimeout,
			ShutdownTimeout: p.cfg.ShutdownMax, Retention: p.cfg.Retention, FinishTTL: p.cfg.FinishTTL,
			OutcomeRetention: p.cfg.OutcomeRetention, PayloadKeys: keys, FetchInvoice: p.cfg.FetchInvoice,
		},
		AdminAddr: p.cfg.AdminAddr, MetricsByMerchant: p.cfg.MetricsByMerchant, Logger: log, Version: version,
		Schedules: page.Schedules, Interval: page.Interval, Webhooks: endpoints,
		Outbox: app.Outbox{Database: database, Poll: p.cfg.OutboxPoll, Listen: p.cfg.OutboxListen},
	})
	switch {
	case errors.Is(err, context.Canceled): // before it ran
		log.Info().Msg("stopped")
		return nil
	case err != nil:
		return err
	}
	p.reloadUntil(ctx, dir, keys, w, log)

	log.Info().Stringer("timeout", p.cfg.ShutdownMax).Msg("draining")
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop() }()
	select {
	case err := <-stopped:
		log.Info().Msg("stopped")
		return err
	case <-time.After(p.cfg.ShutdownMax + hardEnd):
		return fmt.Errorf("stopping took more than %s; unfinished tasks come back when their lease ends", p.cfg.ShutdownMax+hardEnd)
	}
}

// reloadUntil reads keys, merchants and webhooks again on every SIGHUP, until ctx ends.
func (p *program) reloadUntil(ctx context.Context, dir *config.Directory, keys *seal.Ring, w *app.Worker, log zerolog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.reload:
			endpoints, err := p.cfg.Webhooks()
			if err == nil {
				err = dir.Reload()
			}
			if err == nil {
				err = p.takePayloadKeys(keys)
			}
			if err != nil {
				log.Error().Err(err).Msg("configuration not reloaded, the old one stays")
				continue
			}
			if err := w.SetWebhooks(endpoints); err != nil {
				log.Error().Err(err).Msg("webhooks not begun; SIGHUP tries again")
			}
			for _, text := range config.Exposed(p.cfg.SecretFiles()) {
				log.Warn().Msg(text)
			}
			log.Info().Int("merchants", dir.Len()).Msg("configuration reloaded")
		}
	}
}
