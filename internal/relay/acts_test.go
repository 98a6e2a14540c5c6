package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/relay"
)

// What a person does while another transaction has the row says that nothing was done, and nothing is done later.
func TestAnActOnALockedRowChangesNothingLater(t *testing.T) {
	both(t, func(b *bench) {
		b.insert(b.shop, "order 17")
		b.once(nil)
		id := b.rows(false)[0].ID
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		defer func() { _ = tx.Rollback() }()
		_, err = tx.ExecContext(b.Context(), "UPDATE ecpayq_outbox SET error_zh = 'x'")
		b.must(err)
		a := b.admin()
		err = a.Discard(b.Context(), id)
		if hint := b.database.Hint(err).En; !strings.Contains(hint, "nothing was changed") {
			b.Errorf("got %v with the hint %q", err, hint)
		}
		interrupted, cancel := context.WithTimeout(b.Context(), 500*time.Millisecond)
		defer cancel()
		if err := a.Discard(interrupted, id); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			b.Errorf("interrupted: %v", err)
		}
		b.must(tx.Commit())
		time.Sleep(500 * time.Millisecond) // a server that waits for the lock has it by now
		if n := b.count("true"); n != 1 {
			b.Errorf("%d rows are left, want the one that nobody discarded", n)
		}
		b.must(a.Discard(b.Context(), id))
	})
}

// Retrying what is wrong waits for no producer, and keeps no row from the relay.
func TestRetryWaitsForNoProducer(t *testing.T) {
	both(t, func(b *bench) {
		b.insert(b.shop, "order 17")
		b.once(nil)
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		defer func() { _ = tx.Rollback() }()
		b.insert(tx, trigger("OPEN"))
		if n, err := b.admin().RetryAll(b.Context()); err != nil || n != 1 {
			b.Errorf("%d retried, %v", n, err)
		}
	})
}

// The errors of many rows are kept in a few round trips, so that a database that is far away does not make a
// claim too long.
func TestManyErrorsAreKeptInOneStatement(t *testing.T) {
	both(t, func(b *bench) {
		b.exec("CREATE TABLE statements (n INT)")
		b.exec("INSERT INTO statements VALUES (0)")
		b.exec(fmt.Sprintf(map[string]string{
			"postgres": `CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
				$$ BEGIN UPDATE statements SET n = n + 1; RETURN NULL; END $$;
				CREATE TRIGGER counted AFTER UPDATE ON ecpayq_outbox FOR EACH STATEMENT EXECUTE FUNCTION counted() -- %s`,
			"mysql": `CREATE TRIGGER counted BEFORE UPDATE ON ecpayq_outbox FOR EACH ROW -- %s
				UPDATE statements SET n = IF(@last <=> CURRENT_TIMESTAMP(6), n, n + 1), n = n + 0 * (@last := CURRENT_TIMESTAMP(6))`,
		}[b.kind], ""))
		const n = 600
		for i := range n {
			b.insert(b.shop, fmt.Sprintf("order %d", i))
		}
		c := b.once(nil)
		var statements int
		b.must(b.shop.QueryRowContext(b.Context(), "SELECT n FROM statements").Scan(&statements))
		if c.WrongRows() != n || statements < 1 || statements > 3 {
			b.Errorf("%d rows are wrong, by %d statements; want %d by two", c.WrongRows(), statements, n)
		}
	})
}

// Rows whose errors the database does not keep stay, and do not have the relay claim them for ever.
func TestErrorsThatAreNotKeptAreTold(t *testing.T) {
	both(t, func(b *bench) {
		b.exec(map[string]string{
			"postgres": `CREATE FUNCTION undone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
				CREATE TRIGGER undone BEFORE UPDATE ON ecpayq_outbox FOR EACH ROW EXECUTE FUNCTION undone()`,
			"mysql": "CREATE TRIGGER undone BEFORE UPDATE ON ecpayq_outbox FOR EACH ROW SET NEW.error = NULL",
		}[b.kind])
		b.insert(b.shop, "order 17")
		b.insert(b.shop, trigger("GOOD"))
		r, err := relay.New(b.config())
		b.must(err)
		defer func() { _ = r.Stop() }()
		c, err := r.Once(b.Context())
		if err == nil || !strings.Contains(err.Error(), "does not keep the errors") || c.Stored != 1 || c.WrongRows() != 0 || c.Left != 1 {
			b.Errorf("got %+v, %v", c, err)
		}
	})
}

