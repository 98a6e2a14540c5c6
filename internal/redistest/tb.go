package redistest

import (
	"context"
)

// TB is the part of testing.TB that New and its siblings need, so that this
// package does not link the testing package into programs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
	TempDir() string
}

// New starts a server for a test, in the test's temporary directory unless
// Options.Dir says otherwise, and stops it at the end of the test. It fails
// the test when that is not possible. More than one Options is an error.
func New(tb TB, opts ...Options) *Server {
	tb.Helper()
	var o Options
	switch len(opts) {
	case 0:
	case 1:
		o = opts[0]
	default:
		tb.Fatalf("redistest: New takes one Options, got %d", len(opts))
		return nil
	}
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	s, err := Start(context.Background(), o)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		logIfFailed(tb, s)
		if err := s.closeClients(); err != nil {
			tb.Logf("redistest: closing a client: %v", err)
		}
		if err := s.Stop(); err != nil {
			tb.Logf("%v", err)
		}
	})
	return s
}

// NewSentinel starts a Sentinel group for a test and ends it with the test.
// It fails the test when that is not possible.
func NewSentinel(tb TB, opts SentinelOptions) *Sentinel {
	tb.Helper()
	if opts.Dir == "" {
		opts.Dir = tb.TempDir()
	}
	g, err := StartSentinel(context.Background(), opts)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		logIfFailed(tb, g.Nodes...)
		logIfFailed(tb, g.Sentinels...)
		if err := g.Stop(); err != nil {
			tb.Logf("%v", err)
		}
	})
	return g
}

// NewCluster starts a Redis Cluster of that many masters (at least three, and
// zero means three) for a test and ends it with the test. It fails the test
// when that is not possible.
func NewCluster(tb TB, masters int) *Cluster {
	tb.Helper()
	c, err := StartCluster(context.Background(), ClusterOptions{Masters: masters, Dir: tb.TempDir()})
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(func() {
		logIfFailed(tb, c.Nodes...)
		if err := c.Stop(); err != nil {
			tb.Logf("%v", err)
		}
	})
	return c
}

// logIfFailed prints the servers' logs into a test that failed, before its
// directories are removed.
func logIfFailed(tb TB, servers ...*Server) {
	tb.Helper()
	if t, ok := tb.(interface{ Failed() bool }); !ok || !t.Failed() {
		return
	}
	for _, s := range servers {
		tb.Logf("log of redis-server %s:\n%s", s.Addr(), s.Log())
	}
}
