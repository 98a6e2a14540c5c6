package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/enqueue/outbox"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// way is one of those in which a shop has a transaction.
type way struct {
	name, kind string // kind is empty for both
	begin      func(b *bench) (tx any, end func(word string) error)
}

// wrapped is as sqlx.Tx is.
type wrapped struct {
	*sql.Tx
	more string
}

var ways = []way{
	{"*sql.Tx", "", func(b *bench) (any, func(string) error) {
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		return tx, ends(tx.Commit, tx.Rollback)
	}},
	{"a wrapped *sql.Tx", "", func(b *bench) (any, func(string) error) {
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		return &wrapped{tx, "of its own"}, ends(tx.Commit, tx.Rollback)
	}},
	{"*sql.Conn", "", func(b *bench) (any, func(string) error) {
		conn, err := b.shop.Conn(b.Context())
		b.must(err)
		b.Cleanup(func() { _ = conn.Close() })
		exec := func(word string) error {
			_, err := conn.ExecContext(b.Context(), word)
			return err
		}
		b.must(exec("BEGIN"))
		return conn, exec
	}},
	{"pgx.Tx", "postgres", func(b *bench) (any, func(string) error) {
		tx, err := b.connect().Begin(b.Context())
		b.must(err)
		return tx, endsPgx(b, tx)
	}},
	{"*pgx.Conn", "postgres", func(b *bench) (any, func(string) error) {
		conn := b.connect()
		exec := func(word string) error {
			_, err := conn.Exec(b.Context(), word)
			return err
		}
		b.must(exec("BEGIN"))
		return conn, exec
	}},
	{"pgx.Tx of a pool", "postgres", func(b *bench) (any, func(string) error) {
		tx, err := b.pool().Begin(b.Context())
		b.must(err)
		return tx, endsPgx(b, tx)
	}},
	{"pgx.Tx in another", "postgres", func(b *bench) (any, func(string) error) {
		outer, err := b.connect().Begin(b.Context())
		b.must(err)
		tx, err := outer.Begin(b.Context())
		b.must(err)
		end := endsPgx(b, tx)
		return tx, func(word string) error { return errors.Join(end(word), outer.Commit(b.Context())) }
	}},
}

func ends(commit, rollback func() error) func(string) error {
	return func(word string) error {
		return map[string]func() error{"COMMIT": commit, "ROLLBACK": rollback}[word]()
	}
}

func endsPgx(b *bench, tx pgx.Tx) func(string) error {
	return ends(func() error { return tx.Commit(b.Context()) }, func() error { return tx.Rollback(b.Context()) })
}

func (b *bench) connect() *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), b.url)
	b.must(err)
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bench) pool() *pgxpool.Pool {
	b.Helper()
	pool, err := pgxpool.New(b.Context(), b.url)
	b.must(err)
	b.Cleanup(pool.Close)
	return pool
}

func TestWhatIsCommittedIsRelayedAndWhatIsRolledBackIsNot(t *testing.T) {
	both(t, func(b *bench) {
		committed := 0
		var orders []func()
		for i, w := range ways {
			for j, opts := range [][]outbox.Option{nil, {b.database()}} {
				for _, word := range []string{"COMMIT", "ROLLBACK"} {
					if w.kind != "" && w.kind != b.kind {
						continue
					}
					p := trigger(fmt.Sprintf("%s-%d-%d", word, i, j))
					tx, end := w.begin(b)
					if err := outbox.Add(b.Context(), tx, p, opts...); err != nil {
						b.Errorf("%s, with the options %v: %v", w.name, opts, err)
					}
					b.must(end(word))
					committed += map[string]int{"COMMIT": 1}[word]
					orders = append(orders, func() {
						if got, want := b.stored(p), word == "COMMIT"; got != want {
							b.Errorf("%s, with the options %v, after %s: in Redis is %t", w.name, opts, word, got)
						}
					})
				}
			}
		}
		if n := b.rows(); n != committed || n == 0 {
			b.Errorf("%d rows are there, want %d", n, committed)
		}
		if c := b.relay(); c.Stored != committed || b.rows() != 0 {
			b.Errorf("got %+v and %d rows, want %d stored and none", c, b.rows(), committed)
		}
		for _, look := range orders {
			look()
		}
	})
}

