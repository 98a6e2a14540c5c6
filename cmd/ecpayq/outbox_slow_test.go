//go:build slow

package main_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// relayProcess starts ecpayq outbox relay.
func (x *outbox) relayProcess() *child {
	x.Helper()
	c := startProgram(x.T, binary, x.env, "outbox", "relay")
	c.awaitLog("outbox is relayed")
	return c
}

// TestSlowARelayIsStoppedBetweenRedisAndItsCommit keeps a relay from its commit for 40 s by SIGSTOP: the
// database gives its rows to another one, and when it goes on it does no harm.
func TestSlowARelayIsStoppedBetweenRedisAndItsCommit(t *testing.T) {
	t.Parallel()
	for kind := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			x := b.outbox(kind, dbtest.Options{})
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "OUTSTOP", DelayDay: 3}))
			// The deletion takes 3 s, in which the relay waits for the database.
			x.exec(map[string]string{
				"postgres": `CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN OLD; END $$;
CREATE TRIGGER slowly BEFORE DELETE ON ecpayq_outbox FOR EACH ROW EXECUTE FUNCTION slowly()`,
				"mysql": `CREATE TRIGGER slowly BEFORE DELETE ON ecpayq_outbox FOR EACH ROW SET @slept = SLEEP(3)`,
			}[kind])
			first := x.relayProcess()
			x.insert(triggerIntent("OUTSTOP", ""))
			b.eventually("Redis has it", func() bool { return len(b.pendingTriggers()) == 1 })
			first.signal(syscall.SIGSTOP)
			stopped := time.Now()
			second := x.relayProcess()
			b.eventually("another relay has taken the row", func() bool { return x.left() == 0 })
			t.Logf("the row was taken %s after the first relay was stopped", time.Since(stopped).Round(time.Second))
			pause(t, time.Until(stopped.Add(40*time.Second)))
			first.signal(syscall.SIGCONT)
			x.insert(triggerIntent("OUTNEXT", ""))
			b.eventually("the next row is taken", func() bool { return x.left() == 0 })
			first.stop()
			second.stop()
			b.worker()
			b.waitFor(triggerID("OUTSTOP"), "completed")
			b.wantEffects("OUTSTOP", ecpaytest.EffectScheduled)
		})
	}
}

// TestSlowATransactionIsOpenForMinutes has one shop keep an order open for two minutes, whose row is older than
// all others, and somebody a report that sees the table as it was: the others are not kept waiting.
func TestSlowATransactionIsOpenForMinutes(t *testing.T) {
	t.Parallel()
	for kind := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			x := b.outbox(kind, dbtest.Options{})
			report, err := x.shop.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
			b.must(err)
			defer func() { _ = report.Rollback() }()
			var n int
			b.must(report.QueryRowContext(t.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
			late, err := x.shop.BeginTx(t.Context(), nil)
			b.must(err)
			_, err = late.ExecContext(t.Context(), "INSERT INTO ecpayq_outbox (intent) VALUES ('"+triggerIntent("OUTLATE", "")+"')")
			b.must(err)
			x.relayProcess()
			var longest time.Duration
			rows := 0
			for begin := time.Now(); time.Since(begin) < 2*time.Minute; rows += 1000 {
				x.fill(1+rows, 1000)
				b.grows(1000, "rows of this part", func() int { return 1000 - x.left() })
				start := time.Now()
				x.insert(triggerIntent(fmt.Sprintf("OUTONE%d", rows), ""))
				b.eventually("one row is relayed", func() bool { return x.left() == 0 })
				longest = max(longest, time.Since(start))
				pause(t, 500*time.Millisecond)
			}
			b.must(late.Commit())
			b.eventually("the late row is relayed", func() bool { return x.left() == 0 })
			task := "asynq:{trigger_issue}:t:" + triggerID("OUTLATE")
			if b.redis.Client().Exists(t.Context(), task).Val() != 1 {
				t.Error("the late order has no task")
			}
			t.Logf("%d rows beside it; one row took %s at most", rows, longest.Round(time.Millisecond))
		})
	}
}

// TestSlow20000OrdersThroughAnOutboxThatIsKilledAgainAndAgain has 8 shops commit 20,000 orders, roll back a
// third of what they begin, and commit ids out of order, while relays are killed every second, the database
// is restarted twice and Redis once.
func TestSlow20000OrdersThroughAnOutboxThatIsKilledAgainAndAgain(t *testing.T) {
	for kind := range databases {
		t.Run(kind, func(t *testing.T) { outboxChaos(t, kind) })
	}
}

const chaosOrders = 20_000

