package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ecpayq/ecpayq/internal/child"
)

// ErrNotInstalled says that no redis-server can be started here, in nearly
// all cases because none is on PATH. The errors that wrap it tell what to
// install.
var ErrNotInstalled = errors.New("redis-server is not on PATH")

const (
	startLimit = 20 * time.Second      // for one server to answer, if only that it loads its data; beside the caller's ctx
	groupLimit = 60 * time.Second      // for a whole group to be in working order, likewise
	stopGrace  = 5 * time.Second       // between SIGTERM and SIGKILL
	pollEvery  = 10 * time.Millisecond // between two looks at anything we wait for
)

// Options describes one server. The zero value is the durable setup that the
// project ships: AOF with an fsync for every write, and noeviction.
type Options struct {
	// Dir holds the configuration, the AOF and the log, and is created if it
	// is missing. Two servers must not share one. Empty means a temporary
	// directory, which Stop removes; New uses the test's own instead.
	Dir string

	// AppendFsync is "always", "everysec", or "no", which turns the AOF off
	// altogether, so that nothing survives the process. Defaults to "always".
	AppendFsync string

	// Port is the TCP port on 127.0.0.1. Zero means a free one.
	Port int

	// Args are further settings in the form of redis-server's command line,
	// such as "--maxclients", "100" (or "--maxclients 100" as one string).
	// They win over everything else here.
	Args []string

	// Password is asked of every client. Empty means none.
	Password string

	// Username is the only user that may connect; it needs a Password. Empty
	// means the default user.
	Username string

	// ACL are the rules of Username, such as "~asynq:* &* +@all". Defaults to
	// "~* &* +@all", which permits everything.
	ACL string

	// MaxmemoryPolicy defaults to "noeviction".
	MaxmemoryPolicy string

	// conf is appended to the configuration, for replicas and cluster nodes.
	conf string
	// sentinel starts the server as a Sentinel, with conf as its settings.
	sentinel bool
	// busPort demands that the port 10,000 above is free too.
	busPort bool
}

func (o Options) withDefaults() Options {
	if o.AppendFsync == "" {
		o.AppendFsync = "always"
	}
	if o.MaxmemoryPolicy == "" {
		o.MaxmemoryPolicy = "noeviction"
	}
	if o.Username != "" && o.ACL == "" {
		o.ACL = "~* &* +@all"
	}
	return o
}

func (o Options) validate() error {
	switch o.AppendFsync {
	case "always", "everysec", "no":
	default:
		return fmt.Errorf("redistest: AppendFsync is %q, not always, everysec or no", o.AppendFsync)
	}
	if o.Username != "" && o.Password == "" {
		return errors.New("redistest: Username without Password")
	}
	if o.ACL != "" && o.Username == "" {
		return errors.New("redistest: ACL without Username")
	}
	for _, word := range []string{o.Username, o.Password, o.ACL, o.MaxmemoryPolicy} {
		if strings.ContainsAny(word, "\r\n\"") {
			return errors.New("redistest: a quote or a line break in Username, Password, ACL or MaxmemoryPolicy")
		}
	}
	if strings.ContainsAny(o.Username+o.Password, " \t") {
		return errors.New("redistest: a space in Username or Password")
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("redistest: port %d is out of range", o.Port)
	}
	return nil
}

// Server is one redis-server child on 127.0.0.1. Its methods may be called
// from several goroutines; those that start or end the child run one at a time.
type Server struct {
	opts   Options
	bin    string
	ownDir bool

	life sync.Mutex // held by Stop, Kill and Restart for all they do

	mu      sync.Mutex // guards what follows, only ever held briefly
	port    int
	proc    *child.Process // nil when no child is running
	probe   [2]string
	gone    bool // Stop removed the directory
	clients []*redis.Client
}

// Start starts a server and returns when it answers and has loaded its data.
// ctx bounds the start only, which also ends after twenty seconds. The error
// wraps ErrNotInstalled if there is no redis-server to start; others carry
// the end of the server's log.
func Start(ctx context.Context, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, bin: bin}
	if opts.Username != "" {
		s.probe = [2]string{"redistest", fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())}
	} else {
		s.probe[1] = opts.Password
	}
	if opts.Dir == "" {
		s.ownDir = true
		s.opts.Dir, err = os.MkdirTemp("", "redistest-")
	} else {
		s.opts.Dir, err = filepath.Abs(opts.Dir)
		if err == nil {
			err = os.MkdirAll(s.opts.Dir, 0o700)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redistest: making the server's directory: %w", err)
	}

	s.life.Lock()
	defer s.life.Unlock()
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, errors.Join(err, s.removeDir())
	}
	return s, nil
}

// Addr returns host and port, as in "127.0.0.1:16379".
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Port returns the TCP port.
func (s *Server) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.port
}

