package redistest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// errPortTaken says that the child ended because its port was not free.
var errPortTaken = errors.New("port is taken")

func (s *Server) logPath() string  { return filepath.Join(s.opts.Dir, "redis.log") }
func (s *Server) confPath() string { return filepath.Join(s.opts.Dir, "redis.conf") }

// startOnFreePort writes the configuration and boots the server, on another
// port if somebody took the first one between our look and the child's bind.
func (s *Server) startOnFreePort(ctx context.Context) error {
	for try := 1; ; try++ {
		port := s.opts.Port
		if port == 0 {
			var err error
			if port, err = freePort(s.opts.busPort); err != nil {
				return err
			}
		}
		if err := os.WriteFile(s.confPath(), []byte(s.conf(port)), 0o600); err != nil {
			return fmt.Errorf("redistest: %w", err)
		}
		err := s.boot(ctx, port)
		if err == nil || s.opts.Port != 0 || try == portTries || !errors.Is(err, errPortTaken) {
			return err
		}
	}
}

// boot starts the child with the configuration that is there (Sentinel and
// CONFIG REWRITE may have changed it since) and waits until it serves.
func (s *Server) boot(ctx context.Context, port int) error {
	offset, err := size(s.logPath())
	if err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	args := []string{s.confPath()}
	if s.opts.sentinel {
		args = append(args, "--sentinel")
	}
	p, err := spawn(s.bin, append(args, s.opts.Args...), s.opts.Dir, s.logPath())
	if err != nil {
		return fmt.Errorf("redistest: starting %s: %w", s.bin, err)
	}
	s.mu.Lock()
	s.port, s.proc = port, p
	s.mu.Unlock()

	probe := redis.NewClient(&redis.Options{
		Addr:                     s.Addr(),
		Username:                 s.probe[0],
		Password:                 s.probe[1],
		Protocol:                 2,
		MaxRetries:               -1,
		DialerRetries:            1,
		DialTimeout:              time.Second,
		ReadTimeout:              time.Second,
		WriteTimeout:             time.Second,
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: noNotifications(),
	})
	defer probe.Close()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	gaveUp := func(why, last error) error {
		s.kill()
		return fmt.Errorf("redistest: redis-server did not answer: %w: last seen: %w\n%s", why, last, s.Log())
	}
	for {
		last := serves(ctx, probe, p.pid)
		if last == nil && !p.exited() {
			return nil
		}
		if redis.HasErrorPrefix(last, "LOADING") {
			limit.Stop() // it takes as long as its data does, and may be silent for long meanwhile
		}
		wait := time.NewTimer(pollEvery)
		select {
		case <-wait.C:
		case <-p.done:
			wait.Stop()
			text, err := readFrom(s.logPath(), offset)
			if err != nil {
				text = err.Error()
			}
			if low := strings.ToLower(text); strings.Contains(low, "address already in use") || strings.Contains(low, "failed listening on port") {
				return fmt.Errorf("redistest: %d: %w", port, errPortTaken)
			}
			return fmt.Errorf("redistest: redis-server ended while it started (%v):\n%s", p.err, text)
		case <-limit.C:
			wait.Stop()
			return gaveUp(context.DeadlineExceeded, last)
		case <-ctx.Done():
			wait.Stop()
			return gaveUp(ctx.Err(), last)
		}
	}
}

// serves reports why the server is not ready: nothing listens, it is still
// loading, or it is not our child that answers on this port.
func serves(ctx context.Context, c *redis.Client, pid int) error {
	// A bare look first: go-redis logs every dial that fails, and the first
	// ones always do.
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", c.Options().Addr)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if err := c.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if got := field(info, "process_id"); got != strconv.Itoa(pid) {
		return fmt.Errorf("another redis answers there, process %s", got)
	}
	return nil
}

// field returns one value of a "name:value" listing such as INFO's.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && k == name {
			return v
		}
	}
	return ""
}

func (s *Server) conf(port int) string {
	o := s.opts
	var b strings.Builder
	set := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	set("port %d", port)
	set("bind 127.0.0.1")
	set("protected-mode yes")
	set("daemonize no")
	set("dir %s", strconv.Quote(o.Dir))
	// The log goes to standard output, which spawn appends to a file in Dir:
	// a complaint about this very configuration is then in it too.
	set(`logfile ""`)
	if o.sentinel {
		set("%s", o.conf)
		return b.String()
	}
	set("loglevel notice")
	set("always-show-logo no")
	set(`save ""`)
	if o.AppendFsync == "no" {
		set("appendonly no")
	} else {
		set("appendonly yes")
		set("appendfsync %s", o.AppendFsync)
		set("no-appendfsync-on-rewrite no")
	}
	set("maxmemory-policy %s", o.MaxmemoryPolicy)
	switch {
	case o.Username != "":
		set("user default off")
		set("user %s on >%s %s", o.Username, o.Password, o.ACL)
		set("user %s on >%s +ping +info", s.probe[0], s.probe[1])
	case o.Password != "":
		set("requirepass %s", strconv.Quote(o.Password))
	}
	if o.conf != "" {
		set("%s", o.conf)
	}
	return b.String()
}

// freePort finds a port below the range that Linux uses for outgoing
// connections, so that neither a client nor a redialling one can sit on it
// while the server is down.
func freePort(bus bool) (int, error) {
	const first, count = 12000, 10000
	var last error
	for range 100 {
		port := first + rand.IntN(count)
		if last = listenable(port); last != nil {
			continue
		}
		if bus {
			if last = listenable(port + 10000); last != nil {
				continue
			}
		}
		return port, nil
	}
	return 0, fmt.Errorf("redistest: no free port from %d to %d: %w", first, first+count-1, last)
}

func listenable(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

func size(path string) (int64, error) {
	switch st, err := os.Stat(path); {
	case err == nil:
		return st.Size(), nil
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	default:
		return 0, err
	}
}

// readFrom returns the text of a file from offset on; a negative offset
// counts from the end.
func readFrom(path string, offset int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if offset < 0 {
		st, err := f.Stat()
		if err != nil {
			return "", err
		}
		offset = max(0, st.Size()+offset)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, offset, 1<<20))
	return string(text), err
}
