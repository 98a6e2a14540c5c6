package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

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
	case errors.As(err, &set) && set.Sealed != nil: // which is no mistake of the command line's
		return &config.Hint{Err: err, Text: "put the line with that key into ECPAYQ_PAYLOAD_KEY_FILE, below the first; " +
			"ecpayq keys status says which are missing"}
	case errors.As(err, &invalid), errors.As(err, &set), errors.Is(err, ledger.ErrOtherID):
		return usageError{errors.New(err.Error())} // of --set, not of a flag for each field
	case err != nil && !errors.As(err, &usage) && p.redis.caused(err):
		return fmt.Errorf("%w: %w", enqueue.ErrRedis, err)
	}
	return err
}

// withLedger runs f, unless parsing the command line made it an error.
func (p *program) withLedger(c *cli.Command, f func(*deadletter.Ledger) error) error {
	if err := p.checkKept(c); err != nil {
		return err
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	return p.withRedis(func(rdb redis.UniversalClient) error {
		return f(deadletter.New(deadletter.Config{
			Redis: rdb, PayloadKeys: keys, Retention: p.cfg.Retention, FinishTTL: p.cfg.FinishTTL, Interval: tasks.Every(p.cfg.MerchantInterval),
		}))
	})
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
