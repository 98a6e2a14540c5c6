package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
)

// measureOutbox measures how what a shop commits with its order comes from its database to
// Redis, and to ECPay, on PostgreSQL beside River.
func measureOutbox(ctx context.Context, l *lab) ([]Line, error) {
	lines, err := l.shopsOn(ctx, postgres)
	if err != nil {
		return nil, err
	}
	more, err := l.shopsOn(ctx, mariadb)
	return append(lines, more...), err
}

// databaseKind is a database that a shop may have.
type databaseKind struct {
	name, kind string // the latter as relay.Schema has it
	boot       func(context.Context, dbtest.Options) (*dbtest.Server, error)
	notify     bool   // a commit wakes the relay, which looks every so often else
	version    string // the statement that tells it
	settle     string // the statement that does at once what the server has put off; empty where there is none
	ways       []way

	rate, p50, p99 []goal
}

// way is one in which what was committed is carried on.
type way struct {
	name   string
	drains string // the part that carries it to Redis, or does nothing where the way needs no Redis
	works  string // the part that carries it to ECPay
	open   func(context.Context, shop) (outbox, error)
}

var (
	byRelay = way{ours, partRelay, partOurs, newTable}
	byRiver = way{riverQueue, partRiver, partRiver, newRiverJobs}

	postgres = databaseKind{
		name: "PostgreSQL", kind: "postgres", boot: dbtest.StartPostgres, notify: true,
		version: "SELECT split_part(current_setting('server_version'), ' ', 1)", settle: "CHECKPOINT", ways: []way{byRelay, byRiver},
		rate: []goal{atLeast(1.5).times(riverQueue)}, p50: []goal{atMost(10)}, p99: []goal{atMost(50)},
	}
	mariadb = databaseKind{
		name: "MariaDB", kind: "mysql", boot: dbtest.StartMariaDB,
		version: "SELECT substring_index(version(), '-', 1)", ways: []way{byRelay},
		p99: []goal{atMost(300)},
	}
)

// outbox is where a shop commits what is to be done.
type outbox interface {
	// fill commits the first n intents of a merchant together.
	fill(ctx context.Context, n int) error
	// commit commits the i-th intent.
	commit(ctx context.Context, i int) error
	// drained tells whether all that fill committed was carried on.
	drained(ctx context.Context) (bool, error)
	Close() error
}

// shops is a server on which each run has a database of its own.
type shops struct {
	*lab
	databaseKind
	server *dbtest.Server
	db     *sql.DB // of no shop
	made   int
}

// shop is the database of one run.
type shop struct {
	databaseKind
	url string
	db  *sql.DB
}

func (l *lab) shopsOn(ctx context.Context, k databaseKind) (_ []Line, err error) {
	l.Progress(fmt.Sprintf("%s: starting %s", l.figure, k.name))
	s := &shops{lab: l, databaseKind: k}
	if s.server, err = k.boot(ctx, dbtest.Options{}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.server.Stop()) }()
	if s.db, err = s.server.DB(""); err != nil {
		return nil, err
	}
	defer s.db.Close()
	return s.measure(ctx)
}

func (s *shops) measure(ctx context.Context) ([]Line, error) {
	var version string
	if err := s.db.QueryRowContext(ctx, s.version).Scan(&version); err != nil {
		return nil, err
	}
	var drains, commits []variant
	for _, by := range s.ways {
		drains = append(drains, variant{by.name, func(ctx context.Context) (map[string]float64, error) { return s.drain(ctx, by) }})
		commits = append(commits, variant{by.name, func(ctx context.Context) (map[string]float64, error) { return s.commits(ctx, by) }})
	}
	m, err := s.alternate(ctx, ", rows of "+s.name, drains...)
	if err != nil {
		return nil, err
	}
	lines := s.drainLines(m, s.name+" "+version)
	if m, err = s.alternate(ctx, ", commits to "+s.name, commits...); err != nil {
		return nil, err
	}
	how := map[bool]string{true: "NOTIFY", false: "polling"}[s.notify]
	return append(lines,
		m.line("p50", fmt.Sprintf("commit returned until request at ECPay, %s with %s, p50", s.name, how), "ms", s.p50...),
		m.line("p99", "the same, p99", "ms", s.p99...)), nil
}

