package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// group is what Sentinel groups and clusters share: servers that start and
// end together, in one directory.
type group struct {
	dir    string
	ownDir bool

	mu      sync.Mutex
	servers []*Server
	closers []func() error
	stopped bool
}

func newGroup(dir string) (*group, error) {
	g := &group{dir: dir}
	var err error
	if dir == "" {
		g.ownDir = true
		g.dir, err = os.MkdirTemp("", "redistest-")
	} else if g.dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(g.dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("redistest: making the group's directory: %w", err)
	}
	return g, nil
}

func (g *group) add(s *Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.servers = append(g.servers, s)
}

func (g *group) onStop(f func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closers = append(g.closers, f)
}

// stop kills rather than terminates: a master told to end waits seconds for
// replicas that ended before it, and nobody needs the data any more.
func (g *group) stop() error {
	g.mu.Lock()
	servers, closers, again := g.servers, g.closers, g.stopped
	g.closers, g.stopped = nil, true
	g.mu.Unlock()
	var errs []error
	for _, f := range closers {
		errs = append(errs, f())
	}
	for _, s := range servers {
		s.Kill()
		errs = append(errs, s.closeClients())
	}
	if g.ownDir && !again {
		errs = append(errs, os.RemoveAll(g.dir))
	}
	return errors.Join(errs...)
}

// addrs joins the servers' addresses for a URL.
func addrs(servers []*Server) string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.Addr()
	}
	return strings.Join(all, ",")
}
