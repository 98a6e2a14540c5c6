package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// settled is how old a row is that should have been relayed.
const settled = time.Minute

// Late yields the rows that are neither relayed nor wrong although they are older than a minute.
func (a *Admin) Late(ctx context.Context, yield func(Row) error) error {
	now, err := a.now(ctx)
	if err != nil {
		return err
	}
	return a.each(ctx, false, true, func(r Row) error {
		if now.Sub(r.CreatedAt) < settled {
			return nil
		}
		return yield(r)
	})
}

// now is the database's clock, by which rows are dated.
func (a *Admin) now(ctx context.Context) (time.Time, error) {
	var seconds float64
	if err := a.db.QueryRowContext(ctx, a.d.now).Scan(&seconds); err != nil {
		return time.Time{}, failed("read the database's clock", err)
	}
	return time.UnixMicro(int64(seconds * 1e6)), nil
}

// Order is one for which there should be a task.
type Order struct {
	MerchantID string `json:"merchant_id"`
	Tsr        string `json:"tsr"`
	// RelateNumber is that of the delayed invoice, empty where the query does not give it.
	RelateNumber string `json:"relate_number,omitempty"`
}

// ErrOrders means that a query does not give what [Admin.Orders] needs.
var ErrOrders = errors.New("the query must give two columns, MerchantID and Tsr")

// readOrders is what fails with a query of the shop's.
const readOrders = "read orders"

// Orders yields what a query of the shop's gives: the columns MerchantID and Tsr, by these names or else
// the first and the second, and RelateNumber by its name. It runs in a transaction that may only read.
func (a *Admin) Orders(ctx context.Context, query string, yield func(Order) error) error {
	tx, err := a.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return failedIn(ctx, readOrders, err)
	}
	defer func() { _ = tx.Rollback() }()
	if a.d.orders != "" {
		if _, err := tx.ExecContext(ctx, a.d.orders); err != nil {
			return failedIn(ctx, readOrders, err)
		}
	}
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return failedIn(ctx, readOrders, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return failedIn(ctx, readOrders, err)
	}
	if len(names) < 2 {
		return ErrOrders
	}
	merchant, tsr, relate := 0, 1, -1
	for i, n := range names {
		switch strings.ReplaceAll(strings.ToLower(n), "_", "") {
		case "merchantid":
			merchant = i
		case "tsr":
			tsr = i
		case "relatenumber":
			relate = i
		}
	}
	if merchant == tsr {
		return ErrOrders
	}
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for n := 1; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return failedIn(ctx, readOrders+fmt.Sprintf(", of which %d is none", n), err)
		}
		if !values[merchant].Valid || !values[tsr].Valid {
			return fmt.Errorf("order %d: %w; one is NULL", n, ErrOrders)
		}
		o := Order{MerchantID: values[merchant].String, Tsr: values[tsr].String}
		if relate >= 0 {
			o.RelateNumber = values[relate].String
		}
		if err := yield(o); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return failedIn(ctx, readOrders, err)
	}
	return nil
}
