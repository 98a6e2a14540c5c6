package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/enqueue/outbox"
)

// The payment provider calls back, twice at times: the order is marked as paid, and the issue of
// its invoice is asked for, both or neither.
func Example() {
	paid := func(ctx context.Context, db *sql.DB, order string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // which does nothing after the commit
		if _, err := tx.ExecContext(ctx, `UPDATE orders SET state = 'paid' WHERE tsr = ?`, order); err != nil {
			return err
		}
		err = outbox.Add(ctx, tx, &enqueue.TriggerIssue{
			MerchantID: "2000132", Tsr: order,
			RelateNumber: order,  // by which the worker can ask ECPay
			DelayDay:     new(0), // as it was given to DelayIssue
		}, outbox.MySQL)
		if err != nil {
			return fmt.Errorf("order %s: %w", order, err)
		}
		return tx.Commit()
	}
	_ = paid
}

// With pgx there is no option for the database.
func ExampleAdd_pgx() {
	paid := func(ctx context.Context, conn *pgx.Conn, order string) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE orders SET state = 'paid' WHERE tsr = $1`, order); err != nil {
				return err
			}
			return outbox.Add(ctx, tx, &enqueue.TriggerIssue{MerchantID: "2000132", Tsr: order, RelateNumber: order, DelayDay: new(0)})
		})
	}
	_ = paid
}

// An order that may still change is given ten minutes.
func ExampleProcessAt() {
	placed := func(ctx context.Context, tx *sql.Tx, order string) error {
		return outbox.Add(ctx, tx, &enqueue.TriggerIssue{MerchantID: "2000132", Tsr: order},
			outbox.Postgres, outbox.ProcessAt(time.Now().Add(10*time.Minute)))
	}
	_ = placed
}
