package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/clean"
)

// Loading is how far a Redis is that loads its data into memory, which it does after a start
// and as a new replica. Meanwhile it answers next to nothing.
type Loading struct {
	// Percent of the data is loaded, and Left is Redis' estimate of the rest; -1 for not told.
	Percent float64
	Left    time.Duration
}

const (
	// loadingLook is how often it is asked whether it has loaded its data.
	loadingLook = 250 * time.Millisecond
	// loadingSay is how often it is said that it has not.
	loadingSay = 10 * time.Second
	// loadingAsk bounds one question. While Redis loads, it may be silent for some seconds too.
	loadingAsk = 5 * time.Second
)

// AwaitLoaded waits while Redis loads its data, for as long as limit, and says so: at
// once, and every 10 seconds. It returns nil when Redis loads nothing (any more), also when it cannot
// be reached or refuses for another reason, which is for others to tell. The error after the limit
// wraps [enqueue.ErrRedis]; that of a ctx that ends is its own.
func AwaitLoaded(ctx context.Context, rdb redis.UniversalClient, limit time.Duration, say func(Loading)) error {
	end := time.Now().Add(limit)
	var said time.Time
	var last error
	tick := time.NewTicker(loadingLook)
	defer tick.Stop()
	for {
		err := ask(ctx, rdb)
		switch {
		case redis.HasErrorPrefix(err, "LOADING"):
			last = err
		case last == nil || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded):
			return ctx.Err()
		}
		switch now := time.Now(); {
		case !now.Before(end):
			return fmt.Errorf("%w: after %s it is still loading its data: %w", enqueue.ErrRedis, clean.Duration(limit), last)
		case now.Sub(said) >= loadingSay:
			said = now
			say(progress(ctx, rdb))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ask(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, loadingAsk)
	defer cancel()
	return rdb.Ping(ctx).Err()
}

// progress asks how far it is; INFO is answered while Redis loads.
func progress(ctx context.Context, rdb redis.UniversalClient) Loading {
	ctx, cancel := context.WithTimeout(ctx, loadingAsk)
	defer cancel()
	l := Loading{-1, -1}
	info, err := rdb.Info(ctx, "persistence").Result()
	if err != nil {
		return l
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "loading_loaded_perc":
			l.Percent = n
		case name == "loading_eta_seconds":
			l.Left = time.Duration(n) * time.Second
		}
	}
	return l
}

// String says it to people.
func (l Loading) String() string {
	if l.Percent < 0 {
		return "redis is loading its data into memory"
	}
	return fmt.Sprintf("redis is loading its data into memory: %.0f %% done, about %s left", l.Percent, clean.Duration(max(0, l.Left)))
}

// loggedLoading says it in the log.
func loggedLoading(log zerolog.Logger, limit time.Duration) func(Loading) {
	return func(l Loading) {
		e := log.Warn().Stringer("limit", limit)
		if l.Percent >= 0 {
			e.Float64("loaded_percent", l.Percent).Stringer("left", max(0, l.Left))
		}
		e.Msg("redis is loading its data into memory; the start waits for it")
	}
}
