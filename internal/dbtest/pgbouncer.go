package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ecpayq/ecpayq/internal/child"
)

// StartPgBouncer starts a PgBouncer that pools transactions in front of a
// PostgreSQL of StartPostgres, and returns when a query through it is
// answered. It serves every database and every user of that server, with their
// passwords if Options.Password of the server is set. It has Options.Args,
// Dir and Port of its own; other options are an error. ctx bounds the start
// only. The error wraps ErrNotInstalled if there is no PgBouncer to start;
// others carry the end of its log.
//
// Whether prepared statements work through it depends on its version: from
// 1.21 on they do.
func StartPgBouncer(ctx context.Context, server *Server, opts Options) (*Server, error) {
	if _, ok := server.eng.(*postgres); !ok {
		return nil, fmt.Errorf("dbtest: PgBouncer: its server is a %s", server.eng.title())
	}
	if opts.Password != "" || opts.TLS || opts.NoSync {
		return nil, errors.New("dbtest: PgBouncer has no Password, TLS or NoSync of its own")
	}
	bin, err := findAny("pgbouncer", "pgbouncer")
	if err != nil {
		return nil, err
	}
	as, err := child.Unprivileged("postgres")
	if err != nil {
		return nil, fmt.Errorf("dbtest: PgBouncer: %w", err)
	}
	return start(ctx, &pgbouncer{bin: bin, server: server}, as, opts)
}

type pgbouncer struct {
	bin    string
	server *Server
}

func (*pgbouncer) title() string             { return "PgBouncer" }
func (*pgbouncer) stopSignal() child.Signal  { return child.SigTerm } // it ends at once, SIGINT waits for clients
func (*pgbouncer) quickSignal() child.Signal { return child.SigKill }

func (e *pgbouncer) create(_ context.Context, s *Server) error {
	s.password = e.server.currentPassword()
	users := fmt.Sprintf("\"postgres\" %q\n", s.password)
	if err := os.WriteFile(s.path("users.txt"), []byte(users), 0o600); err != nil {
		return err
	}
	if e.server.opts.TLS {
		pem, err := os.ReadFile(e.server.CA())
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.path("server-ca.pem"), pem, 0o644); err != nil {
			return err
		}
	}
	return s.as.Own(s.path("users.txt"))
}

func (e *pgbouncer) command(s *Server, port int) (child.Command, error) {
	var b strings.Builder
	set := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	set("[databases]")
	set("* = host=127.0.0.1 port=%d", e.server.Port())
	set("[pgbouncer]")
	set("listen_addr = 127.0.0.1")
	set("listen_port = %d", port)
	set("unix_socket_dir =")
	set("pidfile = %s", s.path("pgbouncer.pid"))
	set("pool_mode = transaction")
	set("admin_users = postgres")
	set("auth_file = %s", s.path("users.txt"))
	set("auth_user = postgres") // who looks up the users that are not in the file
	if s.currentPassword() == "" {
		set("auth_type = trust")
	} else {
		set("auth_type = scram-sha-256")
	}
	if e.server.opts.TLS {
		set("server_tls_sslmode = verify-full")
		set("server_tls_ca_file = %s", s.path("server-ca.pem"))
	}
	for _, line := range s.opts.Args {
		set("%s", line)
	}
	ini := s.path("pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(b.String()), 0o600); err != nil {
		return child.Command{}, err
	}
	return child.Command{Bin: e.bin, Args: []string{ini}, OnDeath: child.SigKill}, s.as.Own(ini)
}

func (e *pgbouncer) probe(ctx context.Context, s *Server) error {
	console, err := e.open(s, "pgbouncer")
	if err != nil {
		return err
	}
	defer console.Close()
	rows, err := console.QueryContext(ctx, "SHOW CONFIG")
	if err != nil {
		return err
	}
	defer rows.Close()
	ours := false
	for rows.Next() {
		var key string
		var value, initial, changeable sql.NullString
		if err := rows.Scan(&key, &value, &initial, &changeable); err != nil {
			return err
		}
		ours = ours || key == "pidfile" && value.String == s.path("pgbouncer.pid")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !ours {
		return errors.New("another PgBouncer answers there")
	}
	db, err := e.open(s, "")
	if err != nil {
		return err
	}
	defer db.Close()
	var one int
	return db.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

func (*pgbouncer) finish(context.Context, *Server) error { return nil }

func (*pgbouncer) url(s *Server, database string) string { return postgresURL(s, database, "") }

func (e *pgbouncer) open(s *Server, database string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(e.url(s, database))
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	if database == "pgbouncer" {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // its console knows no other
	}
	return stdlib.OpenDB(*cfg), nil
}

func (e *pgbouncer) createDatabase(ctx context.Context, _ *Server, name string) error {
	return e.server.eng.createDatabase(ctx, e.server, name)
}

func (*pgbouncer) socket(*Server, int) string { return "" }

func (*pgbouncer) release(*Server) error { return nil }
