package relay_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
)

func TestALowIDThatIsCommittedLateIsRelayed(t *testing.T) {
	both(t, func(b *bench) {
		b.relay(nil)
		late, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		b.insert(late, trigger("LATE"))
		for i := range 600 {
			b.insert(b.shop, trigger(fmt.Sprintf("L%d", i)))
		}
		b.eventually("the others are relayed", func() bool { return b.count("true") == 0 })
		b.must(late.Commit())
		b.eventually("the late one is relayed", func() bool { return b.count("true") == 0 && b.inQueue("LATE") })
	})
}

// The database can clean up nothing while an old transaction may still see it.
func TestAnOldTransactionKeepsNobodyWaiting(t *testing.T) {
	both(t, func(b *bench) {
		old, err := b.shop.BeginTx(b.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
		b.must(err)
		defer func() { _ = old.Rollback() }()
		var n int
		b.must(old.QueryRowContext(b.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
		b.relay(nil)
		for i := range 30 {
			tx, err := b.shop.BeginTx(b.Context(), nil)
			b.must(err)
			for j := range 200 {
				b.insert(tx, trigger(fmt.Sprintf("O%dX%d", i, j)))
			}
			b.must(tx.Commit())
		}
		b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
		b.insert(b.shop, trigger("NEW"))
		b.eventually("a new one is relayed", func() bool { return b.inQueue("NEW") })
		b.must(old.QueryRowContext(b.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
		if n != 0 {
			b.Errorf("the old transaction sees %d rows: it was none", n)
		}
	})
}

// starts begin a server for a test that does something to it.
var starts = map[string]func(dbtest.TB, ...dbtest.Options) *dbtest.Server{"postgres": dbtest.Postgres, "mysql": dbtest.MariaDB}

// tally adds up what relays do.
type tally struct {
	mu sync.Mutex
	relay.Claim
	errs map[string]int
}

func (c *tally) observe(claim relay.Claim, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if c.errs == nil {
			c.errs = map[string]int{}
		}
		c.errs[err.Error()]++
		return
	}
	c.Stored, c.Duplicate = c.Stored+claim.Stored, c.Duplicate+claim.Duplicate
}

func (c *tally) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errs) > 0
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("stored %d, duplicate %d, errors on the way %v", c.Stored, c.Duplicate, c.errs)
}

// settles waits until all rows are gone and told of, and returns what was told.
func (c *tally) settles(b *bench, all int) (stored, duplicate int) {
	b.Helper()
	b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
	b.eventually("all are told of", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		stored, duplicate = c.Stored, c.Duplicate
		return stored+duplicate >= all
	})
	return stored, duplicate
}

func TestManyRelaysShareTheRows(t *testing.T) {
	both(t, func(b *bench) {
		var got tally
		for range 4 {
			b.relay(func(c *relay.Config) { c.Rows, c.Observe = 20, got.observe })
		}
		var shops sync.WaitGroup
		for s := range 4 {
			shops.Go(func() {
				for i := range 400 {
					tx, err := b.shop.BeginTx(b.Context(), nil)
					b.must(err)
					b.insert(tx, trigger(fmt.Sprintf("M%dX%d", s, i)))
					if i%4 == 0 {
						b.must(tx.Rollback())
					} else {
						b.must(tx.Commit())
					}
				}
			})
		}
		shops.Wait()
		if stored, duplicate := got.settles(b, 1200); stored != 1200 || duplicate != 0 {
			b.Errorf("stored %d, duplicate %d, want 1200 and none; %s", stored, duplicate, got.String())
		}
		b.Logf("%s", got.String())
	})
}

// Whatever the default isolation is, claims have their own: no producer waits for a relay that
// stands still, and relays do not come into each other's way.
func TestTheDefaultIsolationDoesNotMatter(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct {
		kind string
		args []string
	}{
		"postgres repeatable read": {"postgres", []string{"--default_transaction_isolation=repeatable read"}},
		"postgres serializable":    {"postgres", []string{"--default_transaction_isolation=serializable"}},
		"mariadb repeatable read":  {"mysql", []string{"--transaction-isolation=REPEATABLE-READ"}},
		"mariadb read committed":   {"mysql", []string{"--transaction-isolation=READ-COMMITTED", "--binlog-format=ROW"}},
		"mariadb serializable":     {"mysql", []string{"--transaction-isolation=SERIALIZABLE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o.kind, starts[o.kind](t, dbtest.Options{Args: o.args}))
			var got tally
			stalled := b.stalls(got.observe) // in a claim
			for range 3 {
				b.relay(func(c *relay.Config) { c.Rows, c.Observe = 20, got.observe })
			}
			var shops sync.WaitGroup
			for s := range 4 {
				shops.Go(func() {
					for i := range 200 {
						b.insert(b.shop, trigger(fmt.Sprintf("I%dX%d", s, i)))
					}
				})
			}
			shops.Wait() // although a claim is open
			b.eventually("all but the claimed row are relayed", func() bool { return b.count("true") == 1 })
			stalled.goOn()
			if stored, duplicate := got.settles(b, 801); stored != 801 || duplicate != 0 {
				b.Errorf("stored %d, duplicate %d, want 801 and none; %s", stored, duplicate, got.String())
			}
			b.Logf("%s", got.String())
		})
	}
}

// stalled is a relay that has claimed a row and waits for Redis to answer.
type stalled struct {
	b    *bench
	free chan struct{}
	once sync.Once
}

// goOn lets it.
func (s *stalled) goOn() { s.once.Do(func() { close(s.free) }) }

// stalls starts a relay that has claimed the row STALLED, whose task Redis has stored, and that waits.
func (b *bench) stalls(observe func(relay.Claim, error)) *stalled {
	b.Helper()
	s := &stalled{b: b, free: make(chan struct{})}
	b.Cleanup(s.goOn)
	rdb := b.redis.Client()
	reached := make(chan struct{})
	rdb.AddHook(&afterPipelines{n: 2, f: func() { close(reached); <-s.free }}) // the second one stores
	client, err := enqueue.New(enqueue.Config{Redis: rdb, Timeout: time.Minute})
	b.must(err)
	b.insert(b.shop, trigger("STALLED"))
	b.relay(func(c *relay.Config) { c.Client, c.Observe = client, observe })
	select {
	case <-reached:
	case <-time.After(time.Minute):
		b.Fatal("the relay does not come to Redis")
	}
	return s
}

// What a backend was doing when it is killed is done again by another one.
func TestAKilledBackendLosesNothing(t *testing.T) {
	both(t, func(b *bench) {
		var got tally
		for range 2 {
			b.relay(func(c *relay.Config) { c.Rows, c.Observe, c.Listen = 10, got.observe, true })
		}
		stop := make(chan struct{})
		var killer sync.WaitGroup
		var kills atomic.Int64
		killer.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
					kills.Add(b.killRelays())
				}
			}
		})
		for i := range 1000 {
			b.insert(b.shop, trigger(fmt.Sprintf("K%d", i)))
		}
		b.eventually("some were killed", func() bool { return kills.Load() > 20 })
		close(stop)
		killer.Wait()
		b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
		for i := range 1000 {
			if !b.inQueue(fmt.Sprintf("K%d", i)) {
				b.Fatalf("K%d is lost", i)
			}
		}
		b.Logf("%d backends were killed", kills.Load())
	})
}

