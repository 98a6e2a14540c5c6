package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/ecpayq/ecpayq/internal/child"
)

const (
	startLimit = 2 * time.Minute  // for a server to answer, beside the caller's ctx; PostgreSQL may recover for longer
	stopGrace  = 30 * time.Second // between the signal to end in order and SIGKILL
)

// engine is what differs from one kind of server to the next.
type engine interface {
	// title is its name in messages.
	title() string
	// create makes what the server needs before its first start.
	create(ctx context.Context, s *Server) error
	// command is how to start the server on that port.
	command(s *Server, port int) (child.Command, error)
	// probe reports why the server does not serve, or that it is not ours
	// which answers there.
	probe(ctx context.Context, s *Server) error
	// finish completes the first start of a server that answers.
	finish(ctx context.Context, s *Server) error
	// url and open lead to a database of that name, and to the one that is
	// always there if it is empty.
	url(s *Server, database string) string
	open(s *Server, database string) (*sql.DB, error)
	// createDatabase makes one.
	createDatabase(ctx context.Context, s *Server, name string) error
	// socket is the path of the Unix socket of a server on that port.
	socket(s *Server, port int) string
	// stopSignal ends the server in order, and quickSignal at once.
	stopSignal() child.Signal
	quickSignal() child.Signal
	// release frees what a killed server left outside of its directory.
	release(s *Server) error
}

// Server is one database server on 127.0.0.1, or a PgBouncer. Its methods may
// be called from several goroutines; those that start, halt or end processes
// run one at a time.
type Server struct {
	opts   Options
	eng    engine
	as     *child.Account // nil means our own
	ownDir bool

	life sync.Mutex // held by Stop, Kill, Restart, Pause and Resume for all they do

	mu       sync.Mutex // guards what follows, only ever held briefly
	port     int
	proc     *child.Process // nil when no child is running
	password string         // what the server asks for now
	gone     bool           // Stop removed the directory
}

// start makes a server of eng.
func start(ctx context.Context, eng engine, as *child.Account, opts Options) (*Server, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Server{opts: opts, eng: eng, as: as}
	var err error
	if opts.Dir == "" {
		s.ownDir = true
		s.opts.Dir, err = os.MkdirTemp("", "dbtest-")
	} else if s.opts.Dir, err = filepath.Abs(opts.Dir); err == nil {
		err = os.MkdirAll(s.opts.Dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("dbtest: making the server's directory: %w", err)
	}
	s.life.Lock()
	defer s.life.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.terminate(s.eng.quickSignal()), s.eng.release(s), s.removeDir())
	}
	return s, nil
}

func (s *Server) begin(ctx context.Context) error {
	if err := s.as.Own(s.opts.Dir); err != nil {
		return fmt.Errorf("dbtest: making the server's directory: %w", err)
	}
	if len(s.eng.socket(s, 65535)) > socketLimit {
		return fmt.Errorf("dbtest: %s is too long a path for a socket in it", s.opts.Dir)
	}
	if s.opts.TLS {
		if err := s.writeCertificates(); err != nil {
			return fmt.Errorf("dbtest: certificates: %w", err)
		}
	}
	if err := s.eng.create(ctx, s); err != nil {
		return fmt.Errorf("dbtest: preparing %s: %w", s.eng.title(), err)
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return err
	}
	if err := s.eng.finish(ctx, s); err != nil {
		return fmt.Errorf("dbtest: setting up %s: %w", s.eng.title(), err)
	}
	return nil
}

// Addr returns host and port, as in "127.0.0.1:15432".
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())) }

// Port returns the TCP port.
func (s *Server) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.port
}

// Dir returns the directory of everything that the server has.
func (s *Server) Dir() string { return s.opts.Dir }

// Socket returns the path of the Unix socket, or nothing for PgBouncer, which
// has none here. It asks for the same password as TCP, and for no TLS. As a
// host of libpq and pgx, it is the socket's directory that counts: Dir.
func (s *Server) Socket() string { return s.eng.socket(s, s.Port()) }

// CA returns the path of the certificate of the authority that signed the
// server's, or nothing if Options.TLS is not set.
func (s *Server) CA() string {
	if !s.opts.TLS {
		return ""
	}
	return filepath.Join(s.opts.Dir, "ca.pem")
}

// OtherCA returns the path of the certificate of an authority that signed
// nothing here, or nothing if Options.TLS is not set.
func (s *Server) OtherCA() string {
	if !s.opts.TLS {
		return ""
	}
	return filepath.Join(s.opts.Dir, "other-ca.pem")
}

// URL returns the URL of the database that is always there, as the superuser:
//
//	postgres://postgres@127.0.0.1:15432/postgres?sslmode=disable
//	mysql://root@127.0.0.1:13306/test
//
// with the password if there is one, and with TLS
// sslmode=verify-full&sslrootcert=FILE or tls=true&ca_file=FILE. That of a
// PgBouncer is the one of its server with another port.
func (s *Server) URL() string { return s.eng.url(s, "") }

