package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/relay"
)

// Whoever has more rights than a producer needs may write rows that nobody expects.
func TestOddRowsAreRelayedToo(t *testing.T) {
	both(t, func(b *bench) {
		id := map[string]string{"postgres": "OVERRIDING SYSTEM VALUE ", "mysql": ""}[b.kind]
		b.exec("INSERT INTO ecpayq_outbox (id, intent) " + id + "VALUES (-5, '" + trigger("MINUS") + "')")
		if b.kind == "postgres" {
			b.exec("INSERT INTO ecpayq_outbox (intent, created_at) VALUES ('" + trigger("EVER") + "', 'infinity')")
		}
		b.insert(b.shop, "\u3000"+trigger("SPACE")+"\u00a0")
		if rows := b.rows(true); rows[0].ID != -5 || rows[len(rows)-1].TaskID == "" {
			b.Errorf("listed: %+v", rows)
		}
		b.once(nil)
		if n := b.count("1 = 1"); n != 0 || !b.inQueue("MINUS") || !b.inQueue("SPACE") {
			b.Errorf("%d rows are left", n)
		}
	})
}

// A policy that hides the deletion from the relay is told, and does not have it relay for ever.
func TestRowsThatCannotBeDeletedAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	b.insert(b.shop, trigger("KEPT"))
	for _, text := range []string{
		"ALTER TABLE ecpayq_outbox ENABLE ROW LEVEL SECURITY", "CREATE POLICY s ON ecpayq_outbox FOR SELECT USING (true)",
		"CREATE POLICY u ON ecpayq_outbox FOR UPDATE USING (true)",
	} {
		b.exec(text)
	}
	r, err := relay.New(b.config())
	b.must(err)
	defer func() { _ = r.Stop() }()
	if c, err := r.Once(b.Context()); err == nil || !strings.Contains(err.Error(), "deleted 0 of 1 rows") {
		t.Errorf("got %+v, %v", c, err)
	}
}

// Remnants in Redis keep their rows, more than are claimed at once, and none of those behind them.
func TestRowsThatStayKeepNobody(t *testing.T) {
	both(t, func(b *bench) {
		const stay, behind = 300, 600
		for i := range stay {
			task := asynqx.TaskKey("trigger_issue", "b2c.trigger_issue."+merchant+fmt.Sprintf(".STUCK%d", i))
			field := []string{"result", "msg"}[i%2] // without a task, and with one that cannot be read
			b.must(b.rdb.HSet(b.Context(), task, field, "x", "state", "pending").Err())
			b.insert(b.shop, trigger(fmt.Sprintf("STUCK%d", i)))
		}
		for i := range behind {
			b.insert(b.shop, trigger(fmt.Sprintf("BEHIND%d", i)))
		}
		r, err := relay.New(b.config())
		b.must(err)
		defer func() { _ = r.Stop() }()
		c, err := r.Once(b.Context())
		if err == nil || c.Stored != behind || c.Left != stay || b.count("1 = 1") != stay {
			b.Errorf("got %+v, %v; %d rows are left, want %d", c, err, b.count("1 = 1"), stay)
		}
		b.relay(nil)
		for i := range 3 {
			tsr := fmt.Sprintf("LATER%d", i)
			b.insert(b.shop, trigger(tsr))
			b.eventually(tsr+" is in the queue", func() bool { return b.inQueue(tsr) })
		}
	})
}

// Rows that policies hide are not relayed, and it is told that there may be some.
func TestPoliciesThatHideRowsAreTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policies []string
		hidden   bool
	}{
		"none":      {nil, true},
		"another's": {[]string{"CREATE POLICY p ON ecpayq_outbox TO postgres USING (true)"}, true},
		"some rows": {[]string{"CREATE POLICY p ON ecpayq_outbox USING (id > 100)"}, true},
		"all rows":  {[]string{"CREATE POLICY p ON ecpayq_outbox USING (true)"}, false},
		"a restriction": {[]string{
			"CREATE POLICY p ON ecpayq_outbox USING (true)", "CREATE POLICY r ON ecpayq_outbox AS RESTRICTIVE USING (id > 1)",
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "postgres", servers["postgres"])
			b.must(b.admin().Whole(b.Context()))
			b.exec("ALTER TABLE ecpayq_outbox ENABLE ROW LEVEL SECURITY")
			for _, text := range row.policies {
				b.exec(text)
			}
			err := b.admin().Whole(b.Context())
			if errors.Is(err, relay.ErrHidden) != row.hidden || (err == nil) == row.hidden {
				t.Errorf("got %v", err)
			}
			var log bytes.Buffer
			if row.hidden && b.database.Hint(err).IsZero() {
				t.Error("no hint")
			}
			done := make(chan struct{})
			var once sync.Once
			r := b.relay(func(c *relay.Config) {
				c.Logger = zerolog.New(&log).Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, text string) {
					if text == "rows of the outbox may never be relayed" {
						once.Do(func() { close(done) })
					}
				}))
			})
			if row.hidden {
				<-done
			} else {
				b.insert(b.shop, trigger("SEEN"))
				b.eventually("it is relayed", func() bool { return b.inQueue("SEEN") })
			}
			b.must(r.Stop())
			if got := strings.Contains(log.String(), "may never be relayed"); got != row.hidden {
				t.Errorf("logged: %s", log.String())
			}
		})
	}
}

