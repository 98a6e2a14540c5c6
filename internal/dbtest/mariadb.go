package dbtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ecpayq/ecpayq/internal/child"
)

// StartMariaDB starts a MariaDB with the superuser root, who may come from
// anywhere that is this machine, and an empty database test. It returns when
// the server answers a query. ctx bounds the start only. The error wraps
// ErrNotInstalled if there is no MariaDB to start; others carry the end of the
// server's log.
//
// Its character set is utf8mb4, as in Debian's configuration and unlike the
// server's own default; its binary log is off, as by default.
func StartMariaDB(ctx context.Context, opts Options) (*Server, error) {
	server, err := findAny(mariadbPackages, "mariadbd", "mysqld")
	if err != nil {
		return nil, err
	}
	install, err := findAny(mariadbPackages, "mariadb-install-db", "mysql_install_db")
	if err != nil {
		return nil, err
	}
	as, err := child.Unprivileged("mysql")
	if err != nil {
		return nil, fmt.Errorf("dbtest: MariaDB: %w", err)
	}
	return start(ctx, &mariadb{server: server, install: install}, as, opts)
}

// mariadbPackages bring the server without the service that would start one,
// and a program that mariadb-install-db runs.
const mariadbPackages = "mariadb-server-core mariadb-client-core"

type mariadb struct{ server, install string }

func (*mariadb) title() string             { return "MariaDB" }
func (*mariadb) stopSignal() child.Signal  { return child.SigTerm }
func (*mariadb) quickSignal() child.Signal { return child.SigKill }

// base are the arguments that the making of the data and the server share.
func (e *mariadb) base(s *Server) []string {
	// The first one has to be the first. Every mariadbd that starts deletes the temporary tables in
	// its tmpdir, those of another one too. The log is 96 MiB by default, all of which is written at once.
	return []string{
		"--no-defaults", "--datadir=" + s.path("data"), "--tmpdir=" + s.path("tmp"), "--skip-name-resolve", "--innodb-log-file-size=16M",
	}
}

func (e *mariadb) create(ctx context.Context, s *Server) error {
	for _, dir := range []string{"data", "tmp"} {
		if err := os.Mkdir(s.path(dir), 0o700); err != nil {
			return err
		}
		if err := s.as.Own(s.path(dir)); err != nil {
			return err
		}
	}
	// Never with --user: as root, it would then give a directory of the installed server
	// (auth_pam_tool_dir) to that user.
	return s.run(ctx, child.Command{
		Bin: e.install,
		Args: append(e.base(s), "--auth-root-authentication-method=normal", "--skip-test-db",
			// Most of the time went into waiting for the disk.
			"--debug-no-sync", "--innodb-flush-method=nosync"),
		Log: s.path("install.log"),
	})
}

func (e *mariadb) command(s *Server, port int) (child.Command, error) {
	args := append(e.base(s),
		"--skip-networking=0", "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port),
		"--socket="+s.path("mysqld.sock"), "--pid-file="+s.path("mysqld.pid"),
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
	)
	if s.opts.NoSync {
		// Not 0, which keeps commits in the server's own memory for a second.
		args = append(args, "--innodb-flush-log-at-trx-commit=2", "--debug-no-sync", "--innodb-flush-method=nosync")
	}
	if s.opts.TLS {
		args = append(args, "--ssl-ca="+s.path("ca.pem"), "--ssl-cert="+s.path("server.pem"), "--ssl-key="+s.path("server.key"),
			"--require-secure-transport=ON")
	}
	return child.Command{Bin: e.server, Args: append(args, s.opts.Args...), OnDeath: child.SigKill}, nil
}

func (e *mariadb) probe(ctx context.Context, s *Server) error {
	db, err := e.connect(s, "mysql")
	if err != nil {
		return err
	}
	defer db.Close()
	var dir string
	err = db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&dir)
	if err == nil && filepath.Clean(dir) != s.path("data") {
		return fmt.Errorf("another MariaDB answers there, of %s", dir)
	}
	return err
}

func (e *mariadb) finish(ctx context.Context, s *Server) error {
	db, err := e.connect(s, "mysql")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS test"); err != nil {
		return err
	}
	if s.opts.Password == "" {
		return nil
	}
	// There is a root for the name of this machine too, which a server that
	// resolves no names does not know, and so cannot alter.
	if _, err := db.ExecContext(ctx, `DELETE FROM mysql.global_priv WHERE Host NOT IN ('localhost', '127.0.0.1', '::1')`); err != nil {
		return err
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("ALTER USER 'root'@'%s' IDENTIFIED BY '%s'", host, s.opts.Password)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = s.opts.Password
	return nil
}

func (*mariadb) url(s *Server, database string) string {
	if database == "" {
		database = "test"
	}
	u := url.URL{Scheme: "mysql", User: url.User("root"), Host: s.Addr(), Path: "/" + database}
	if password := s.currentPassword(); password != "" {
		u.User = url.UserPassword("root", password)
	}
	if s.opts.TLS {
		u.RawQuery = url.Values{"tls": {"true"}, "ca_file": {s.CA()}}.Encode()
	}
	return u.String()
}

func (e *mariadb) open(s *Server, database string) (*sql.DB, error) {
	if database == "" {
		database = "test"
	}
	return e.connect(s, database)
}

func (e *mariadb) connect(s *Server, database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = "root", s.currentPassword(), "tcp", s.Addr(), database
	cfg.ParseTime, cfg.Loc, cfg.MultiStatements = true, time.UTC, true
	cfg.Logger = &mysql.NopLogger{} // errors are returned too
	if s.opts.TLS {
		pem, err := os.ReadFile(s.CA())
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New(s.CA() + " has no certificate")
		}
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1", RootCAs: pool}
	}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

func (e *mariadb) createDatabase(ctx context.Context, s *Server, name string) error {
	db, err := e.connect(s, "mysql")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE DATABASE `"+strings.ReplaceAll(name, "`", "``")+"`")
	return err
}

func (*mariadb) socket(s *Server, _ int) string { return s.path("mysqld.sock") }

func (*mariadb) release(*Server) error { return nil }