// What a claim did that could not be committed is not told as done.
func TestWhatIsRolledBackIsNotCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	b.exec("CREATE TABLE notes (id BIGINT REFERENCES ecpayq_outbox (id))")
	b.insert(b.shop, trigger("NOTED"))
	b.exec("INSERT INTO notes SELECT id FROM ecpayq_outbox")
	r, err := relay.New(b.config())
	b.must(err)
	defer func() { _ = r.Stop() }()
	c, err := r.Once(b.Context())
	if err == nil || c.Stored != 0 || b.count("true") != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A doctor is told of tables that break what is promised.
func TestWhatATableMayBreakIsTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind, change string
		told         func(relay.Health) bool
	}{
		"as it should be": {"postgres", "", func(h relay.Health) bool {
			return h.Durable && h.Types == "" && h.Others == 0 && h.Table == "public.ecpayq_outbox"
		}},
		"in MariaDB": {"mysql", "", func(h relay.Health) bool {
			return h.Durable && h.Types == "" && h.Others == 0 && strings.HasSuffix(h.Table, ".ecpayq_outbox")
		}},
		"UNLOGGED": {"postgres", "ALTER TABLE ecpayq_outbox SET UNLOGGED", func(h relay.Health) bool { return !h.Durable }},
		"MyISAM":   {"mysql", "ALTER TABLE ecpayq_outbox ENGINE=MyISAM", func(h relay.Health) bool { return !h.Durable }},
		"without a zone": {"postgres", "ALTER TABLE ecpayq_outbox ALTER process_at TYPE timestamp", func(h relay.Health) bool {
			return h.Types == "process_at is timestamp without time zone"
		}},
		"in two schemas": {"postgres", "CREATE SCHEMA other; CREATE TABLE other.ecpayq_outbox (id int)", func(h relay.Health) bool {
			return h.Others == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, row.kind, servers[row.kind])
			if row.change != "" {
				b.exec(row.change)
			}
			if h, err := b.admin().Check(b.Context()); err != nil || !row.told(h) {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
	b := newBench(t, "postgres", servers["postgres"])
	b.exec("ALTER TABLE ecpayq_outbox ALTER intent TYPE jsonb USING intent::jsonb")
	if _, err := b.admin().Check(t.Context()); !strings.Contains(b.database.Hint(err).En, "intent is text") {
		t.Errorf("jsonb: %v", err)
	}
}

// Times that JSON has none for are listed as the nearest that it has.
func TestTimesWithoutEndAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	for i, at := range []string{"infinity", "-infinity", "12000-01-01", "0044-03-15 BC"} {
		b.exec(fmt.Sprintf("INSERT INTO ecpayq_outbox (intent, created_at) VALUES ('%s', '%s')", trigger(fmt.Sprintf("T%d", i)), at))
	}
	rows := b.rows(true)
	for i, year := range []int{9999, 1970, 9999, 1970} {
		if got := rows[i].CreatedAt.Year(); got != year {
			t.Errorf("row %d is of %d, want %d", i, got, year)
		}
	}
	b.must(b.admin().Late(b.Context(), func(relay.Row) error { return nil }))
}

// The oldest row that waits is the oldest, not that of the lowest id.
func TestTheOldestIsNotTheFirst(t *testing.T) {
	both(t, func(b *bench) {
		b.exec("INSERT INTO ecpayq_outbox (intent, created_at) VALUES ('" + trigger("AHEAD") + "', '2030-01-01 00:00:00')")
		b.exec("INSERT INTO ecpayq_outbox (intent, created_at) VALUES ('" + trigger("OLD") + "', '2020-01-01 00:00:00')")
		if s, err := b.admin().State(b.Context()); err != nil || s.Oldest < 1e8 || !s.Stuck() {
			b.Errorf("got %+v, %v", s, err)
		}
	})
}
