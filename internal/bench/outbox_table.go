package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks"
)

// startRelay relays in this process, as `ecpayq outbox relay` does.
func startRelay(o order) (ready, func(), error) {
	box, err := outboxOf(o)
	if err != nil {
		return ready{}, nil, err
	}
	log := zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	app.UseLogger(log)
	r, err := app.StartRelay(app.RelayConfig{
		Outbox: box, Enqueue: enqueue.Config{RedisURL: o.RedisURL, Interval: tasks.Every(o.Interval)},
		AdminAddr: "127.0.0.1:0", Logger: log,
	})
	if err != nil {
		return ready{}, nil, err
	}
	return ready{Admin: r.AdminAddr()}, func() { _ = r.Stop() }, nil
}

// outboxOf is the outbox of an order, without a database if it names none.
func outboxOf(o order) (app.Outbox, error) {
	if o.DatabaseURL == "" {
		return app.Outbox{}, nil
	}
	db, err := relay.ParseURL(o.DatabaseURL)
	return app.Outbox{Database: db, Listen: o.Listen}, err
}

// table is the outbox as a shop has it. It implements outbox.
type table struct {
	shop
	last int64
}

func newTable(ctx context.Context, s shop) (outbox, error) {
	text, err := relay.Schema(s.kind, relay.SchemaOptions{Notify: s.notify})
	if err != nil {
		return nil, err
	}
	_, err = s.db.ExecContext(ctx, text)
	return &table{shop: s}, err
}

// parameter is the i-th of a statement, from 1.
func (t *table) parameter(i int) string {
	if t.kind == "postgres" {
		return fmt.Sprintf("$%d", i)
	}
	return "?"
}

// insert inserts intents by one statement.
func (t *table) insert(ctx context.Context, tx *sql.Tx, list iter.Seq[int]) error {
	var values []string
	var args []any
	for i := range list {
		var text strings.Builder
		if err := writeIntent(&text, i); err != nil {
			return err
		}
		args = append(args, text.String())
		values = append(values, "("+t.parameter(len(args))+")")
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO ecpayq_outbox (intent) VALUES "+strings.Join(values, ", "), args...)
	return err
}

// committed commits what f does.
func (t *table) committed(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(fmt.Errorf("insert intents: %w", err), tx.Rollback())
	}
	return tx.Commit()
}

func (t *table) fill(ctx context.Context, n int) error {
	if err := t.committed(ctx, func(tx *sql.Tx) error {
		const each = 1_000
		for from := 0; from < n; from += each {
			if err := t.insert(ctx, tx, intents(min(each, n-from), func(k int) int { return of(0, from+k) })); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return t.db.QueryRowContext(ctx, "SELECT max(id) FROM ecpayq_outbox").Scan(&t.last)
}

func (t *table) commit(ctx context.Context, i int) error {
	return t.committed(ctx, func(tx *sql.Tx) error { return t.insert(ctx, tx, slices.Values([]int{i})) })
}

// drained looks at the last row first: all of them are counted once it is gone.
func (t *table) drained(ctx context.Context) (bool, error) {
	left := 0
	const count = "SELECT count(*) FROM ecpayq_outbox"
	if err := t.db.QueryRowContext(ctx, count+" WHERE id = "+t.parameter(1), t.last).Scan(&left); err != nil || left > 0 {
		return false, err
	}
	err := t.db.QueryRowContext(ctx, count).Scan(&left)
	return left == 0, err
}

// Close implements io.Closer.
func (t *table) Close() error { return nil }
