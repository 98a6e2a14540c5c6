package dbtest

import (
	"errors"
	"fmt"
	"strings"
)

// Options describes one server. The zero value is as durable as the server is
// by default, asks for no password and speaks no TLS.
type Options struct {
	// Dir holds the data, the socket, the certificates and the log, and is
	// created if it is missing; what is in it is not reused. Two servers must
	// not share one. The path of a socket in it must not exceed 107 bytes. For
	// root, it is given to the user whom the server runs as, who must be able
	// to reach it, which is not so for testing.T.TempDir.
	// Empty means a temporary directory, which Stop removes; the servers of
	// tests keep theirs until the end of the test.
	Dir string

	// Port is the TCP port on 127.0.0.1. Zero means a free one.
	Port int

	// Password is that of the superuser, and asked of every client. Empty
	// means that there is none. PgBouncer takes the one of its server.
	Password string

	// TLS makes the server offer TLS, with a certificate for 127.0.0.1 and
	// localhost from an authority of its own, and refuse TCP without it.
	// PgBouncer takes no TLS itself, and verifies that of its server.
	TLS bool

	// NoSync lets the server answer before its data is on the disk. Commits
	// still outlive Kill, as the operating system has the data by then; it is
	// a crash of the machine that would lose them. PgBouncer has nothing to
	// sync.
	NoSync bool

	// Args are further arguments of the running server, such as
	// "--synchronous_commit=off" for PostgreSQL or
	// "--transaction-isolation=READ-COMMITTED" for MariaDB; for PgBouncer they
	// are lines of its section [pgbouncer], such as "default_pool_size = 2".
	// They win over everything else here.
	Args []string
}

func (o Options) validate() error {
	if strings.ContainsAny(o.Password, "\r\n\"'\\ \t") {
		return errors.New("dbtest: a quote, a backslash or a space in Password")
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("dbtest: port %d is out of range", o.Port)
	}
	return nil
}
