package relay

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// Times of a connection to the database. The drivers have none by default.
const (
	dialTimeout = 5 * time.Second
	// netTimeout is how long one answer takes at most.
	netTimeout = 20 * time.Second
	// idleInClaim is after how long the database ends a claim whose relay says nothing, so that
	// the rows of one that was stopped are free for another. It is longer than a relay needs for
	// Redis, see claimTimeout.
	idleInClaim = 30 * time.Second
	// lockTimeout is how long what a person does waits for a row that another transaction has: less than anybody
	// waits for the answer.
	lockTimeout = 10 * time.Second
	// ordersTimeout is how long a query of the shop's may take in PostgreSQL.
	ordersTimeout = 10 * time.Minute
	// idleConn is less, since MySQL has one limit for both.
	idleConn = 20 * time.Second
	// connLife bounds how long a server is looked at that another one has replaced, and that says nothing of it.
	connLife = 5 * time.Minute
)

const idleConns = 2

// Database is one that has the table.
type Database struct {
	dialect
	// Warnings say what is not safe about the URL.
	Warnings []string

	postgres *pgx.ConnConfig // nil for MySQL
	mysql    *mysql.Config
}

// Errors of [ParseURL]. None quotes the URL, which has a password.
var (
	errURL = errors.New(`database URL is malformed; it looks like "postgres://user:password@host:5432/shop" or ` +
		`"mysql://user:password@host:3306/shop", with reserved characters of user and password percent-encoded`)
	errNoDatabase = errors.New("database URL names no database; it looks like mysql://user:password@host:3306/shop")
)

// ParseURL reads the URL of a database:
//
//	postgres://user:password@host:5432/shop[?sslmode=…&sslrootcert=FILE&…]   as libpq has it
//	mysql://user:password@host:3306/shop[?tls=…&ca_file=FILE&socket=PATH]    MySQL and MariaDB
//
// A host that is not loopback is reached by TLS, with its certificate verified, unless sslmode or
// tls says otherwise: sslmode=disable or tls=false is a connection in the clear, and is warned of.
// What falls back to one silently (sslmode allow and prefer) or verifies nothing (tls=skip-verify)
// is refused.
func ParseURL(s string) (*Database, error) {
	u, err := url.Parse(s)
	// An @ without a user before it is that of a password with a character that is not percent-encoded.
	if err != nil || u.Fragment != "" || u.User == nil && strings.Contains(u.Path+u.RawQuery, "@") {
		return nil, errURL
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return parsePostgres(u)
	case "mysql", "mariadb":
		return parseMySQL(u)
	}
	return nil, errURL
}

func parsePostgres(u *url.URL) (*Database, error) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errURL
	}
	db := &Database{dialect: postgres}
	mode := q.Get("sslmode")
	switch remote := slices.ContainsFunc(postgresHosts(u, q), func(h string) bool { return !local(h) }); {
	case mode == "" && remote:
		q.Set("sslmode", "verify-full")
	case mode == "":
		q.Set("sslmode", "disable")
	case mode == "allow", mode == "prefer":
		return nil, fmt.Errorf("database URL has sslmode=%s, which goes on in the clear when TLS fails; "+
			"use verify-full, or disable where the network is trusted", mode)
	case remote && mode != "verify-full":
		db.Warnings = append(db.Warnings, fmt.Sprintf("the URL of the outbox has sslmode=%s: whoever is between can read or change "+
			"what is stored; use verify-full", mode))
	}
	u.RawQuery = q.Encode()
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("database URL is refused: %s", plainConfigError(err, q))
	}
	cfg.ConnectTimeout = dialTimeout
	// Text is UTF-8 here, whatever the encoding of the database is.
	cfg.RuntimeParams["client_encoding"], cfg.RuntimeParams["application_name"] = "UTF8", "ecpayq"
	if q.Get("default_query_exec_mode") == "" {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // it needs no prepared statement, which PgBouncer may have elsewhere
	}
	db.postgres = cfg
	return db, nil
}

