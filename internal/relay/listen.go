package relay

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// listen wakes the relay when a producer's commit is told by NOTIFY. It is no more than a poll that comes
// earlier: notifications are lost while the connection is away, and through PgBouncer none ever comes.
func (r *Relay) listen(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		start := time.Now()
		err := r.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > time.Minute {
			failures = 0
		}
		failures++
		if failures == 1 || failures%100 == 0 {
			r.cfg.Logger.Warn().Err(err).Msg("outbox is not listened to, but looked at every so often; it is tried again")
		}
		pause(ctx, backoff(failures, false), nil)
	}
}

func (r *Relay) listenOnce(ctx context.Context) error {
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := pgx.ConnectConfig(dial, r.cfg.Database.postgres.Copy())
	cancel()
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+Table); err != nil {
		return err
	}
	for {
		r.poke() // also for what was committed before we listened
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// poke ends a pause. Many of them are one.
func (r *Relay) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