// Dir returns the directory of the configuration, the AOF and the log.
func (s *Server) Dir() string { return s.opts.Dir }

// URL returns redis://127.0.0.1:port/0, with the user and the password if the
// server asks for them.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr(), Path: "/0"}
	if s.opts.Password != "" {
		u.User = url.UserPassword(s.opts.Username, s.opts.Password)
	}
	return u.String()
}

// Client returns a new client with go-redis' default limits, so that no two
// callers share a pool. It keeps working over Kill and Restart. The caller
// closes it; those of a server made by New are also closed at the test's end.
func (s *Server) Client() *redis.Client {
	c := s.newClient()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	return c
}

// newClient is for our own questions: the caller closes it, and nobody else.
func (s *Server) newClient() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                     s.Addr(),
		Username:                 s.opts.Username,
		Password:                 s.opts.Password,
		DisableIdentity:          true,
		MaintNotificationsConfig: noNotifications(),
	})
}

// PID returns the process id of the child, or zero when none is running.
func (s *Server) PID() int {
	if p := s.running(); p != nil {
		return p.PID
	}
	return 0
}

// Stop ends the server in order: SIGTERM, then SIGKILL if it is still there
// after five seconds, which is an error. It removes the directory if the
// server made it itself. A second Stop, or one after Kill, ends nothing.
func (s *Server) Stop() error {
	s.life.Lock()
	defer s.life.Unlock()
	return errors.Join(s.terminate(), s.removeDir())
}

// Kill ends the server with SIGKILL and waits until it is gone, as a crash
// would. It does nothing when no child is running.
func (s *Server) Kill() {
	s.life.Lock()
	defer s.life.Unlock()
	s.kill()
}

// Restart starts the server again on the same port and directory, with the
// data that its AOF has; a running one is stopped first. ctx bounds it as in
// Start. After a Stop that removed the directory there is nothing to restart,
// and it returns an error: give Options.Dir to avoid that.
func (s *Server) Restart(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return errors.New("redistest: restart: Stop removed the temporary directory; set Options.Dir to keep it")
	}
	if err := s.terminate(); err != nil {
		return err
	}
	return child.OnPort(ctx, startLimit, func() error { return s.boot(ctx, s.Port()) })
}

// Freeze halts the server with SIGSTOP and returns when it has taken effect:
// connections stay open and are accepted, and nothing is answered. It does
// nothing when no child is running. Stop, Kill and Restart work on a frozen
// server.
func (s *Server) Freeze() {
	if p := s.running(); p != nil {
		p.Freeze()
	}
}

// Thaw lets a frozen server go on with SIGCONT.
func (s *Server) Thaw() {
	if p := s.running(); p != nil {
		p.Thaw()
	}
}

// Log returns the last 8 KiB of what the server printed over all its starts.
func (s *Server) Log() string { return child.LastOf(s.logPath()) }

func (s *Server) running() *child.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.Exited() {
		return nil
	}
	return s.proc
}

func (s *Server) terminate() error {
	p := s.running()
	if p == nil {
		return nil
	}
	p.Thaw() // a halted process would not see the signal
	p.Signal(child.SigTerm)
	if !p.EndsWithin(stopGrace) {
		s.kill()
		return fmt.Errorf("redistest: redis-server %d did not end within %s of SIGTERM and was killed", p.PID, stopGrace)
	}
	return nil
}

func (s *Server) kill() {
	if p := s.running(); p != nil {
		p.Kill()
		<-p.Done
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

func (s *Server) closeClients() error {
	s.mu.Lock()
	clients := s.clients
	s.clients = nil
	s.mu.Unlock()
	var errs []error
	for _, c := range clients {
		errs = append(errs, closeQuietly(c))
	}
	return errors.Join(errs...)
}

func find() (string, error) {
	if !child.Supported {
		return "", fmt.Errorf("redistest: %w: children are started on Unix systems only", ErrNotInstalled)
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redistest: %w: install it, for example with: apt-get install redis-server", ErrNotInstalled)
	}
	return bin, nil
}

// closeQuietly closes a client whose user may have closed it already.
func closeQuietly(c interface{ Close() error }) error {
	if err := c.Close(); !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// Sleep waits for d or for the end of ctx, whose error it then returns.
func Sleep(ctx context.Context, d time.Duration) error { return child.Sleep(ctx, d) }

// await asks again and again until ok has no objection. When ctx ends first,
// the error carries the last objection.
func await(ctx context.Context, what string, ok func(context.Context) error) error {
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		if stop := Sleep(ctx, pollEvery); stop != nil {
			return fmt.Errorf("redistest: %s: %w: last seen: %w", what, stop, err)
		}
	}
}
