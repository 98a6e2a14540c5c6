//go:build unix

package dbtest_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/dbtest"
)

var _ dbtest.TB = (testing.TB)(nil)

// limit is far beyond what a test takes: a machine that is busy is no failure.
const limit = 3 * time.Minute

// TestMain serves as the program that the tests of orphans kill.
func TestMain(m *testing.M) {
	if kind := os.Getenv("DBTEST_PARENT"); kind != "" {
		if err := parent(kind, os.Getenv("DBTEST_PARENT_DIR")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// parent starts a server, prints its pid and address, and waits for its end.
func parent(kind, dir string) error {
	start := dbtest.StartPostgres
	if kind == "MariaDB" {
		start = dbtest.StartMariaDB
	}
	s, err := start(context.Background(), dbtest.Options{Dir: dir, NoSync: true})
	if err != nil {
		return err
	}
	db, err := s.DB("")
	if err != nil {
		return err
	}
	if kind == "PostgreSQL, busy" {
		begun := make(chan error)
		go func() {
			c, err := db.Conn(context.Background())
			begun <- err
			_, _ = c.ExecContext(context.Background(), "SELECT count(*) FROM generate_series(1, 1000000000000)")
		}()
		if err := <-begun; err != nil {
			return err
		}
		for n := 0; n == 0; { // until it computes
			err := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1, 1%'" +
				" AND pid <> pg_backend_pid()").Scan(&n)
			if err != nil {
				return err
			}
		}
	}
	if kind == "PostgreSQL, paused" {
		s.Pause()
	}
	fmt.Println(s.PID(), s.Addr())
	_, err = io.Copy(io.Discard, os.Stdin) // until we are killed, or our own parent is
	return err
}

// kinds are the servers that data is kept in.
var kinds = []struct {
	name     string
	start    func(dbtest.TB, ...dbtest.Options) *dbtest.Server
	try      func(context.Context, dbtest.Options) (*dbtest.Server, error)
	sleep    string // a statement that lasts a minute
	database string // that tells the name of the database
}{
	{"PostgreSQL", dbtest.Postgres, dbtest.StartPostgres, "SELECT pg_sleep(60)", "SELECT current_database()"},
	{"MariaDB", dbtest.MariaDB, dbtest.StartMariaDB, "SELECT SLEEP(60)", "SELECT DATABASE()"},
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls ok until it is content or ctx ends.
func eventually(t *testing.T, ctx context.Context, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v: %v", what, ctx.Err(), err)
		}
	}
}

func exec(t *testing.T, ctx context.Context, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// value returns the one value that a query has, as text.
func value(t *testing.T, ctx context.Context, db *sql.DB, query string) string {
	t.Helper()
	var v string
	if err := db.QueryRowContext(ctx, query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