// CreateDatabase makes a database and returns its URL. Its name may be
// anything that the server takes; one that is there already is an error.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	if err := s.eng.createDatabase(ctx, s, name); err != nil {
		return "", fmt.Errorf("dbtest: making database %q: %w", name, err)
	}
	return s.eng.url(s, name), nil
}

// DB returns a new pool of connections to a database, as the superuser. An
// empty name means the database that is always there. One Exec may run several
// statements if it has no arguments, DATE and DATETIME of MariaDB are read into
// time.Time as UTC, and nothing is prepared through a PgBouncer. The pool keeps
// working over Kill and Restart, whose broken connections a call may meet once.
func (s *Server) DB(name string) (*sql.DB, error) { return s.eng.open(s, name) }

// PID returns the process id of the child, or zero when none is running.
func (s *Server) PID() int {
	if p := s.running(); p != nil {
		return p.PID
	}
	return 0
}

// Stop ends the server in order, with clients still connected: a fast shutdown
// of PostgreSQL, SIGTERM for MariaDB. One that is still there after thirty
// seconds is killed, which is an error. Stop removes the directory if the
// server made it itself. A second Stop, or one after Kill, ends nothing.
func (s *Server) Stop() error {
	s.life.Lock()
	defer s.life.Unlock()
	return errors.Join(s.terminate(s.eng.stopSignal()), s.eng.release(s), s.removeDir())
}

// discard is Stop for data that nobody needs any more.
func (s *Server) discard() error {
	s.life.Lock()
	defer s.life.Unlock()
	return errors.Join(s.terminate(s.eng.quickSignal()), s.eng.release(s), s.removeDir())
}

// Kill ends all processes of the server with SIGKILL and waits until they are
// gone, as a crash would. It does nothing when no child is running.
func (s *Server) Kill() {
	s.life.Lock()
	defer s.life.Unlock()
	s.kill()
}

// Restart starts the server again on the same port and directory, and returns
// when it answers a query, after its recovery; a running one is stopped first.
// ctx bounds it as in the first start. After a Stop that removed the directory
// there is nothing to restart, and it returns an error: give Options.Dir to
// avoid that.
func (s *Server) Restart(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return errors.New("dbtest: restart: Stop removed the temporary directory; set Options.Dir to keep it")
	}
	if err := s.terminate(s.eng.stopSignal()); err != nil {
		return err
	}
	return child.OnPort(ctx, startLimit, func() error { return s.boot(ctx, s.Port()) })
}

// Pause halts all processes of the server with SIGSTOP and returns when it has
// taken effect: connections stay open and are accepted, and nothing is
// answered. It does nothing when no child is running. Stop, Kill and Restart
// work on a paused server.
func (s *Server) Pause() {
	s.life.Lock()
	defer s.life.Unlock()
	if p := s.running(); p != nil {
		p.FreezeAll()
	}
}

// Resume lets a paused server go on, with SIGCONT.
func (s *Server) Resume() {
	s.life.Lock()
	defer s.life.Unlock()
	if p := s.running(); p != nil {
		p.ThawAll()
	}
}

// Log returns the last 8 KiB of what the server printed over all its starts.
func (s *Server) Log() string { return child.LastOf(s.logPath()) }

// run runs a program that prepares the server.
func (s *Server) run(ctx context.Context, c child.Command) error {
	c.Dir, c.Env, c.As, c.OnDeath = s.opts.Dir, bareEnv(), s.as, child.SigKill
	err := child.Run(ctx, c)
	if err != nil && s.as != nil {
		return fmt.Errorf("%w\n(it runs as the user %s, who must be able to reach %s)", err, s.as.Name, s.opts.Dir)
	}
	return err
}

func (s *Server) path(name string) string { return filepath.Join(s.opts.Dir, name) }
func (s *Server) logPath() string         { return s.path("server.log") }

func (s *Server) currentPassword() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.password
}

func (s *Server) running() *child.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.Exited() {
		return nil
	}
	return s.proc
}

func (s *Server) terminate(how child.Signal) error {
	p := s.running()
	if p == nil {
		return nil
	}
	if how == child.SigKill {
		s.kill()
		return nil
	}
	p.Signal(how)
	p.ThawAll() // a halted process would not act on it
	if !p.EndsWithin(stopGrace) {
		s.kill()
		return fmt.Errorf("dbtest: %s %d did not end within %s and was killed", s.eng.title(), p.PID, stopGrace)
	}
	return nil
}

func (s *Server) kill() {
	if p := s.running(); p != nil {
		p.KillAll()
	}
}

func (s *Server) removeDir() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ownDir || s.gone {
		return nil
	}
	s.gone = true
	return os.RemoveAll(s.opts.Dir)
}
