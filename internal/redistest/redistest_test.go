package redistest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

var _ redistest.TB = (*testing.T)(nil)

// TestMain serves as the program that TestServerDiesWithItsParent kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("REDISTEST_PARENT_DIR"); dir != "" {
		s, err := redistest.Start(context.Background(), redistest.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin) // until we are killed, or our own parent is
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls ok until it is content or ctx ends.
func eventually(t *testing.T, ctx context.Context, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v: %v", what, ctx.Err(), err)
		}
	}
}

// impatient returns a client that tries once and gives up within a moment.
func impatient(t *testing.T, s *redistest.Server) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.DialTimeout, opts.ReadTimeout = 200*time.Millisecond, 200*time.Millisecond
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestStartIsDurableByDefault(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	s := redistest.New(t)
	rdb := s.Client()

	want := map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction",
		"save": "", "bind": "127.0.0.1", "protected-mode": "yes", "dir": s.Dir(),
		"no-appendfsync-on-rewrite": "no",
	}
	got := map[string]string{}
	for name := range want {
		one, err := rdb.ConfigGet(ctx, name).Result()
		if err != nil {
			t.Fatal(err)
		}
		got[name] = one[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if got, want := s.URL(), "redis://"+s.Addr()+"/0"; got != want {
		t.Errorf("URL() = %q, want %q", got, want)
	}
	if info := rdb.Info(ctx, "server").Val(); !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.PID())) {
		t.Errorf("PID() = %d, the server says:\n%s", s.PID(), info)
	}
	if !strings.Contains(s.Log(), "Ready to accept connections") {
		t.Errorf("Log() = %q", s.Log())
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	s := redistest.New(t, redistest.Options{
		AppendFsync:     "everysec",
		MaxmemoryPolicy: "allkeys-lru",
		Args:            []string{"--maxclients", "123", "--hz 42"},
	})
	rdb := s.Client()
	for name, want := range map[string]string{
		"appendfsync": "everysec", "maxmemory-policy": "allkeys-lru", "maxclients": "123", "hz": "42",
	} {
		if got := rdb.ConfigGet(ctx, name).Val()[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestPasswordAndUser(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		opts   redistest.Options
		url    string // what stands before the address
		denied []any
	}{
		{"password of the default user", redistest.Options{Password: "p@ss/word"}, "redis://:p%40ss%2Fword@", nil},
		{"user with restricted rights", redistest.Options{Username: "shop", Password: "secret", ACL: "~asynq:* -@all +@read +@write"},
			"redis://shop:secret@", []any{"config", "get", "port"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, 20*time.Second)
			s := redistest.New(t, tc.opts)
			if got, want := s.URL(), tc.url+s.Addr()+"/0"; got != want {
				t.Errorf("URL() = %q, want %q", got, want)
			}
			rdb := impatient(t, s)
			if err := rdb.Set(ctx, "asynq:a", "1", 0).Err(); err != nil {
				t.Errorf("with the password: %v", err)
			}
			if tc.denied != nil {
				if err := rdb.Do(ctx, tc.denied...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
					t.Errorf("%v: got %v, want NOPERM", tc.denied, err)
				}
			}
			stranger := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1})
			defer stranger.Close()
			if err := stranger.Set(ctx, "asynq:a", "2", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
				t.Errorf("without the password: got %v, want NOAUTH", err)
			}
		})
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]redistest.Options{
		"unknown fsync":          {AppendFsync: "sometimes"},
		"user without password":  {Username: "shop"},
		"rules without a user":   {ACL: "+@all"},
		"line break":             {Password: "a\nport 1"},
		"port out of range":      {Port: 70000},
		"setting redis rejects":  {Args: []string{"--no-such-setting", "1"}},
		"directory under a file": {Dir: filepath.Join(os.Args[0], "dir")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := redistest.Start(deadline(t, 20*time.Second), opts)
			if err == nil {
				t.Fatalf("started at %s", s.Addr())
			}
			if errors.Is(err, redistest.ErrNotInstalled) {
				t.Errorf("wrong reason: %v", err)
			}
			if name == "setting redis rejects" && !strings.Contains(err.Error(), "no-such-setting") {
				t.Errorf("the error does not show redis-server's complaint: %v", err)
			}
		})
	}
}

