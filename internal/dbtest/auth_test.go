//go:build unix

package dbtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"github.com/ecpayq/ecpayq/internal/dbtest"
)

// connect asks PostgreSQL one question over a connection of its own.
func connect(ctx context.Context, to string) (string, error) {
	c, err := pgx.Connect(ctx, to)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	var tls string
	err = c.QueryRow(ctx, "SELECT COALESCE((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), 'plain')").Scan(&tls)
	return tls, err
}

func TestPostgresPasswordAndTLS(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.Postgres(t, dbtest.Options{Password: "of-the-superuser", TLS: true})
	with := func(change func(*url.URL, url.Values)) string {
		u, err := url.Parse(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	socket := "@/postgres?host=" + url.QueryEscape(s.Dir()) + "&port=" + fmt.Sprint(s.Port())
	for _, c := range []struct {
		name, url, want, refused string
	}{
		{"URL", s.URL(), "TLSv1.3", ""},
		{"localhost", with(func(u *url.URL, _ url.Values) { u.Host = "localhost:" + u.Port() }), "TLSv1.3", ""},
		{"wrong password", with(func(u *url.URL, _ url.Values) { u.User = url.UserPassword("postgres", "wrong") }), "", "28P01"},
		{"no password", with(func(u *url.URL, _ url.Values) { u.User = url.User("postgres") }), "", "28P01"},
		{"another authority", with(func(_ *url.URL, q url.Values) { q.Set("sslrootcert", s.OtherCA()) }), "", "unknown authority"},
		{"no authority", with(func(_ *url.URL, q url.Values) { q.Del("sslrootcert") }), "", "unknown authority"},
		{"in the clear", with(func(_ *url.URL, q url.Values) { q.Set("sslmode", "disable"); q.Del("sslrootcert") }), "", "no encryption"},
		{"socket", "postgres://postgres:of-the-superuser" + socket, "plain", ""},
		{"socket, wrong password", "postgres://postgres:wrong" + socket, "", "28P01"},
	} {
		got, err := connect(ctx, c.url)
		switch {
		case c.refused == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: got %q, %v, want it refused with %q", c.name, got, err, c.refused)
		}
	}
	if _, err := os.Stat(s.Socket()); err != nil {
		t.Error(err)
	}
	// It lasts over a restart.
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := value(t, ctx, s.Open(t), "SHOW ssl"); got != "on" {
		t.Errorf("ssl is %s after Restart", got)
	}
}

func TestMariaDBPasswordAndTLS(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, limit)
	s := dbtest.MariaDB(t, dbtest.Options{Password: "of-the-superuser", TLS: true})
	if got, want := s.URL(), "mysql://root:of-the-superuser@"+s.Addr()+"/test?"; !strings.HasPrefix(got, want) {
		t.Errorf("URL() = %q, want it to begin with %q", got, want)
	}
	trust := func(file string) *tls.Config {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1", RootCAs: x509.NewCertPool()}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			t.Fatalf("%s has no certificate", file)
		}
		return c
	}
	for _, c := range []struct {
		name     string
		net      string
		addr     string
		password string
		tls      *tls.Config
		want     string
		refused  string
	}{
		{"by the authority", "tcp", s.Addr(), "of-the-superuser", trust(s.CA()), "TLSv1.3", ""},
		{"wrong password", "tcp", s.Addr(), "wrong", trust(s.CA()), "", "Access denied"},
		{"no password", "tcp", s.Addr(), "", trust(s.CA()), "", "Access denied"},
		{"another authority", "tcp", s.Addr(), "of-the-superuser", trust(s.OtherCA()), "", "unknown authority"},
		{"in the clear", "tcp", s.Addr(), "of-the-superuser", nil, "", "Access denied"}, // it says no more than that
		{"socket", "unix", s.Socket(), "of-the-superuser", nil, "", ""},
		{"socket, wrong password", "unix", s.Socket(), "wrong", nil, "", "Access denied"},
	} {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.TLS, cfg.Logger = "root", c.password, c.net, c.addr, c.tls, &mysql.NopLogger{}
		got, err := version(ctx, cfg)
		switch {
		case c.refused == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: got %q, %v, want it refused with %q", c.name, got, err, c.refused)
		}
	}
	// It lasts over a restart.
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := value(t, ctx, s.Open(t), "SELECT @@have_ssl"); got != "YES" {
		t.Errorf("have_ssl is %s after Restart", got)
	}
}

// version returns the version of TLS that a new connection has, or nothing.
func version(ctx context.Context, cfg *mysql.Config) (string, error) {
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	var name, value string
	err = db.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_version'").Scan(&name, &value)
	return value, err
}
