package outbox_test

import (
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/ecpayq/ecpayq/enqueue/outbox"
)

// What the documentation of the package warns of. It can be taken out there when this fails.
func TestAfterADeadlockOfMySQLARowIsCommittedByItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mysql", "")
	b.exec("CREATE TABLE orders (tsr varchar(30) PRIMARY KEY, state varchar(10)); INSERT INTO orders VALUES ('A', ''), ('B', '')")
	one, err := b.shop.BeginTx(t.Context(), nil)
	b.must(err)
	other, err := b.shop.BeginTx(t.Context(), nil)
	b.must(err)
	_, err = one.ExecContext(t.Context(), "UPDATE orders SET state = 'paid' WHERE tsr = 'A'")
	b.must(err)
	_, err = other.ExecContext(t.Context(), "UPDATE orders SET state = 'paid' WHERE tsr = 'B'")
	b.must(err)
	waits := make(chan error, 1)
	go func() {
		_, err := other.ExecContext(t.Context(), "UPDATE orders SET state = 'paid' WHERE tsr = 'A'")
		waits <- err
	}()
	_, err = one.ExecContext(t.Context(), "UPDATE orders SET state = 'paid' WHERE tsr = 'B'")
	victim, winner := one, other
	if err == nil {
		victim, winner = other, one
		err = <-waits
	} else {
		b.must(<-waits)
	}
	if my, ok := errors.AsType[*mysql.MySQLError](err); !ok || my.Number != 1213 {
		t.Fatalf("got %v, want a deadlock", err)
	}
	b.must(winner.Rollback())
	b.must(outbox.Add(t.Context(), victim, trigger("ALONE"), outbox.MySQL))
	b.must(victim.Rollback())
	var paid int
	b.must(b.shop.QueryRowContext(t.Context(), "SELECT count(*) FROM orders WHERE state = 'paid'").Scan(&paid))
	if n := b.rows(); n != 1 || paid != 0 {
		t.Errorf("%d rows and %d paid orders are there, want the row alone", n, paid)
	}
}
