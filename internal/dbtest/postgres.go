package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ecpayq/ecpayq/internal/child"
)

// StartPostgres starts a PostgreSQL with the superuser postgres and returns
// when it answers a query. ctx bounds the start only. The error wraps
// ErrNotInstalled if there is no PostgreSQL to start; others carry the end of
// the server's log.
func StartPostgres(ctx context.Context, opts Options) (*Server, error) {
	bin, err := findPostgres(debianPostgres)
	if err != nil {
		return nil, err
	}
	as, err := child.Unprivileged("postgres")
	if err != nil {
		return nil, fmt.Errorf("dbtest: PostgreSQL: %w", err)
	}
	return start(ctx, &postgres{bin: bin}, as, opts)
}

type postgres struct{ bin string }

func (*postgres) title() string             { return "PostgreSQL" }
func (*postgres) stopSignal() child.Signal  { return child.SigInt }
func (*postgres) quickSignal() child.Signal { return child.SigQuit }

func (e *postgres) create(ctx context.Context, s *Server) error {
	args := []string{"-D", s.path("data"), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"}
	if s.opts.Password == "" {
		args = append(args, "-A", "trust")
	} else {
		file := s.path("password")
		if err := os.WriteFile(file, []byte(s.opts.Password+"\n"), 0o600); err != nil {
			return err
		}
		defer os.Remove(file)
		if err := s.as.Own(file); err != nil {
			return err
		}
		args = append(args, "-A", "scram-sha-256", "--pwfile", file)
	}
	if err := s.run(ctx, child.Command{Bin: filepath.Join(e.bin, "initdb"), Args: args, Log: s.path("initdb.log")}); err != nil {
		return err
	}
	s.password = s.opts.Password
	if !s.opts.TLS {
		return nil
	}
	method := "trust"
	if s.opts.Password != "" {
		method = "scram-sha-256"
	}
	hba := fmt.Sprintf("local all all %s\nhostssl all all 127.0.0.1/32 %s\n", method, method)
	return os.WriteFile(filepath.Join(s.path("data"), "pg_hba.conf"), []byte(hba), 0o600) // it is there, and keeps its owner
}

func (e *postgres) command(s *Server, port int) (child.Command, error) {
	set := map[bool]string{true: "on", false: "off"}
	args := []string{
		"-D", s.path("data"), "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", s.opts.Dir,
		"-c", "fsync=" + set[!s.opts.NoSync],
		// Files in the data directory rather than in /dev/shm, where a killed server leaves them.
		"-c", "dynamic_shared_memory_type=mmap",
	}
	if s.opts.TLS {
		args = append(args, "-c", "ssl=on", "-c", "ssl_cert_file="+s.path("server.pem"), "-c", "ssl_key_file="+s.path("server.key"))
	}
	// SIGQUIT makes it end its own children, busy ones too, and leave nothing behind.
	return child.Command{Bin: filepath.Join(e.bin, "postgres"), Args: append(args, s.opts.Args...), OnDeath: child.SigQuit}, nil
}

func (e *postgres) probe(ctx context.Context, s *Server) error {
	db, err := e.open(s, "")
	if err != nil {
		return err
	}
	defer db.Close()
	var dir string
	err = db.QueryRowContext(ctx, "SELECT current_setting('data_directory')").Scan(&dir)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "57P03" {
		return fmt.Errorf("%w: %w", errRecovering, err)
	}
	if err == nil && dir != s.path("data") {
		return fmt.Errorf("another PostgreSQL answers there, of %s", dir)
	}
	return err
}

func (*postgres) finish(context.Context, *Server) error { return nil }

func (*postgres) url(s *Server, database string) string { return postgresURL(s, database, s.CA()) }

func postgresURL(s *Server, database, ca string) string {
	if database == "" {
		database = "postgres"
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: s.Addr(), Path: "/" + database, RawQuery: "sslmode=disable"}
	if password := s.currentPassword(); password != "" {
		u.User = url.UserPassword("postgres", password)
	}
	if ca != "" {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {ca}}.Encode()
	}
	return u.String()
}

func (e *postgres) open(s *Server, database string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(e.url(s, database))
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*cfg), nil
}

func (e *postgres) createDatabase(ctx context.Context, s *Server, name string) error {
	db, err := e.open(s, "")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}

func (*postgres) socket(s *Server, port int) string { return s.path(".s.PGSQL." + strconv.Itoa(port)) }

func (*postgres) release(s *Server) error { return releaseShared(s.path("data")) }