func TestWithoutATransactionTheRowIsThereAtOnce(t *testing.T) {
	both(t, func(b *bench) {
		all := []any{b.shop}
		if b.kind == "postgres" {
			all = append(all, b.pool(), b.connect())
		}
		for i, db := range all {
			b.must(outbox.Add(b.Context(), db, trigger(fmt.Sprintf("A%d", i))))
			if n := b.rows(); n != i+1 {
				b.Errorf("%d rows are there after an insert by %T, want %d", n, db, i+1)
			}
		}
	})
}

func TestEveryIntentArrivesAsItIs(t *testing.T) {
	both(t, func(b *bench) {
		seen := map[string]bool{}
		var all []tasks.Payload
		for i, c := range samples.Cases() {
			p := c.Payload(samples.At{Subject: c.Subject("EVERY", i)})
			b.commit(p)
			all, seen[c.Type] = append(all, p), true
		}
		for _, typ := range tasks.Types() {
			if !seen[typ.Name] {
				b.Errorf("there is no sample of %s", typ.Name)
			}
		}
		if c := b.relay(); c.Stored != len(all) {
			b.Errorf("got %+v, want %d stored", c, len(all))
		}
		for _, p := range all {
			if !b.stored(p) {
				b.Errorf("%s is not in Redis, or is another", tasks.ID(p))
			}
		}
	})
}

func TestTheSameIntentOnceMoreIsADuplicateAndAnotherStaysWithItsError(t *testing.T) {
	both(t, func(b *bench) {
		b.commit(void("VG00000001", "訂單取消"))
		b.commit(void("VG00000001", " 訂單取消 ")) // which is the same
		if c := b.relay(); c.Stored != 1 || c.Duplicate != 1 {
			b.Errorf("got %+v, want one stored and one duplicate", c)
		}
		b.commit(void("VG00000001", "金額錯誤"))
		if c := b.relay(); c.Wrong[relay.Differs] != 1 || b.rows() != 1 {
			b.Errorf("got %+v and %d rows, want one that differs", c, b.rows())
		}
	})
}

func TestAnInvalidPayloadWritesNothingAndLeavesTheTransactionUsable(t *testing.T) {
	both(t, func(b *bench) {
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		defer func() { _ = tx.Rollback() }()
		const secret = "vg11000002"
		err = outbox.Add(b.Context(), tx, void(secret, "訂單取消"))
		if invalid, ok := errors.AsType[*ecpay.ValidationError](err); !ok || len(invalid.Fields) != 1 || strings.Contains(err.Error(), secret) {
			b.Errorf("got %v, want one invalid field and no value", err)
		}
		err = outbox.Add(b.Context(), tx, trigger("FAR"), outbox.ProcessAt(time.Date(enqueue.LastYear+1, 1, 1, 0, 0, 0, 0, time.UTC)))
		if err == nil || !strings.Contains(err.Error(), "ProcessAt is in the year 9999; it must be before 9999") {
			b.Errorf("got %v, want one about the year", err)
		}
		b.must(outbox.Add(b.Context(), tx, trigger("GOOD")))
		b.must(tx.Commit())
		if c := b.relay(); c.Rows != 1 || !b.stored(trigger("GOOD")) {
			b.Errorf("got %+v, want the good one", c)
		}
	})
}

func TestWhatTheDatabaseSaysIsTheError(t *testing.T) {
	both(t, func(b *bench) {
		b.exec("DROP TABLE ecpayq_outbox")
		err := outbox.Add(b.Context(), b.shop, void("VG00000001", "訂單取消"))
		if err == nil || !strings.HasPrefix(err.Error(), "outbox: insert the intent: ") || strings.Contains(err.Error(), "2000132") {
			b.Errorf("got %v, want that of the insert and no value", err)
		}
		if my, ok := errors.AsType[*mysql.MySQLError](err); b.kind == "mysql" && (!ok || my.Number != 1146) {
			b.Errorf("got %v, want 1146", err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if err := outbox.Add(ctx, b.shop, trigger("LATE")); !errors.Is(err, context.Canceled) {
			b.Errorf("got %v after the end of the context", err)
		}
	})
}

// In PostgreSQL a transaction is lost with the first statement that fails, and what the shop does with
// that error is not always right.
func TestAFailedTransactionOfPostgreSQLIsAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "")
	for _, w := range ways {
		if w.kind == "" || w.name == "pgx.Tx" {
			for _, opts := range [][]outbox.Option{nil, {outbox.Postgres}} {
				tx, end := w.begin(b)
				if std, ok := tx.(interface {
					ExecContext(context.Context, string, ...any) (sql.Result, error)
				}); ok {
					_, _ = std.ExecContext(b.Context(), "SELECT 1/0")
				} else {
					_, _ = tx.(pgx.Tx).Exec(b.Context(), "SELECT 1/0")
				}
				if err := outbox.Add(b.Context(), tx, trigger("FAILED"), opts...); err == nil || !strings.Contains(err.Error(), "25P02") {
					b.Errorf("%s, with the options %v: got %v, want 25P02", w.name, opts, err)
				}
				b.must(end("ROLLBACK"))
			}
		}
	}
	if n := b.rows(); n != 0 {
		b.Errorf("%d rows are there", n)
	}
}