func (s *shops) drainLines(m measured, name string) []Line {
	n := Number(float64(s.sizes.outbox))
	what, process := n+" rows of "+name+" into Redis by one relay", "the relay"
	if len(s.ways) > 1 {
		what, process = what+"; as many no-op jobs", "the relay; of River's client"
	}
	lines := []Line{m.line("rate", what, "/s", s.rate...)}
	for _, of := range []struct{ key, name string }{{"database", s.name}, {"process", process}, {"redis", "Redis"}} {
		if len(m.runs[of.key]) > 0 {
			lines = append(lines, m.line(of.key, "the same: processor time of "+of.name, "µs a row"))
		}
	}
	return lines
}

// in runs f in a world of its own with a database of its own, which is new: neither is its
// table analyzed, as autovacuum gets there once a minute at most.
func (s *shops) in(ctx context.Context, by way, f func(*world, outbox, order) (map[string]float64, error)) (map[string]float64, error) {
	return s.lab.in(ctx, everysec, func(w *world) (_ map[string]float64, err error) {
		s.made++
		sh, name := shop{databaseKind: s.databaseKind}, fmt.Sprintf("shop%d", s.made)
		if sh.url, err = s.server.CreateDatabase(ctx, name); err != nil {
			return nil, err
		}
		defer func() { // else the server would clean it up during the next run
			_, derr := s.db.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name)
			err = errors.Join(err, derr)
		}()
		if sh.db, err = s.server.DB(name); err != nil {
			return nil, err
		}
		defer sh.db.Close()
		box, err := by.open(ctx, sh)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, box.Close()) }()
		o := w.order(ourSide)
		o.DatabaseURL, o.Listen = sh.url, s.notify
		return f(w, box, o)
	})
}

// drain measures how fast rows that are there are carried on, from the moment when what
// carries them is ready until none is left.
func (s *shops) drain(ctx context.Context, by way) (map[string]float64, error) {
	n := s.sizes.outbox
	return s.in(ctx, by, func(w *world, box outbox, o order) (_ map[string]float64, err error) {
		if err := box.fill(ctx, n); err != nil {
			return nil, err
		}
		if s.settle != "" {
			if _, err := s.db.ExecContext(ctx, s.settle); err != nil {
				return nil, err
			}
		}
		o.ECPayURL = ""
		databaseBefore, _ := familySeconds(s.server.PID())
		redisBefore, err := w.redisCPU(ctx)
		if err != nil {
			return nil, err
		}
		p, err := s.start(ctx, by.drains, o)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		took, err := untilDrained(ctx, box)
		if err != nil {
			return nil, err
		}
		database, known := familySeconds(s.server.PID())
		process, _ := cpuSeconds(p.cmd.Process.Pid)
		redis, err := w.redisCPU(ctx)
		if err != nil {
			return nil, err
		}
		out, each := map[string]float64{"rate": float64(n) / took.Seconds()}, 1e6/float64(n)
		if known {
			out["database"], out["process"] = each*(database-databaseBefore), each*process
		}
		if by.name != ours {
			return out, nil
		}
		out["redis"] = each * (redis - redisBefore)
		pending, err := w.pending(ctx)
		if err == nil && pending != n {
			err = fmt.Errorf("%d tasks are pending, want %d", pending, n)
		}
		return out, err
	})
}

func untilDrained(ctx context.Context, box outbox) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	for {
		done, err := box.drained(ctx)
		took := time.Since(start)
		if err == nil && done {
			return took, nil
		}
		if err == nil {
			err = redistest.Sleep(ctx, 5*time.Millisecond)
		}
		if err != nil {
			return 0, fmt.Errorf("not all rows are carried on: %w", err)
		}
	}
}

// commits gives what is idle one intent after the other, after random pauses.
func (s *shops) commits(ctx context.Context, by way) (map[string]float64, error) {
	n := s.sizes.commits
	return s.in(ctx, by, func(w *world, box outbox, o order) (_ map[string]float64, err error) {
		if err := w.ecpay.stage(ctx, n); err != nil {
			return nil, err
		}
		p, err := s.start(ctx, by.works, o)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		returned := map[string]time.Time{}
		for i := range n {
			// Over two polls, so that every moment between them is as likely as another.
			if err := redistest.Sleep(ctx, 20*time.Millisecond+rand.N(2*relay.DefaultPoll)); err != nil {
				return nil, err
			}
			if err := box.commit(ctx, i); err != nil {
				return nil, err
			}
			returned[subject(i)] = time.Now()
		}
		late, err := w.delays(ctx, returned)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"p50": quantile(late, 0.5), "p99": quantile(late, 0.99)}, nil
	})
}