// plainConfigError is the reason alone: the text of the error has the URL with its password cut out
// by a pattern, and a reason may be a piece of it. Nor are values of options told.
func plainConfigError(err error, q url.Values) string {
	inner := errors.Unwrap(err)
	if inner == nil {
		return "see the options of libpq"
	}
	text := inner.Error()
	for name, values := range q {
		for _, v := range values {
			text = strings.ReplaceAll(text, strconv.Quote(v), "that of "+name)
		}
	}
	return text
}

func postgresHosts(u *url.URL, q url.Values) []string {
	var hosts []string
	for _, h := range strings.Split(u.Host, ",") {
		name, _, err := net.SplitHostPort(h)
		if err != nil {
			name = strings.Trim(h, "[]")
		}
		hosts = append(hosts, name)
	}
	if more := q.Get("host"); more != "" {
		hosts = strings.Split(more, ",")
	}
	return hosts
}

// local reports whether a host is this machine: nobody is between.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

func parseMySQL(u *url.URL) (*Database, error) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errURL
	}
	for name, v := range q {
		if !slices.Contains([]string{"tls", "ca_file", "socket"}, name) || len(v) > 1 {
			return nil, errors.New("database URL has an option that is unknown or there twice; mysql:// has tls, ca_file and socket")
		}
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	if cfg.DBName = strings.TrimPrefix(u.Path, "/"); cfg.DBName == "" || strings.Contains(cfg.DBName, "/") {
		return nil, errNoDatabase
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	if s := q.Get("socket"); s != "" {
		cfg.Net, cfg.Addr = "unix", s
	} else if u.Hostname() == "" {
		return nil, errURL
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialTimeout, netTimeout, netTimeout
	cfg.InterpolateParams = true
	cfg.Collation = "utf8mb4_bin"
	cfg.Logger = &mysql.NopLogger{} // what it would write to stderr is in the errors
	cfg.Params = map[string]string{
		"time_zone": "'+00:00'", "autocommit": "1", "wait_timeout": fmt.Sprint(int(idleInClaim.Seconds())),
		"innodb_lock_wait_timeout": fmt.Sprint(int(lockTimeout.Seconds())),
	}
	db := &Database{dialect: mysqlDialect, mysql: cfg}
	return db, db.secureMySQL(u.Hostname(), q)
}

func (db *Database) secureMySQL(host string, q url.Values) error {
	mode := q.Get("tls")
	remote := db.mysql.Net == "tcp" && !local(host)
	switch {
	case mode == "false", mode == "" && !remote && q.Get("ca_file") == "":
		if remote {
			db.Warnings = append(db.Warnings, "the URL of the outbox has tls=false: whoever is between can read or change what is stored")
		}
		return nil
	case mode != "" && mode != "true":
		return errors.New("database URL has a tls that is neither true nor false; a certificate that nobody verifies is worth nothing, " +
			"ca_file names the authority of your own")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if file := q.Get("ca_file"); file != "" {
		var err error
		if c.RootCAs, err = redisx.Authorities(file); err != nil {
			return fmt.Errorf("database URL: %w", err)
		}
	}
	db.mysql.TLS = c
	return nil
}

// Open makes no connection yet.
func (db *Database) Open() (*sql.DB, error) {
	var pool *sql.DB
	if db.postgres != nil {
		cfg := db.postgres.Copy()
		// What is interrupted is ended at the server, too: it would go on, and wait for locks.
		cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Second}
		}
		pool = stdlib.OpenDB(*cfg)
	} else {
		c, err := mysql.NewConnector(db.mysql)
		if err != nil {
			return nil, errURL
		}
		pool = sql.OpenDB(c)
	}
	pool.SetMaxOpenConns(4) // a claim, a scrape, what is told to Redis, and one more
	pool.SetMaxIdleConns(idleConns)
	pool.SetConnMaxIdleTime(idleConn)
	pool.SetConnMaxLifetime(connLife)
	return pool, nil
}

// Notifies reports whether commits can wake a relay.
func (db *Database) Notifies() bool { return db.postgres != nil }

// String names the database without its password.
func (db *Database) String() string {
	if c := db.postgres; c != nil {
		return fmt.Sprintf("postgres %s:%d/%s", c.Host, c.Port, c.Database)
	}
	return fmt.Sprintf("mysql %s/%s", db.mysql.Addr, db.mysql.DBName)
}