// killRelays kills the connections of the relays, and tells how many.
func (b *bench) killRelays() (n int64) {
	b.Helper()
	statement := "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?"
	if b.kind == "postgres" {
		statement = "SELECT pid FROM pg_stat_activity WHERE usename = $1"
	}
	rows, err := b.shop.QueryContext(b.Context(), statement, b.user)
	b.must(err)
	var ids []int64
	for rows.Next() {
		var id int64
		b.must(rows.Scan(&id))
		ids = append(ids, id)
	}
	b.must(rows.Close())
	for _, id := range ids {
		kill := fmt.Sprintf("KILL %d", id)
		if b.kind == "postgres" {
			kill = fmt.Sprintf("SELECT pg_terminate_backend(%d)", id)
		}
		if _, err := b.shop.ExecContext(b.Context(), kill); err == nil { // else it is gone
			n++
		}
	}
	return n
}

func TestTheDatabaseIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	for kind, start := range starts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, kind, start(t))
			var got tally
			b.relay(func(c *relay.Config) { c.Rows, c.Observe, c.Listen = 7, got.observe, true })
			committed := map[string]bool{}
			for i := range 300 {
				if i == 100 || i == 200 {
					b.server.Kill()
					b.must(b.server.Restart(b.Context()))
				}
				tsr := fmt.Sprintf("D%d", i)
				if _, err := b.shop.ExecContext(b.Context(), "INSERT INTO ecpayq_outbox (intent) VALUES ("+b.mark()+")", trigger(tsr)); err == nil {
					committed[tsr] = true
				}
			}
			if len(committed) < 290 {
				b.Errorf("only %d were committed", len(committed))
			}
			b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
			for tsr := range committed {
				if !b.inQueue(tsr) {
					b.Errorf("%s is lost", tsr)
				}
			}
			b.Logf("%s", got.String())
		})
	}
}

