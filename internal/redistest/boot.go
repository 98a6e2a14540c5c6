package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/child"
)

func (s *Server) logPath() string  { return filepath.Join(s.opts.Dir, "redis.log") }
func (s *Server) confPath() string { return filepath.Join(s.opts.Dir, "redis.conf") }

// startOnFreePort writes the configuration and boots the server on its port, or a free one.
func (s *Server) startOnFreePort(ctx context.Context) error {
	var above []int
	if s.opts.busPort {
		above = []int{10000}
	}
	return child.OnFreePort(s.opts.Port, func(port int) error {
		if err := os.WriteFile(s.confPath(), []byte(s.conf(port)), 0o600); err != nil {
			return fmt.Errorf("redistest: %w", err)
		}
		return s.boot(ctx, port)
	}, above...)
}

// boot starts the child with the configuration that is there (Sentinel and
// CONFIG REWRITE may have changed it since) and waits until it serves.
func (s *Server) boot(ctx context.Context, port int) error {
	args := []string{s.confPath()}
	if s.opts.sentinel {
		args = append(args, "--sentinel")
	}
	p, err := child.Start(child.Command{
		Bin: s.bin, Args: append(args, s.opts.Args...), Dir: s.opts.Dir, Log: s.logPath(), OnDeath: child.SigKill,
	})
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
	ready := func(ctx context.Context) error { return serves(ctx, probe, p.PID) }
	// It may be silent for long while it loads.
	loads := func(err error) bool { return redis.HasErrorPrefix(err, "LOADING") }
	if err := p.AwaitReady(ctx, startLimit, ready, loads); err != nil {
		s.kill()
		return fmt.Errorf("redistest: redis-server on port %d %w", port, err)
	}
	return nil
}

// serves reports why the server is not ready: nothing listens, it is still
// loading, or it is not our child that answers on this port.
func serves(ctx context.Context, c *redis.Client, pid int) error {
	// A bare look first: go-redis logs every dial that fails, and the first
	// ones always do.
	if err := child.Listens(ctx, c.Options().Addr); err != nil {
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
	// The log goes to standard output, which is appended to a file in Dir:
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
