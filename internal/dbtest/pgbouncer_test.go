//go:build unix

package dbtest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/dbtest"
)

func TestPgBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.Postgres(t)
	b := dbtest.PgBouncer(t, s, dbtest.Options{Args: []string{"default_pool_size = 1"}})
	if b.Addr() == s.Addr() || b.URL() != strings.Replace(s.URL(), s.Addr(), b.Addr(), 1) {
		t.Errorf("URL() = %q, that of its server is %q", b.URL(), s.URL())
	}

	// Two clients, in turn, are two sessions for PostgreSQL and one through PgBouncer, where
	// the second also meets what the first has set.
	for _, c := range []struct {
		through  *dbtest.Server
		sessions int
		timeout  string
	}{
		{s, 2, "0"},
		{b, 1, "7min"},
	} {
		first, second := c.through.Open(t), c.through.Open(t)
		pids := map[string]bool{value(t, ctx, first, "SELECT pg_backend_pid()"): true}
		exec(t, ctx, first, "SET statement_timeout = '7min'")
		pids[value(t, ctx, second, "SELECT pg_backend_pid()")] = true
		if got := value(t, ctx, second, "SHOW statement_timeout"); len(pids) != c.sessions || got != c.timeout {
			t.Errorf("%d sessions and a timeout of %s, want %d and %s", len(pids), got, c.sessions, c.timeout)
		}
	}

	db := b.Open(t)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT 1 + $1::int", 41).Scan(&n); err != nil || n != 42 {
		t.Errorf("a query with an argument: %d, %v", n, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := value(t, ctx, s.Open(t), "SELECT count(*) FROM kept"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}

	if got := b.Database(t, "another"); !strings.Contains(got, b.Addr()+"/another") {
		t.Errorf("Database() = %q", got)
	}
	if got := value(t, ctx, b.OpenDatabase(t, "another"), "SELECT current_database()"); got != "another" {
		t.Errorf("connected to %q", got)
	}
}

func TestPgBouncerOutlivesWhatBothGoThrough(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.Postgres(t)
	b := dbtest.PgBouncer(t, s)
	db := b.Open(t)
	value(t, ctx, db, "SELECT 1")
	addr := b.Addr()

	b.Kill()
	if err := db.PingContext(ctx); err == nil {
		t.Error("a killed PgBouncer answers")
	}
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if b.Addr() != addr {
		t.Errorf("restarted on %s, want %s", b.Addr(), addr)
	}
	value(t, ctx, db, "SELECT 1")

	b.Pause()
	b.Resume()
	value(t, ctx, db, "SELECT 1")

	s.Kill()
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "waiting for PgBouncer to connect again", func() error {
		_, err := db.ExecContext(ctx, "SELECT 1")
		return err
	})
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	if b.PID() != 0 || s.PID() == 0 {
		t.Errorf("after a Stop of PgBouncer it is process %d and its server %d", b.PID(), s.PID())
	}
}

func TestPgBouncerPasswordAndTLS(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.Postgres(t, dbtest.Options{Password: "of-the-superuser", TLS: true})
	exec(t, ctx, s.Open(t), "CREATE ROLE clerk LOGIN PASSWORD 'of-the-clerk'")
	b := dbtest.PgBouncer(t, s)
	as := func(user *url.Userinfo) string {
		u, err := url.Parse(b.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User = user
		return u.String() + "&default_query_exec_mode=exec"
	}
	// PostgreSQL sees PgBouncer's own connection, which has TLS.
	for _, user := range []*url.Userinfo{url.UserPassword("postgres", "of-the-superuser"), url.UserPassword("clerk", "of-the-clerk")} {
		if got, err := connect(ctx, as(user)); err != nil || got != "TLSv1.3" {
			t.Errorf("%s: got %q, %v", user, got, err)
		}
	}
	for _, c := range []struct {
		user *url.Userinfo
		want string
	}{
		{url.UserPassword("postgres", "wrong"), "SASL authentication failed"},
		{url.User("postgres"), "SASL authentication failed"},
		{url.UserPassword("clerk", "of-the-superuser"), "SASL authentication failed"},
		{url.UserPassword("stranger", "wrong"), "no such user"},
	} {
		if got, err := connect(ctx, as(c.user)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want it refused with %q", c.user, got, err, c.want)
		}
	}
}

func TestPgBouncerRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.Postgres(t, dbtest.Options{NoSync: true})
	for _, c := range []struct {
		opts dbtest.Options
		want string
	}{
		{dbtest.Options{TLS: true}, "no Password, TLS or NoSync of its own"},
		{dbtest.Options{Args: []string{"no_such_setting = 1"}}, "no_such_setting"},
		{dbtest.Options{Port: s.Port()}, "port is taken"},
	} {
		if b, err := dbtest.StartPgBouncer(ctx, s, c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			if err == nil {
				_ = b.Stop()
			}
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
}