// With a pause of an hour between looks, nothing but NOTIFY wakes the relay. A notification that
// is lost is made good when the relay listens again.
func TestNotifyWakesTheRelayAndMayBeLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	b.relay(func(c *relay.Config) { c.Poll, c.Listen = time.Hour, true })
	listening := func() bool {
		var n int
		b.must(b.shop.QueryRowContext(b.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'").Scan(&n))
		return n == 1
	}
	b.eventually("it listens", listening)
	b.insert(b.shop, trigger("NOTIFIED"))
	b.eventually("the row is relayed", func() bool { return b.inQueue("NOTIFIED") })
	// The notification is lost: nobody listens while the row is committed.
	b.exec("DROP TRIGGER ecpayq_outbox_notify ON ecpayq_outbox")
	b.insert(b.shop, trigger("LOST"))
	var killed bool
	b.must(b.shop.QueryRowContext(b.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'LISTEN%'`).Scan(&killed))
	b.eventually("the row is relayed once it listens again", func() bool { return b.inQueue("LOST") })
}

// A claim that a notification causes may not begin at the first id, since such a search took long
// lately: it passes over a row with a lower id, which was given earlier and committed later.
func TestARowThatAClaimPassedOverIsNotForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	b.relay(func(c *relay.Config) { c.Poll, c.Listen = time.Hour, true })
	insert := func(id int, tsr string) {
		const row = "INSERT INTO ecpayq_outbox (id, intent) OVERRIDING SYSTEM VALUE VALUES ($1, $2)"
		_, err := b.shop.ExecContext(b.Context(), row, id, trigger(tsr))
		b.must(err)
	}
	insert(100, "HIGH")
	b.eventually("the first row is relayed", func() bool { return b.inQueue("HIGH") })
	time.Sleep(time.Second) // the next claim may begin at the first id
	tx, err := b.shop.BeginTx(b.Context(), nil)
	b.must(err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(b.Context(), "LOCK TABLE ecpayq_outbox IN ACCESS EXCLUSIVE MODE")
	b.must(err)
	b.exec("NOTIFY ecpayq_outbox")
	b.eventually("a claim waits for the table", func() bool {
		var n int
		b.must(b.shop.QueryRowContext(b.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND NOT l.granted`).Scan(&n))
		return n > 0
	})
	time.Sleep(300 * time.Millisecond) // the search takes at least as long
	b.must(tx.Commit())
	insert(50, "LOW")
	b.eventually("the row with the lower id is relayed", func() bool { return b.inQueue("LOW") })
}

// A full Redis refuses; the rows stay until it has room.
func TestAFullRedisKeepsTheRows(t *testing.T) {
	both(t, func(b *bench) {
		admin := b.redis.Client()
		b.must(admin.ConfigSet(b.Context(), "maxmemory", "1").Err())
		var got tally
		b.relay(func(c *relay.Config) { c.Observe = got.observe })
		for i := range 50 {
			b.insert(b.shop, trigger(fmt.Sprintf("F%d", i)))
		}
		b.eventually("Redis has refused", got.failed)
		if n := b.count("error IS NULL"); n != 50 {
			b.Errorf("%d rows, want 50", n)
		}
		b.must(admin.ConfigSet(b.Context(), "maxmemory", "0").Err())
		b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
	})
}

// A relay that ends after Redis and before its commit leaves the rows to another one.
func TestWhatIsNotCommittedIsADuplicateForTheNext(t *testing.T) {
	both(t, func(b *bench) {
		rdb := b.redis.Client()
		broken, cancel := context.WithCancelCause(b.Context())
		rdb.AddHook(&afterPipelines{n: 2, f: func() { b.killRelays(); cancel(errors.New("killed")) }})
		client, err := enqueue.New(enqueue.Config{Redis: rdb})
		b.must(err)
		for i := range 20 {
			b.insert(b.shop, trigger(fmt.Sprintf("C%d", i)))
		}
		cfg := b.config()
		cfg.Client = client
		r, err := relay.New(cfg)
		b.must(err)
		if c, err := r.Once(broken); err == nil {
			b.Errorf("relayed although its connection was killed: %+v", c)
		}
		b.must(r.Stop())
		if n := b.count("error IS NULL"); n != 20 {
			b.Fatalf("%d rows, want 20", n)
		}
		if c := b.once(nil); c.Duplicate != 20 || c.Stored != 0 {
			b.Errorf("got %+v, want 20 duplicates", c)
		}
	})
}

func TestPgBouncerInTransactionModeWorks(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	b.throughPgBouncer()
	var got tally
	for range 4 {
		b.relay(func(c *relay.Config) { c.Rows, c.Observe, c.Listen = 10, got.observe, true })
	}
	for i := range 600 {
		b.insert(b.shop, trigger(fmt.Sprintf("P%d", i)))
	}
	if stored, duplicate := got.settles(b, 600); stored != 600 || duplicate != 0 || got.failed() {
		b.Errorf("%s", got.String())
	}
}

// With a replica that confirms, a failover of Redis loses nothing of what the relay has deleted.
func TestAFailoverOfRedisLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	group := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 2})
	client, err := enqueue.New(enqueue.Config{RedisURL: group.URL(), Confirm: enqueue.Confirm{Replicas: 1, Timeout: 5 * time.Second}})
	b.must(err)
	defer client.Close()
	b.rdb = group.Client()
	var got tally
	b.relay(func(c *relay.Config) { c.Client, c.Rows, c.Observe = client, 10, got.observe })
	const orders = 3000
	var inserted atomic.Int64
	var shop sync.WaitGroup
	shop.Go(func() {
		for i := range orders {
			b.insert(b.shop, trigger(fmt.Sprintf("S%d", i)))
			inserted.Add(1)
		}
	})
	b.eventually("a third is inserted", func() bool { return inserted.Load() > orders/3 })
	old := group.KillMaster()
	_, err = group.AwaitMaster(b.Context(), old)
	b.must(err)
	shop.Wait()
	b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
	for i := range orders {
		if !b.inQueue(fmt.Sprintf("S%d", i)) {
			b.Errorf("S%d is lost", i)
		}
	}
	b.Logf("%s", got.String())
}
