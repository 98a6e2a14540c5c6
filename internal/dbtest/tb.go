package dbtest

import (
	"context"
	"database/sql"
	"os"
)

// TB is the part of testing.TB that the functions for tests need, so that this
// package does not link the testing package into programs.
type TB interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
	Failed() bool
}

// Postgres is StartPostgres for a test. It fails the test when that is not
// possible. At the end of the test it ends the server, prints its log into a
// test that failed, and removes its directory unless Options.Dir was given.
// More than one Options is an error.
func Postgres(tb TB, opts ...Options) *Server {
	tb.Helper()
	return forTest(tb, StartPostgres, opts)
}

// MariaDB is StartMariaDB for a test, as Postgres is StartPostgres.
func MariaDB(tb TB, opts ...Options) *Server {
	tb.Helper()
	return forTest(tb, StartMariaDB, opts)
}

// PgBouncer is StartPgBouncer for a test, as Postgres is StartPostgres.
func PgBouncer(tb TB, server *Server, opts ...Options) *Server {
	tb.Helper()
	return forTest(tb, func(ctx context.Context, o Options) (*Server, error) { return StartPgBouncer(ctx, server, o) }, opts)
}

func forTest(tb TB, start func(context.Context, Options) (*Server, error), opts []Options) *Server {
	tb.Helper()
	var o Options
	switch len(opts) {
	case 0:
	case 1:
		o = opts[0]
	default:
		tb.Fatalf("dbtest: a server takes one Options, got %d", len(opts))
		return nil
	}
	ownDir := o.Dir == ""
	if ownDir {
		// Not the test's own: the user whom PostgreSQL runs as could not reach it, and its
		// path, which has the test's name, may be too long for a socket.
		var err error
		if o.Dir, err = os.MkdirTemp("", "dbtest-"); err != nil {
			tb.Fatalf("dbtest: %v", err)
			return nil
		}
		tb.Cleanup(func() {
			if err := os.RemoveAll(o.Dir); err != nil {
				tb.Logf("dbtest: %v", err)
			}
		})
	}
	s, err := start(tb.Context(), o)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("log of %s %s:\n%s", s.eng.title(), s.Addr(), s.Log())
		}
		if err := s.discard(); err != nil {
			tb.Logf("%v", err)
		}
	})
	return s
}

// Database is CreateDatabase for a test: it makes a database, so that several
// tests share a server, and returns its URL.
func (s *Server) Database(tb TB, name string) string {
	tb.Helper()
	u, err := s.CreateDatabase(tb.Context(), name)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return u
}

// Open is DB for a test: a pool of connections to the database of URL, which is
// closed at the end of the test.
func (s *Server) Open(tb TB) *sql.DB {
	tb.Helper()
	return s.OpenDatabase(tb, "")
}

// OpenDatabase is Open for a database that Database made.
func (s *Server) OpenDatabase(tb TB, name string) *sql.DB {
	tb.Helper()
	db, err := s.DB(name)
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		s.Resume()     // the goodbye to a paused server would last seconds
		_ = db.Close() // a connection that was broken says so again
	})
	return db
}