// Nothing is relayed from a server that only reads, and the hint says why.
func TestAServerThatOnlyReadsIsTold(t *testing.T) {
	t.Parallel()
	for kind, change := range map[string]string{
		"postgres": "ALTER ROLE @ SET default_transaction_read_only = on", "mysql": "SET GLOBAL read_only = ON",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := servers[kind]
			if kind == "mysql" {
				server = starts[kind](t)
			}
			b := newBench(t, kind, server)
			b.insert(b.shop, "order 17")
			b.once(nil)
			b.exec(strings.ReplaceAll(change, "@", b.user))
			_, err := b.admin().Check(b.Context())
			if hint := b.database.Hint(err).En; !strings.Contains(hint, "replica") {
				t.Errorf("check: %v; hint %q", err, hint)
			}
			err = b.admin().Discard(b.Context(), b.rows(false)[0].ID)
			if hint := b.database.Hint(err).En; err == nil || !strings.Contains(hint, "replica") {
				t.Errorf("discard: %v; hint %q", err, hint)
			}
		})
	}
}

// A column holds times that no task can be put off to. They are wrong by the moment they mean, in
// whatever zone they are written.
func TestEndsOfProcessAt(t *testing.T) {
	both(t, func(b *bench) {
		rows := map[string]bool{
			"1970-01-01T00:00:00Z": true, "1970-01-01T00:00:00+08:00": false, "1969-12-31T23:59:59Z": false,
			"9998-12-31T23:59:59Z": true, "9999-01-01T07:59:59+08:00": true, "9998-12-31T23:59:59-08:00": false, "9999-01-01T00:00:00Z": false,
		}
		if b.kind == "mysql" {
			rows["@86400"] = false // as PostgreSQL is asked to tell it
		}
		want := map[string]bool{}
		for at, good := range rows {
			tsr := fmt.Sprintf("AT%d", len(want))
			want[tsr] = good
			b.exec("INSERT INTO ecpayq_outbox (intent, process_at) VALUES ('" + trigger(tsr) + "', '" + at + "')")
		}
		b.once(nil)
		for tsr, good := range want {
			if b.inQueue(tsr) != good {
				b.Errorf("%s in the queue: %t", tsr, !good)
			}
		}
		for _, r := range b.rows(false) {
			if !strings.Contains(r.Error, "1970") || !strings.Contains(r.ErrorZh, "1970") {
				b.Errorf("%+v", r)
			}
		}
	})
}

// Rows that are wrong by the hundred thousand make no claim slow but now and then, and all of them can be
// retried.
func TestManyRowsThatAreWrong(t *testing.T) {
	both(t, func(b *bench) {
		const n = 102_000
		b.exec(fmt.Sprintf(map[string]string{
			"postgres": "INSERT INTO ecpayq_outbox (intent, error) SELECT 'order ' || i, 'no JSON' FROM generate_series(1, %d) i",
			"mysql":    "INSERT INTO ecpayq_outbox (intent, error) SELECT CONCAT('order ', seq), 'no JSON' FROM seq_1_to_%d",
		}[b.kind], n))
		b.insert(b.shop, trigger("BEHIND"))
		a := b.admin()
		if s, err := a.State(b.Context()); err != nil || s.Waiting != 1 || s.Wrong < 100_000 || s.Wrong > n || s.Oldest <= 0 {
			b.Errorf("got %+v, %v", s, err)
		}
		if got, err := a.Wrong(b.Context()); err != nil || got != n {
			b.Errorf("%d rows are wrong, want %d (%v)", got, n, err)
		}
		if c := b.once(nil); c.Stored != 1 {
			b.Errorf("got %+v", c)
		}
		if got, err := a.RetryAll(b.Context()); err != nil || got != n || b.count("error IS NOT NULL") != 0 {
			b.Errorf("%d rows are retried, %d are wrong (%v)", got, b.count("error IS NOT NULL"), err)
		}
	})
}

// Acts are committed whatever the server's default is.
func TestActsAreCommittedWithoutAutocommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mysql", starts["mysql"](t))
	b.insert(b.shop, "order 17")
	b.once(nil)
	b.exec("SET GLOBAL autocommit = 0")
	b.must(b.admin().Discard(b.Context(), b.rows(false)[0].ID))
	if n := b.count("1 = 1"); n != 0 {
		t.Errorf("%d rows are left, want none", n)
	}
}
