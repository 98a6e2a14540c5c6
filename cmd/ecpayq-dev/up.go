package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker"
)

func upCommand(out, errw io.Writer) *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "start everything embedded, show every workflow, then keep serving",
		Flags: []cli.Flag{
			&config.BoolFlag{Name: "once", Usage: "end after the tour; exit code 0 only if all of it went as it should"},
			&config.BoolFlag{Name: "json", Usage: "with --once: print the results as JSON and nothing else"},
			&config.BoolFlag{Name: "verbose", Usage: "show the worker's log"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
			}
			once, asJSON := c.Bool("once"), c.Bool("json")
			if asJSON && !once {
				return usageError{errors.New("--json goes with --once")}
			}
			log := zerolog.Nop()
			if c.Bool("verbose") {
				log = zerolog.New(zerolog.ConsoleWriter{Out: errw, TimeFormat: time.TimeOnly}).With().Timestamp().Logger()
			}
			app.UseLogger(log)
			s, err := startStack(ctx, once, log)
			if err != nil {
				return err
			}
			defer s.stop()
			return s.up(ctx, out, once, asJSON)
		},
	}
}

// up is the tour and what follows it.
func (s *stack) up(ctx context.Context, out io.Writer, once, asJSON bool) error {
	narrator := out
	if asJSON {
		narrator = io.Discard
	}
	t := &tour{stack: s, p: newPrinter(narrator)}
	results, err := t.run(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printResultsJSON(out, results); err != nil {
			return err
		}
	} else {
		t.p.table(results)
	}
	if bad := failures(results); bad > 0 {
		return fmt.Errorf("%d of %d steps did not go as they should", bad, len(results))
	}
	if once {
		return nil
	}
	t.p.serving(s)
	<-ctx.Done()
	return nil
}

// stack is everything embedded.
type stack struct {
	redisKind string // for people
	redisURL  string
	fake      *fake
	worker    *app.Worker
	dashboard *app.Dashboard
	api       *app.API
	client    *enqueue.Client
	ecpay     *ecpay.Client
	merchant  *ecpay.Merchant
	cleanups  []func()
}

func (s *stack) stop() {
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		last()
	}
}

// startStack starts Redis, the fake, a worker and the dashboard. The ports are
// the usual ones where they are free, any others with once.
func startStack(ctx context.Context, once bool, log zerolog.Logger) (s *stack, err error) {
	s = &stack{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if err := s.startRedis(ctx); err != nil {
		return nil, err
	}
	if s.fake, err = startFake(pick("127.0.0.1:8990", once), ecpaytest.Config{Callback: callback(os.Stderr)}); err != nil {
		return nil, err
	}
	s.cleanups = append(s.cleanups, func() { _ = s.fake.Stop() })
	base, err := url.Parse(s.fake.URL())
	if err != nil {
		return nil, err
	}
	s.merchant, err = ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: ecpaytest.StageMerchantID,
		HashKey:    ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
	})
	if err != nil {
		return nil, err
	}
	nobodys := seal.Plaintext() // there is no data of anybody here
	if s.ecpay, err = ecpay.New(ecpay.Config{BaseURL: base}); err != nil {
		return nil, err
	}
	s.worker, err = app.StartWorker(app.WorkerConfig{
		RedisURL: s.redisURL, BaseURL: base, Keys: oneMerchant{s.merchant}, HTTPTimeout: 5 * time.Second,
		Worker: worker.Config{Policy: worker.Policy{BackoffBase: time.Second, BackoffMax: 2 * time.Second}, PayloadKeys: nobodys,
			FetchInvoice: true},
		AdminAddr: pick("127.0.0.1:8989", once), Logger: log, Version: version,
	})
	if err != nil {
		return nil, err
	}
	s.cleanups = append(s.cleanups, func() { _ = s.worker.Stop() })
	if s.dashboard, err = app.StartDashboard(app.DashboardConfig{
		RedisURL: s.redisURL, Addr: pick("127.0.0.1:8980", once), Page: dashboard.Config{Logger: log, PayloadKeys: nobodys},
	}); err != nil {
		return nil, err
	}
	s.cleanups = append(s.cleanups, func() { _ = s.dashboard.Stop() })
	nobody, err := auth.NewTokens(nil) // needs a token
	if err != nil {
		return nil, err
	}
	if s.api, err = app.StartAPI(app.APIConfig{
		Enqueue: enqueue.Config{RedisURL: s.redisURL, PayloadKeys: nobodys},
		Addr:    pick("127.0.0.1:8970", once), Tokens: nobody, Logger: log,
	}); err != nil {
		return nil, err
	}
	s.cleanups = append(s.cleanups, func() { _ = s.api.Stop() })
	if s.client, err = enqueue.New(enqueue.Config{RedisURL: s.redisURL}); err != nil {
		return nil, err
	}
	s.cleanups = append(s.cleanups, func() { _ = s.client.Close() })
	return s, nil
}

// startRedis prefers a real redis-server; without one on PATH, miniredis will do
// for a look.
func (s *stack) startRedis(ctx context.Context) error {
	srv, err := redistest.Start(ctx, redistest.Options{})
	if err == nil {
		s.redisKind, s.redisURL = "a real redis-server, appendonly yes, appendfsync always", srv.URL()
		s.cleanups = append(s.cleanups, func() { _ = srv.Stop() })
		return nil
	}
	if !errors.Is(err, redistest.ErrNotInstalled) {
		return err
	}
	mini, err := miniredis.Run()
	if err != nil {
		return err
	}
	s.redisKind, s.redisURL = "miniredis, in memory (no redis-server on PATH: apt-get install redis-server)", "redis://"+mini.Addr()+"/0"
	s.cleanups = append(s.cleanups, mini.Close)
	return nil
}

// pick returns addr if it is free and wanted, else a port of the system's choice.
func pick(addr string, once bool) string {
	const any = "127.0.0.1:0"
	if once {
		return any
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return any
	}
	_ = ln.Close()
	return addr
}

// oneMerchant is the stage merchant's keys.
type oneMerchant struct{ m *ecpay.Merchant }

// Merchant implements [worker.KeyProvider].
func (o oneMerchant) Merchant(_ context.Context, id string) (worker.Merchant, error) {
	if id != o.m.ID() {
		return worker.Merchant{}, fmt.Errorf("%w: %s", worker.ErrUnknownMerchant, id)
	}
	return worker.Merchant{Merchant: o.m}, nil
}