func outboxChaos(t *testing.T, kind string) {
	b := newBenchWithout(t, chaosFake(), chaosEnv)
	b.useRedis(redistest.Options{AppendFsync: "always"})
	b.set(env{"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_CONCURRENCY": "32", "ECPAYQ_MERCHANT_IN_FLIGHT": "64"})
	x := b.outbox(kind, dbtest.Options{})
	x.exec("CREATE TABLE orders (tsr VARCHAR(30) PRIMARY KEY)")
	x.shop.SetMaxOpenConns(16)
	b.worker()
	b.worker()
	shops := &chaosShops{x: x, committed: map[string]bool{}}
	ctx, end := context.WithCancel(t.Context())
	var killing sync.WaitGroup
	var kills atomic.Int64
	for range 2 {
		killing.Go(func() {
			for ctx.Err() == nil {
				c := startProgram(t, binary, x.env, "outbox", "relay")
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				c.kill()
				kills.Add(1)
			}
		})
	}
	var trading sync.WaitGroup
	for s := range 8 {
		trading.Go(func() { shops.trade(t.Context(), s) })
	}
	for _, at := range []int{chaosOrders / 4, chaosOrders / 2, 3 * chaosOrders / 4} {
		b.grows(at, fmt.Sprintf("%d orders", at), func() int { return int(shops.orders.Load()) })
		if at == chaosOrders/2 {
			b.redis.Kill()
			b.must(b.redis.Restart(t.Context()))
			continue
		}
		x.server.Kill()
		b.must(x.server.Restart(t.Context()))
	}
	trading.Wait()
	end()
	killing.Wait()
	x.relayProcess()
	b.grows(chaosOrders, "rows that are gone", func() int { return chaosOrders - x.left() })
	t.Logf("%d orders committed, %d rolled back, %d attempts of which nobody knows; "+
		"%d relays killed, the database restarted twice, Redis once",
		shops.orders.Load(), shops.back.Load(), shops.open.Load(), kills.Load())
	x.judge(shops)
}

// chaosShops commit and roll back orders.
type chaosShops struct {
	x                  *outbox
	orders, back, open atomic.Int64
	committed          map[string]bool
}

func (s *chaosShops) trade(ctx context.Context, shop int) {
	rng := rand.New(rand.NewPCG(uint64(shop), 15))
	for n := 0; s.orders.Load() < chaosOrders; n++ {
		tsr := fmt.Sprintf("OX%dX%d", shop, n)
		if err := s.x.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, DelayDay: 3}); err != nil {
			s.x.Error(err)
			return
		}
		switch done, err := s.order(ctx, rng, tsr); {
		case err != nil: // the database is away, or the answer to the commit was lost
			s.open.Add(1)
		case done:
			s.orders.Add(1)
		default:
			s.back.Add(1)
		}
	}
}

// order commits an order with its intent, or rolls it back.
func (s *chaosShops) order(ctx context.Context, rng *rand.Rand, tsr string) (committed bool, err error) {
	tx, err := s.x.shop.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	for _, text := range []string{
		"INSERT INTO orders VALUES ('" + tsr + "')",
		"INSERT INTO ecpayq_outbox (intent) VALUES ('" + triggerIntent(tsr, "") + "')",
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return false, err
		}
		if rng.IntN(50) == 0 { // some take long, and are committed after others with higher ids
			time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
	}
	if rng.IntN(3) == 0 {
		return false, tx.Rollback()
	}
	return true, tx.Commit()
}

// comesBack is longer than the two minutes after which a task whose worker has lost it runs again: asynq's lease
// is 30 s, 30 s more are for clocks that differ, and it looks once a minute.
const comesBack = 150 * time.Second

// judge compares the orders that are in the database with the effects at ECPay.
func (x *outbox) judge(shops *chaosShops) {
	x.Helper()
	rows, err := x.shop.QueryContext(x.Context(), "SELECT tsr FROM orders")
	x.must(err)
	defer rows.Close()
	for rows.Next() {
		var tsr string
		x.must(rows.Scan(&tsr))
		shops.committed[tsr] = true
	}
	x.must(rows.Err())
	// A request was on its way when Redis was killed: a person looks it up at ECPay, and says what is so. And a
	// worker may have asked for tasks then whose names it was never told: they are active, and nobody's, until
	// asynq takes them back.
	x.growsWithin(comesBack, len(shops.committed), "effects and dead letters", func() int { return len(x.scheduled()) + len(x.unanswered()) })
	letters := x.unanswered()
	for _, l := range letters {
		if r := x.dead("replay", l.ID, "--not-executed", "--note", "looked up at ECPay"); r.code != 0 {
			x.Errorf("replay of %s: %d %s", l.ID, r.code, r.stderr)
		}
	}
	x.Logf("%d tasks were dead(Ambiguous) without an effect, and replayed by a person who had looked", len(letters))
	x.grows(len(shops.committed), "effects", func() int { return len(x.scheduled()) })
	lost, twice, never := 0, 0, 0
	effects := x.scheduled()
	for tsr := range shops.committed {
		switch effects[tsr] {
		case 0:
			lost++
		case 1:
		default:
			twice++
		}
	}
	for tsr := range effects {
		if !shops.committed[tsr] {
			never++
		}
	}
	x.Logf("%d orders in the database, %d effects: %d lost, %d twice, %d of orders that were rolled back",
		len(shops.committed), len(effects), lost, twice, never)
	if lost+twice+never > 0 || len(shops.committed) < chaosOrders {
		x.Error("want every committed order exactly once, and no other")
	}
}