func TestPortInUseIsAnErrorAndTheOtherServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	first := redistest.New(t)
	if s, err := redistest.Start(ctx, redistest.Options{Port: first.Port()}); err == nil {
		t.Errorf("a second server started at %s", s.Addr())
	}
	if err := first.Client().Ping(ctx).Err(); err != nil {
		t.Errorf("the first server: %v", err)
	}
}

func TestAcceptedWritesSurviveKillAndStop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fsync string
		end   func(*redistest.Server) error
		want  int64
	}{
		{"kill with fsync always", "always", func(s *redistest.Server) error { s.Kill(); return nil }, 100},
		// With everysec, Redis also puts off writing to the file, for up to 2 s, while an fsync of it takes long.
		{"kill with fsync everysec, once written", "everysec", func(s *redistest.Server) error {
			ctx := deadline(t, 20*time.Second)
			for !strings.Contains(s.Client().Info(ctx, "persistence").Val(), "aof_buffer_length:0\r\n") {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				time.Sleep(time.Millisecond)
			}
			s.Kill()
			return nil
		}, 100},
		{"kill without AOF", "no", func(s *redistest.Server) error { s.Kill(); return nil }, 0},
		{"stop", "always", (*redistest.Server).Stop, 100},
		{"kill while frozen", "always", func(s *redistest.Server) error { s.Freeze(); s.Kill(); return nil }, 100},
		{"stop while frozen", "always", func(s *redistest.Server) error { s.Freeze(); return s.Stop() }, 100},
		{"restart while running", "always", func(*redistest.Server) error { return nil }, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, 30*time.Second)
			s := redistest.New(t, redistest.Options{AppendFsync: tc.fsync})
			rdb, addr, pid := s.Client(), s.Addr(), s.PID()
			for i := range 100 {
				if err := rdb.Set(ctx, fmt.Sprint("key", i), i, 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := tc.end(s); err != nil {
				t.Fatal(err)
			}
			if err := s.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			if s.Addr() != addr || s.PID() == pid {
				t.Errorf("before: %s as %d; after: %s as %d", addr, pid, s.Addr(), s.PID())
			}
			if got, err := rdb.DBSize(ctx).Result(); err != nil || got != tc.want {
				t.Errorf("keys after the restart: %d, %v, want %d", got, err, tc.want)
			}
		})
	}
}

func TestStopAndKillMayBeRepeated(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	rdb := impatient(t, s)
	s.Kill()
	s.Kill()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	if s.PID() != 0 {
		t.Errorf("PID() = %d after Stop", s.PID())
	}
	if err := rdb.Ping(t.Context()).Err(); err == nil {
		t.Error("it still answers")
	}
	s.Freeze()
	s.Thaw()
}

func TestStopRemovesOnlyADirectoryOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	own, err := redistest.Start(ctx, redistest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	given, err := redistest.Start(ctx, redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(own.Stop(), given.Stop()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(own.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its own directory: %v", err)
	}
	if _, err := os.Stat(given.Dir()); err != nil {
		t.Errorf("a given directory: %v", err)
	}
	if err := own.Restart(ctx); err == nil || !strings.Contains(err.Error(), "Options.Dir") {
		t.Errorf("Restart without the data: %v", err)
	}
}

func TestFrozenServerAnswersAfterThaw(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	s := redistest.New(t)
	rdb := impatient(t, s)
	if err := rdb.Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Freeze()
	var timeout net.Error
	if err := rdb.Get(ctx, "a").Err(); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("frozen: got %v, want a timeout", err)
	}
	s.Thaw()
	eventually(t, ctx, "after Thaw", func() error { return rdb.Get(ctx, "a").Err() })
}

func TestWithoutRedisServerTheErrorSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := redistest.Start(t.Context(), redistest.Options{})
	if !errors.Is(err, redistest.ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("Start: %v", err)
	}
	_, err = redistest.StartSentinel(t.Context(), redistest.SentinelOptions{})
	if !errors.Is(err, redistest.ErrNotInstalled) {
		t.Errorf("StartSentinel: %v", err)
	}
	_, err = redistest.StartCluster(t.Context(), redistest.ClusterOptions{})
	if !errors.Is(err, redistest.ErrNotInstalled) {
		t.Errorf("StartCluster: %v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := redistest.Start(ctx, redistest.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
