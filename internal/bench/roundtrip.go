package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// added is what a round trip to Redis takes longer than on this machine alone.
const added = time.Millisecond

// measureRoundTrip is measureThroughput with a Redis that is farther away for the
// workers; tasks are enqueued from near.
func measureRoundTrip(ctx context.Context, l *lab) ([]Line, error) {
	servers, err := l.ourServers(ctx)
	if err != nil {
		return nil, err
	}
	run := func(s side) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			return l.in(ctx, everysec, func(w *world) (_ map[string]float64, err error) {
				p, err := l.start(ctx, partDelay, order{RedisURL: w.redis.URL(), Delay: added})
				if err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, p.stop()) }()
				trip, err := roundTrip(ctx, p.URL)
				if err != nil {
					return nil, err
				}
				o := w.order(s)
				o.RedisURL = p.URL
				numbers, err := w.carry(ctx, s, l.sizes.roundTrip, o)
				if err == nil {
					numbers["trip"] = trip
				}
				return numbers, err
			})
		}
	}
	m, err := l.alternate(ctx, "", sides(run, servers)...)
	if err != nil {
		return nil, err
	}
	against := plain
	if servers > 1 {
		against = plainAs(servers)
	}
	return []Line{
		m.line("rate", "instant ECPay, 1 ms added to each round trip", "/s", atLeast(4).times(plain), atLeast(0.75).times(against)),
		m.line("trip", "a round trip to Redis, as measured", "ms"),
	}, nil
}

// roundTrip is the median time of a PING, in milliseconds.
func roundTrip(ctx context.Context, redisURL string) (float64, error) {
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		return 0, err
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	var took []float64
	for range 50 {
		start := time.Now()
		if err := rdb.Ping(ctx).Err(); err != nil {
			return 0, fmt.Errorf("ping through the proxy: %w", err)
		}
		took = append(took, float64(time.Since(start))/float64(time.Millisecond))
	}
	return median(took), nil
}
