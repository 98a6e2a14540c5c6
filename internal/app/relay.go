package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/relay"
)

// Outbox is the table of a shop's database from which intents are relayed.
type Outbox struct {
	// Database is nil for none.
	Database *relay.Database
	// Poll and Listen are those of [relay.Config].
	Poll   time.Duration
	Listen bool
}

// outbox is what relays.
type outbox struct {
	relay  *relay.Relay
	client *enqueue.Client
	status redis.UniversalClient // nil where another one is used
}

// outboxFiles are what a relay wants: four connections to its database and one that listens, and those
// of a client of Redis that stores a few chunks at once.
func outboxFiles(o Outbox) int {
	if o.Database == nil {
		return 0
	}
	return 5 + 24
}

// openOutbox makes a relay that does not run yet. Its client gives up soon: a row stays where it is.
// Where the table stands is told to status, nil for nobody.
func openOutbox(
	o Outbox, client enqueue.Config, known func(string) bool, status redis.UniversalClient, reg prometheus.Registerer, log zerolog.Logger,
) (*outbox, error) {
	for _, text := range o.Database.Warnings {
		log.Warn().Msg(text)
	}
	c, err := enqueue.New(client)
	if err != nil {
		return nil, err
	}
	var m *relay.Metrics
	r, err := relay.New(relay.Config{
		Database: o.Database, Client: c, Known: known, Poll: o.Poll, Listen: o.Listen, Logger: log, Status: status,
		Observe: func(claim relay.Claim, err error) { m.Claim(claim, err) },
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	b := &outbox{relay: r, client: c}
	if m, err = relay.NewMetrics(reg, relay.NewAdmin(o.Database, r.DB())); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *outbox) stop() error {
	err := errors.Join(b.relay.Stop(), b.client.Close())
	if b.status != nil {
		err = errors.Join(err, b.status.Close())
	}
	return err
}

// openStatusRedis opens a client for a few words now and then.
func openStatusRedis(url string) (redis.UniversalClient, error) {
	o, err := promptRedis(url)
	if err != nil {
		return nil, err
	}
	o.PoolSize = 2
	return redis.NewUniversalClient(o), nil
}

// RelayConfig is what a process that only relays is made of.
type RelayConfig struct {
	Outbox Outbox
	// Enqueue is that of the client by which intents are stored; RedisURL says where.
	Enqueue enqueue.Config
	// Known says whether there are keys of a merchant; nil asks nobody.
	Known     func(merchantID string) bool
	AdminAddr string
	Logger    zerolog.Logger
	Version   string
}

// Relay is a process that relays.
type Relay struct {
	outbox *outbox
	admin  *admin
}

// StartRelay starts it. On an error nothing is left running.
func StartRelay(cfg RelayConfig) (*Relay, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	status, err := openStatusRedis(cfg.Enqueue.RedisURL)
	if err != nil {
		return nil, err
	}
	b, err := openOutbox(cfg.Outbox, cfg.Enqueue, cfg.Known, status, reg, cfg.Logger)
	if err != nil {
		return nil, errors.Join(err, status.Close())
	}
	b.status = status
	ready := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := b.relay.DB().PingContext(ctx); err != nil {
			return fmt.Errorf("the database of the outbox: %w", cmp.Or(context.Cause(ctx), err)) // a driver hides the deadline
		}
		return nil
	}
	a, err := startAdmin(cfg.AdminAddr, adminConns, reg, func() error { return nil }, ready, cfg.Logger)
	if err != nil {
		return nil, errors.Join(err, b.stop())
	}
	b.relay.Start()
	cfg.Logger.Info().Str("version", cfg.Version).Str("database", cfg.Outbox.Database.String()).Str("admin", a.addr).Msg("outbox is relayed")
	return &Relay{b, a}, nil
}

// AdminAddr is the address of the admin server, empty without one.
func (r *Relay) AdminAddr() string { return r.admin.addr }

// Stop ends after the claim that is under way.
func (r *Relay) Stop() error { return errors.Join(r.outbox.stop(), r.admin.stop()) }

// RelayOnce relays until nothing is left that can be.
func RelayOnce(ctx context.Context, cfg RelayConfig) (relay.Claim, error) {
	b, err := openOutbox(cfg.Outbox, cfg.Enqueue, cfg.Known, nil, prometheus.NewRegistry(), cfg.Logger)
	if err != nil {
		return relay.Claim{}, err
	}
	claim, err := b.relay.Once(ctx)
	return claim, errors.Join(err, b.stop())
}

// startOutbox relays within a worker, if there is a table.
func (w *Worker) startOutbox(cfg WorkerConfig, rdb redis.UniversalClient, reg prometheus.Registerer) error {
	if cfg.Outbox.Database == nil {
		return nil
	}
	known := func(id string) bool {
		_, err := cfg.Keys.Merchant(context.Background(), id)
		return err == nil
	}
	b, err := openOutbox(cfg.Outbox, enqueue.Config{
		RedisURL: cfg.RedisURL, Retention: cfg.Worker.Retention, Confirm: cfg.Worker.Confirm, Interval: cfg.Interval,
		PayloadKeys: cfg.Worker.PayloadKeys,
	}, known, rdb, reg, cfg.Logger.With().Str("component", "outbox").Logger())
	if err != nil {
		return err
	}
	w.onStop("relay of the outbox", b.stop)
	b.relay.Start()
	cfg.Logger.Info().Str("database", cfg.Outbox.Database.String()).Msg("outbox is relayed")
	return nil
}