// unanswered are the dead letters whose effect is not at ECPay.
func (x *outbox) unanswered() (list []letter) {
	effects := x.scheduled()
	for _, l := range lettersOf(x.T, x.dead("list").stdout) {
		if _, tsr, _ := strings.Cut(l.ID, merchantID+"."); l.Kind != "Ambiguous" {
			x.Errorf("%s is dead(%s)", l.ID, l.Kind)
		} else if effects[tsr] == 0 {
			list = append(list, l)
		}
	}
	return list
}

// scheduled counts the effects on each subject.
func (x *outbox) scheduled() map[string]int {
	all := map[string]int{}
	for _, e := range x.fake.Effects() {
		if e.Name == ecpaytest.EffectScheduled && strings.HasPrefix(e.Subject, "OX") {
			all[e.Subject]++
		}
	}
	return all
}

// TestSlowTheTableDoesNotGrow takes 1,000,000 rows through the table.
func TestSlowTheTableDoesNotGrow(t *testing.T) {
	t.Parallel()
	for kind := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			x := b.outbox(kind, dbtest.Options{Args: map[string][]string{"postgres": {"--autovacuum_naptime=5s"}}[kind]})
			x.relayProcess()
			x.fill(1, 1000)
			b.eventually("1,000 are relayed", func() bool { return x.left() == 0 })
			small := x.size()
			var largest, last int64
			const part = 5000
			for i := range 1_000_000 / part {
				x.fill(1+i*part, part)
				b.grows(part, "rows of this part", func() int { return part - x.left() })
				x.awaitPurge()
				if i%2 == 1 {
					b.must(b.redis.Client().FlushAll(t.Context()).Err()) // a million tasks are not what is tested
				}
				if largest = max(largest, x.size()); i == 1 && kind == "mysql" {
					small = x.size() // InnoDB's file never shrinks: it has what is not yet purged
				}
			}
			t.Logf("%s after %s rows, %s at most, %s after the last", bytesText(small),
				map[string]string{"postgres": "1,000", "mysql": "10,000"}[kind], bytesText(largest), bytesText(x.size()))
			b.eventually("the database has cleaned up", func() bool { last = x.size(); return last <= small+4<<20 })
			t.Logf("%s after 1,000,000", bytesText(last))
		})
	}
}

// awaitPurge waits until InnoDB has removed what was deleted. On a busy machine that falls behind for as long as
// there is work, and its file, which never shrinks, is as large as it was behind at the worst.
func (x *outbox) awaitPurge() {
	x.Helper()
	if x.kind == "mysql" {
		x.exec("SET GLOBAL innodb_max_purge_lag_wait = 0") // MariaDB's: returns when nothing is left to purge
	}
}

func bytesText(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// fill inserts rows of one intent, counted from first.
func (x *outbox) fill(first, n int) {
	x.Helper()
	head, tail, _ := strings.Cut(triggerIntent("FILL@", ""), "@")
	x.exec(map[string]string{
		"postgres": fmt.Sprintf("INSERT INTO ecpayq_outbox (intent) SELECT '%s' || i || '%s' FROM generate_series(%d, %d) i",
			head, tail, first, first+n-1),
		"mysql": fmt.Sprintf("INSERT INTO ecpayq_outbox (intent) SELECT CONCAT('%s', seq, '%s') FROM seq_%d_to_%d",
			head, tail, first, first+n-1),
	}[x.kind])
}

// size is how many bytes the table and its index take on disk.
func (x *outbox) size() (n int64) {
	x.Helper()
	x.must(x.shop.QueryRowContext(x.Context(), map[string]string{
		"postgres": "SELECT pg_total_relation_size('ecpayq_outbox')",
		"mysql": "SELECT FILE_SIZE FROM information_schema.INNODB_SYS_TABLESPACES " +
			"WHERE NAME = CONCAT(DATABASE(), '/ecpayq_outbox')",
	}[x.kind]).Scan(&n))
	return n
}
