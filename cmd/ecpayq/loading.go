package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
)

// commandLoading is how long a command that ends by itself waits for a Redis that is loading
// its data. It is less than people and calling programs wait.
const commandLoading = 10 * time.Second

// awaitLoaded waits a little for a Redis that is loading its data. What else is wrong with Redis is
// told by what the command does next.
func (p *program) awaitLoaded(ctx context.Context, redisURL string) error {
	o, err := enqueue.ParseRedisURL(redisURL)
	if err != nil {
		return err
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialTimeout, o.ReadTimeout = true, -1, time.Second, time.Second
	rdb := redis.NewUniversalClient(o)
	defer rdb.Close()
	return app.AwaitLoaded(ctx, rdb, commandLoading, func(l app.Loading) {
		p.say("%s; waiting up to %s", l, commandLoading)
	})
}

// connections are those of a worker, or of the dashboard.
func (p *program) connections() app.Connections {
	return app.Connections{Pool: p.cfg.RedisPool, Idle: p.cfg.RedisIdle, IdleTimeout: p.cfg.RedisIdleTimeout}
}
