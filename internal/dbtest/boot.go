package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ecpayq/ecpayq/internal/child"
)

// errRecovering says that the server is ours and reads its log of a crash.
var errRecovering = errors.New("it is recovering")

// socketLimit is the longest path of a Unix socket on Linux.
const socketLimit = 107

// startOnFreePort boots the server on its port, or a free one.
func (s *Server) startOnFreePort(ctx context.Context) error {
	return child.OnFreePort(s.opts.Port, func(port int) error { return s.boot(ctx, port) })
}

// boot starts the child and waits until it serves.
func (s *Server) boot(ctx context.Context, port int) error {
	c, err := s.eng.command(s, port)
	if err != nil {
		return fmt.Errorf("dbtest: starting %s: %w", s.eng.title(), err)
	}
	c.Dir, c.Env, c.Log, c.As = s.opts.Dir, bareEnv(), s.logPath(), s.as
	p, err := child.Start(c)
	if err != nil {
		return fmt.Errorf("dbtest: starting %s: %w", s.eng.title(), err)
	}
	s.mu.Lock()
	s.port, s.proc = port, p
	s.mu.Unlock()
	if err := p.Watch(c); err != nil {
		s.kill()
		return fmt.Errorf("dbtest: watching over %s: %w", s.eng.title(), err)
	}
	recovers := func(err error) bool { return errors.Is(err, errRecovering) }
	if err := p.AwaitReady(ctx, startLimit, s.serves, recovers); err != nil {
		s.kill()
		return fmt.Errorf("dbtest: %s on port %d %w", s.eng.title(), port, err)
	}
	return nil
}

// bareEnv is an environment that holds nothing of ours but PATH and TMPDIR.
func bareEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// serves reports why the server is not ready.
func (s *Server) serves(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// A bare look first, as it is cheap and the first ones always fail.
	if err := child.Listens(ctx, s.Addr()); err != nil {
		return err
	}
	return s.eng.probe(ctx, s)
}