func TestATaskForLaterIsKeptUntilThen(t *testing.T) {
	both(t, func(b *bench) {
		at := time.Date(2226, 1, 31, 9, 0, 0, 0, ecpay.Taipei)
		last := time.Date(enqueue.LastYear, 12, 31, 23, 59, 59, 0, time.UTC)
		want := map[string]time.Time{"WHOLE": at, "PART": at.Add(time.Second), "NANO": at.Add(time.Second), "LAST": last, "LATER": at}
		b.commit(trigger("WHOLE"), outbox.ProcessAt(at))
		b.commit(trigger("PART"), outbox.ProcessAt(at.Add(700*time.Millisecond)))
		b.commit(trigger("NANO"), outbox.ProcessAt(at.Add(time.Nanosecond)))
		b.commit(trigger("LAST"), outbox.ProcessAt(last))
		b.commit(trigger("LATER"), outbox.ProcessAt(last.AddDate(1, 0, 0)), outbox.ProcessAt(at)) // the last one counts
		for tsr, past := range map[string]time.Time{"ZERO": {}, "BC": time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), "PAST": at.AddDate(-300, 0, 0)} {
			b.commit(trigger(tsr), outbox.ProcessAt(past))
		}
		if c := b.relay(); c.Stored != len(want)+3 {
			b.Errorf("got %+v, want %d stored", c, len(want)+3)
		}
		waiting := b.redis.Client().ZRangeWithScores(b.Context(), asynqx.Key("trigger_issue", asynqx.Scheduled), 0, -1).Val()
		got := map[string]float64{}
		for _, z := range waiting {
			got[z.Member.(string)] = z.Score
		}
		for tsr, at := range want {
			if id := tasks.ID(trigger(tsr)); got[id] != float64(at.Unix()) {
				b.Errorf("%s is kept until %v, want %d", tsr, got[id], at.Unix())
			}
		}
		if len(got) != len(want) {
			b.Errorf("%v wait, want %v", got, want)
		}
	})
}

// What may be given is the same as with a client.
func TestATimeHasTheLimitsOfEnqueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mysql", "")
	for _, zone := range []*time.Location{time.UTC, ecpay.Taipei, time.FixedZone("", -8*60*60)} {
		at := time.Date(enqueue.LastYear+1, 1, 1, 0, 0, 0, 0, zone)
		_, want := b.client.TriggerIssue(t.Context(), *trigger("FAR"), enqueue.ProcessAt(at))
		err := outbox.Add(t.Context(), b.shop, trigger("FAR"), outbox.ProcessAt(at))
		if err == nil || want == nil || strings.TrimPrefix(err.Error(), "outbox: ") != strings.TrimPrefix(want.Error(), "enqueue: ") {
			t.Errorf("%s: got %v, want %v", at, err, want)
		}
	}
	// Of an hour that is in the last year here and in the next elsewhere nothing is written that the relay would refuse.
	evening := time.Date(enqueue.LastYear, 12, 31, 23, 0, 0, 0, time.FixedZone("", -8*60*60))
	err := outbox.Add(t.Context(), b.shop, trigger("FAR"), outbox.ProcessAt(evening))
	if n := b.rows(); err == nil || n != 0 {
		t.Errorf("got %v and %d rows, want an error and none", err, n)
	}
}

func TestReplaceDeadReplacesADeadTask(t *testing.T) {
	both(t, func(b *bench) {
		typo, mended := void("VG00000001", "typo"), void("VG00000001", "mended")
		b.commit(typo)
		b.relay()
		b.must(asynqxtest.GiveUp(b.Context(), b.redis.Client(), "invalid", tasks.ID(typo)))
		b.commit(mended, outbox.ReplaceDead())
		if c := b.relay(); c.Replaced != 1 || !b.stored(mended) {
			b.Errorf("got %+v, want one that is replaced", c)
		}
	})
}
