package relay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/relay"
)

// A claim follows the primary key, whatever the statistics are: they are seldom right for a table that fills
// and empties in seconds.
func TestAClaimNeverSortsTheTable(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]string{
		"never analyzed":       nil,
		"analyzed while empty": {"ANALYZE ecpayq_outbox"},
		"analyzed while all wrong": {
			"INSERT INTO ecpayq_outbox (intent, error) SELECT 'x', 'e' FROM generate_series(1, 20000)", "ANALYZE ecpayq_outbox",
		},
		"analyzed with few left": {"INSERT INTO ecpayq_outbox (intent) SELECT repeat('x', 150) FROM generate_series(1, 50000)",
			"DELETE FROM ecpayq_outbox WHERE id > 10", "ANALYZE ecpayq_outbox"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "postgres", servers["postgres"])
			b.exec("ALTER TABLE ecpayq_outbox SET (autovacuum_enabled = off)")
			for _, text := range before {
				b.exec(text)
			}
			b.exec("INSERT INTO ecpayq_outbox (intent) SELECT repeat('x', 150) FROM generate_series(1, 50000)")
			tx, err := b.shop.BeginTx(b.Context(), nil)
			b.must(err)
			defer func() { _ = tx.Rollback() }()
			_, err = tx.ExecContext(b.Context(), relay.PostgresBegin)
			b.must(err)
			rows, err := tx.QueryContext(b.Context(), "EXPLAIN "+relay.PostgresClaim, 10000, 0, 256)
			b.must(err)
			defer rows.Close()
			plan := ""
			for rows.Next() {
				var line string
				b.must(rows.Scan(&line))
				plan += line + "\n"
			}
			if !strings.Contains(plan, "Index Scan using ecpayq_outbox_pkey") || strings.Contains(plan, "Sort") {
				t.Errorf("the plan is\n%s", plan)
			}
		})
	}
}

// The database says five times that another transaction was in the way: that is no attempt of the rows, and
// nothing that anybody is told.
func TestDeadlocksAreTriedAgainAndAreNoAttempt(t *testing.T) {
	both(t, func(b *bench) {
		for _, text := range map[string][]string{
			"postgres": {"CREATE SEQUENCE trouble", `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
IF nextval('trouble') <= 5 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; RETURN OLD; END $$`,
				"CREATE TRIGGER trouble BEFORE DELETE ON ecpayq_outbox FOR EACH ROW EXECUTE FUNCTION trouble()"},
			"mysql": {"CREATE TABLE trouble (n INT) ENGINE=MyISAM", "INSERT INTO trouble VALUES (0)", // which no rollback changes
				`CREATE TRIGGER trouble BEFORE DELETE ON ecpayq_outbox FOR EACH ROW BEGIN UPDATE trouble SET n = n + 1;
IF (SELECT n FROM trouble) <= 5 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'; END IF; END`},
		}[b.kind] {
			b.exec(text)
		}
		for i := range 3 {
			b.insert(b.shop, trigger(fmt.Sprintf("DEAD%d", i)))
		}
		var got tally
		var told bytes.Buffer
		b.relay(func(c *relay.Config) { c.Observe, c.Logger = got.observe, zerolog.New(&told) })
		stored, duplicate := got.settles(b, 3)
		if stored+duplicate != 3 || !got.failed() {
			b.Errorf("%s", got.String())
		}
		if n := b.count("attempts > 0"); n != 0 || strings.Contains(told.String(), "not relayed") {
			b.Errorf("%d rows have attempts; told: %s", n, told.String())
		}
		b.Logf("%s", got.String())
	})
}
