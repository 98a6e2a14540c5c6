//go:build unix

package dbtest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/dbtest"
)

func TestStartOfAServerThatCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for _, kind := range kinds {
		for _, c := range []struct {
			name string
			opts dbtest.Options
			want string
		}{
			{"the port is taken", dbtest.Options{Port: taken.Addr().(*net.TCPAddr).Port}, "port is taken"},
			{"an argument is unknown", dbtest.Options{Args: []string{"--nonsense=1"}}, "nonsense"},
			{"a port is none", dbtest.Options{Port: 70000}, "out of range"},
			{"a password has a quote", dbtest.Options{Password: "a'b"}, "a quote"},
		} {
			t.Run(kind.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				s, err := kind.try(deadline(t, limit), c.opts)
				if err == nil {
					_ = s.Stop()
					t.Fatal("it started")
				}
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %q, want it to have %q", err, c.want)
				}
			})
		}
		t.Run(kind.name+", ctx ends", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if s, err := kind.try(ctx, dbtest.Options{}); !errors.Is(err, context.DeadlineExceeded) {
				if err == nil {
					_ = s.Stop()
				}
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
		})
	}
}

func TestADirectoryOfOneServerIsGoneAfterStop(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			s, err := kind.try(ctx, dbtest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %v, want it gone", s.Dir(), err)
			}
			if err := s.Restart(ctx); err == nil || !strings.Contains(err.Error(), "set Options.Dir") {
				t.Errorf("Restart: %v", err)
			}
		})
	}
}

func TestWhatIsMissingIsNamedWithItsPackage(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for version, programs := range map[string][]string{"9": {"initdb", "postgres"}, "14": {"initdb", "postgres"}, "15": {"initdb"}} {
		for _, p := range programs {
			path := filepath.Join(bin, version, "bin", p)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := dbtest.FindPostgres(filepath.Join(bin, "*", "bin")); err != nil || got != filepath.Join(bin, "14", "bin") {
		t.Errorf("found %q, %v, want the one of 14: 15 has no server", got, err)
	}
	_, err := dbtest.FindAny("some-package", "no-such-program", "nor-this")
	want := "dbtest: the database server is not installed: there is no no-such-program or nor-this: " +
		"install it, for example with: apt-get install some-package"
	if !errors.Is(err, dbtest.ErrNotInstalled) || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
