package asynqx

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// SubscribeClient is the Redis client of asynq's Servers where SUBSCRIBE may be refused, by an
// ACL or by a proxy. Each Server subscribes to the tasks that are to be cancelled while they
// run, tries again after 5 seconds, and leaves the connection of a subscription that failed open
// for ever. SubscribeClient gives a Server only a subscription that Redis has confirmed.
type SubscribeClient struct {
	redisx.Wrapped

	tell    func(error)
	refused atomic.Int64 // when Redis last refused SUBSCRIBE, in nanoseconds
}

// NewSubscribeClient returns a client over rdb. refused is told of Redis' refusal, once
// a minute at most.
func NewSubscribeClient(rdb redis.UniversalClient, refused func(error)) *SubscribeClient {
	return &SubscribeClient{Wrapped: redisx.Wrapped{UniversalClient: rdb}, tell: refused}
}

const (
	// subscribeWait bounds the wait for Redis' word.
	subscribeWait = 5 * time.Second
	// subscribeAgain is how long Redis' refusal counts.
	subscribeAgain = time.Minute
)

// Subscribe returns a subscription whose channels Redis has confirmed, or one that is closed and
// has no connection, of which asynq is told an error.
func (c *SubscribeClient) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	if time.Since(time.Unix(0, c.refused.Load())) < subscribeAgain {
		return c.closed(ctx)
	}
	s := c.UniversalClient.Subscribe(ctx, channels...)
	_, err := s.ReceiveTimeout(ctx, subscribeWait)
	if err == nil {
		err = s.Subscribe(ctx, channels...) // asynq waits for Redis' word too
	}
	if err == nil {
		return s
	}
	_ = s.Close()
	var answer redis.Error
	if errors.As(err, &answer) {
		before, now := c.refused.Load(), time.Now()
		if now.Sub(time.Unix(0, before)) >= subscribeAgain && c.refused.CompareAndSwap(before, now.UnixNano()) {
			c.tell(err)
		}
	}
	return c.closed(ctx)
}

func (c *SubscribeClient) closed(ctx context.Context) *redis.PubSub {
	s := c.UniversalClient.Subscribe(ctx) // without channels it opens no connection
	_ = s.Close()
	return s
}
