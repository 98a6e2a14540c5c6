// Package outbox stores an intent in a table of the shop's own database, within the transaction
// that writes the order: both are there afterwards or neither. A relay (`ecpayq outbox relay`, or
// a worker that has ECPAYQ_OUTBOX_URL) carries it to Redis, and a worker from there to ECPay. It
// is for shops that have PostgreSQL, MySQL or MariaDB and cannot afford to lose what package
// enqueue could not store because Redis was away, or the process ended, just after the commit.
//
// The table is made by the SQL that `ecpayq outbox schema` prints, in the database of the orders.
//
// The transaction is the caller's: [Add] inserts a row, and neither begins nor commits anything.
// The row counts once the transaction is committed. Until then no relay sees it, and after a
// rollback there is none.
//
// After an error of [Add] roll back, or the order would be there without its invoice. An
// [*ecpay.ValidationError], found by [errors.As], comes before anything is written: the order has
// to be mended first. After an error of the database do it all again, as a shop does for its order
// anyway, and after one of the commit too, of which nobody knows whether it was carried out.
//
// An error of another statement is the end of the transaction as well. PostgreSQL refuses the row
// then. MySQL and MariaDB do not after a deadlock (error 1213): everything is rolled back already,
// and the row is committed by itself, so that no rollback takes it away.
//
// To do it again is safe, for an intent is known by what it is about. A second row that asks for the same
// is a duplicate and goes away. One whose other fields differ stays, with an error at the row:
// the first one stands. `ecpayq outbox list` shows such rows.
package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
)

// Option changes one row. A [Database] is one, too.
type Option interface{ change(*row) }

type optionFunc func(*row)

func (f optionFunc) change(r *row) { f(r) }

// Database is an [Option] that says what database a transaction of database/sql belongs to, which
// it does not tell itself. Without one, [Add] asks SELECT VERSION() in the transaction, which
// takes as long as the insert. A transaction of pgx needs none.
type Database string

// The databases. They differ in how a parameter is written.
const (
	Postgres Database = "postgres"
	MySQL    Database = "mysql" // MariaDB, too
)

func (d Database) change(r *row) { r.database = d }

// ProcessAt keeps the task until t before it is first run. A part of a second is rounded up, so
// that the task is not early. t is before the year 9999, as that of [enqueue.ProcessAt].
func ProcessAt(t time.Time) Option {
	return optionFunc(func(r *row) {
		r.processAt, r.err = t.UTC(), nil
		if year := max(t.Year(), r.processAt.Year()); year > enqueue.LastYear {
			r.err = fmt.Errorf("ProcessAt is in the year %d; it must be before %d", year, enqueue.LastYear+1)
		}
	})
}

// ReplaceDead puts the task in the place of an earlier one that is dead, as [enqueue.ReplaceDead].
func ReplaceDead() Option { return optionFunc(func(r *row) { r.replaceDead = true }) }

// Add inserts an intent, a pointer to a payload like [enqueue.TriggerIssue], into the table of the
// database that tx belongs to. tx is
//
//   - a *sql.Tx, or what else has its ExecContext, as a transaction of sqlx: of GORM it is
//     tx.Statement.ConnPool, and of bun tx.Tx;
//   - a pgx.Tx.
//
// A *sql.Conn or *pgx.Conn within a transaction that was begun by BEGIN is right as well. A
// *sql.DB, a *pgxpool.Pool or a connection without a transaction commits the row by itself, which
// is right only where there is nothing that it has to be committed with.
//
// The fields of the payload are validated and normalised first, as [enqueue.Client.Enqueue] does:
// after an error of theirs or of the options nothing was written, and tx can be used. An error
// quotes no value of them; it wraps that of the driver.
func Add(ctx context.Context, tx any, p tasks.Payload, opts ...Option) error {
	var r row
	for _, o := range opts {
		o.change(&r)
	}
	insert, err := inserter(tx, r.database)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	intent, err := r.intent(p)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	if err := insert(ctx, intent); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}
