package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// subscribingClient is the Redis client of asynq's Servers where SUBSCRIBE may be refused, by
// an ACL or by a proxy. Each Server subscribes to the tasks that are to be cancelled while
// they run, tries again after 5 seconds, and in asynq v0.26 leaves the connection of a
// subscription that failed open for ever. Here a Server gets none that was not confirmed.
type subscribingClient struct {
	redis.UniversalClient

	log zerolog.Logger

	refused atomic.Int64 // when Redis did so last, in nanoseconds
}

const (
	// subscribeWait bounds the wait for Redis' word.
	subscribeWait = 5 * time.Second
	// subscribeAgain is how long Redis' refusal counts.
	subscribeAgain = time.Minute
)

// Subscribe returns a subscription whose channels Redis has confirmed, or one that is closed and
// has no connection, of which asynq is told an error.
func (c *subscribingClient) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
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
		c.refused.Store(time.Now().UnixNano())
		c.log.Warn().Err(err).Msg("redis refuses SUBSCRIBE: a task that runs cannot be cancelled on asynq's pages; all else works")
	}
	return c.closed(ctx)
}

func (c *subscribingClient) closed(ctx context.Context) *redis.PubSub {
	s := c.UniversalClient.Subscribe(ctx) // to nothing, by no connection
	_ = s.Close()
	return s
}
