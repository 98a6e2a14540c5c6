package relay

import (
	"context"
	"database/sql"
	"errors"
	"math"
)

// Health is what a look at the database shows.
type Health struct {
	// Server is what the database calls itself.
	Server string
	State
	// Encoding is that of PostgreSQL's text, empty for MySQL, whose columns have their own.
	Encoding string
	// Wakes means that there is a trigger by which commits wake the relay.
	Wakes bool
	// Hidden means that policies of PostgreSQL may hide rows from the relay, which nobody is told of then.
	Hidden bool
	// Table is its name with its schema, and Others are how many there are of the same name in other schemas.
	Table  string
	Others int
	// Durable means that what is committed outlives a crash, and that what is rolled back is gone.
	Durable bool
	// Types says which columns have other types than those of the schema.
	Types string
}

// Check does what a claim does, on no row and rolled back: it fails where a relay would.
func (a *Admin) Check(ctx context.Context) (h Health, err error) {
	if err := a.db.QueryRowContext(ctx, "SELECT version()").Scan(&h.Server); err != nil {
		return h, failed("reach the database", err)
	}
	tx, err := a.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return h, failed("begin a claim", err)
	}
	defer func() { _ = tx.Rollback() }()
	if a.d.begin != "" {
		if _, err := tx.ExecContext(ctx, a.d.begin); err != nil {
			return h, failed("begin a claim", err)
		}
	}
	if _, err := a.d.claimRows(ctx, tx, math.MaxInt64-1, 1, 1); err != nil {
		return h, failed("claim rows", err)
	}
	text, args := a.d.remove([]int64{-1})
	if _, err := tx.ExecContext(ctx, text, args...); err != nil {
		return h, failed("delete rows", err)
	}
	if err := a.d.write(ctx, tx, []keptError{{ID: -1}}); err != nil {
		return h, failed("keep the error of a row", err)
	}
	if err := tx.Rollback(); err != nil {
		return h, failed("end a claim", err)
	}
	h.State, err = a.State(ctx)
	if err == nil {
		err = a.about(ctx, &h)
	}
	return h, err
}

func (a *Admin) about(ctx context.Context, h *Health) error {
	row := a.db.QueryRowContext(ctx, a.d.about)
	if err := row.Scan(&h.Wakes, &h.Encoding, &h.Hidden, &h.Table, &h.Others, &h.Durable, &h.Types); err != nil {
		return failed("look at the table", err)
	}
	return nil
}

// ErrHidden means that policies of PostgreSQL may hide rows: what is not seen is neither relayed nor told.
var ErrHidden = errors.New("policies of the table (row-level security) may hide rows from this user")

// Whole returns [ErrHidden] where rows may be hidden.
func (a *Admin) Whole(ctx context.Context) error {
	var h Health
	err := a.about(ctx, &h)
	if err == nil && h.Hidden {
		err = ErrHidden
	}
	return err
}
