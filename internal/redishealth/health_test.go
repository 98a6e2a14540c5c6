package redishealth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is a client as programs of ours open it.
func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	return openFor(t, url, time.Second)
}

// openFor opens a client that waits for an answer for so long.
func openFor(t *testing.T, url string, patience time.Duration) redis.UniversalClient {
	t.Helper()
	o, err := redisx.ParseURL(url)
	must(t, err)
	o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.ContextTimeoutEnabled = -1, patience, patience, true
	o.DialerRetries = 1
	rdb := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func ask(t *testing.T, rdb redis.UniversalClient) error {
	t.Helper()
	return askFor(t, rdb, 5*time.Second)
}

func askFor(t *testing.T, rdb redis.UniversalClient, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return redishealth.Ask(ctx, rdb)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// trouble is a Redis in trouble.
type trouble struct {
	reason redishealth.Reason
	url    string
	// hint is a part of what is advised, in both languages.
	hint string
}

var plain = redistest.Options{AppendFsync: "no"}

// with starts a Redis that was brought into a state by commands.
func with(t *testing.T, o redistest.Options, commands ...string) string {
	t.Helper()
	s := redistest.New(t, o)
	rdb := s.Client()
	for _, c := range commands {
		var args []any
		for _, w := range strings.Fields(c) {
			args = append(args, w)
		}
		must(t, rdb.Do(t.Context(), args...).Err())
	}
	return s.URL()
}

// asUser starts a Redis whose user may do less.
func asUser(t *testing.T, rules string) string {
	t.Helper()
	o := plain
	o.Username, o.Password, o.ACL = "queue", "s3cret-word", rules
	return redistest.New(t, o).URL()
}

func full(t *testing.T) string { return with(t, plain, "CONFIG SET maxmemory 1") }

func failingDisk(t *testing.T) string {
	s := redistest.New(t, redistest.Options{AppendFsync: "no", Args: []string{"--save", "900", "1", "--enable-protected-configs", "local"}})
	rdb, gone := s.Client(), filepath.Join(t.TempDir(), "gone")
	must(t, os.Mkdir(gone, 0o700))
	must(t, rdb.ConfigSet(t.Context(), "dir", gone).Err())
	must(t, os.Remove(gone))
	must(t, rdb.BgSave(t.Context()).Err())
	await(t, func() bool {
		info, err := rdb.Info(t.Context(), "persistence").Result()
		return err == nil && strings.Contains(info, "rdb_last_bgsave_status:err")
	})
	return s.URL()
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 20 s")
		}
		must(t, redistest.Sleep(t.Context(), 5*time.Millisecond))
	}
}

func busy(t *testing.T) string {
	s := redistest.New(t, plain)
	rdb := s.Client()
	must(t, rdb.ConfigSet(t.Context(), "lua-time-limit", "1").Err())
	long := s.Client()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = long.Eval(context.Background(), "while true do end", nil).Err()
	}()
	t.Cleanup(func() {
		_ = rdb.ScriptKill(context.Background()).Err()
		<-ended
	})
	await(t, func() bool { return redis.HasErrorPrefix(rdb.Ping(t.Context()).Err(), "BUSY") })
	return s.URL()
}

func loading(t *testing.T) string {
	s := redistest.New(t, redistest.Options{AppendFsync: "no", Args: []string{"--enable-debug-command", "local", "--rdbcompression", "no"}})
	rdb := s.Client()
	for i := range 300 {
		must(t, rdb.Set(t.Context(), strconv.Itoa(i), strings.Repeat("x", 100), 0).Err())
	}
	must(t, rdb.ConfigSet(t.Context(), "key-load-delay", "20000").Err())
	must(t, rdb.ConfigSet(t.Context(), "loading-process-events-interval-bytes", "1024").Err())
	go func() { _ = s.Client().Do(context.Background(), "DEBUG", "RELOAD").Err() }()
	await(t, func() bool { return redis.HasErrorPrefix(rdb.Ping(t.Context()).Err(), "LOADING") })
	t.Cleanup(s.Kill) // it would go on for half a minute
	return s.URL()
}

func tooMany(t *testing.T) string {
	s := redistest.New(t, plain)
	rdb := s.Client()
	must(t, rdb.ConfigSet(t.Context(), "maxclients", "1").Err())
	t.Cleanup(func() { _ = rdb.ConfigSet(context.Background(), "maxclients", "100").Err() })
	return s.URL()
}

func frozen(t *testing.T) string {
	s := redistest.New(t, plain)
	s.Freeze()
	return s.URL()
}

// hangsUp ends every connection.
func hangsUp(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return "redis://" + ln.Addr().String()
}

func TestEveryTroubleOfRedisHasAReasonAndAHintOfItsOwn(t *testing.T) {
	t.Parallel()
	everything := "~* &* +@all"
	password := redistest.Options{AppendFsync: "no", Password: "s3cret-word"}
	rows := map[string]func(*testing.T) trouble{
		"full": func(t *testing.T) trouble { return trouble{redishealth.Full, full(t), "maxmemory"} },
		"a replica": func(t *testing.T) trouble {
			return trouble{redishealth.ReadOnly, with(t, plain, "REPLICAOF 127.0.0.1 1"), "redis-sentinel://"}
		},
		"a failing disk": func(t *testing.T) trouble { return trouble{redishealth.DiskFailing, failingDisk(t), "Redis"} },
		"few replicas": func(t *testing.T) trouble {
			return trouble{redishealth.FewReplicas, with(t, plain, "CONFIG SET min-replicas-to-write 1"), "min-replicas-to-write"}
		},
		"a busy script": func(t *testing.T) trouble { return trouble{redishealth.Busy, busy(t), "SCRIPT KILL"} },
		"loading":       func(t *testing.T) trouble { return trouble{redishealth.Loading, loading(t), "Redis"} },
		"a lonely replica": func(t *testing.T) trouble {
			return trouble{redishealth.MasterDown,
				with(t, plain, "CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"), "ECPAYQ_REDIS_URL"}
		},
		"no EVAL": func(t *testing.T) trouble { return trouble{redishealth.Denied, asUser(t, everything+" -eval"), "EVAL"} },
		"no EVALSHA": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, everything+" -evalsha"), "EVALSHA"}
		},
		"no TIME": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, everything+" -time"), " TIME"}
		},
		"no INFO": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, everything+" -info"), " INFO"}
		},
		"not our keys": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, "~asynq:* &* +@all"), "keys ecpayq:*"}
		},
		"not asynq's": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, "~ecpayq:* &* +@all"), "keys asynq:*"}
		},
		"reading only": func(t *testing.T) trouble {
			return trouble{redishealth.Denied, asUser(t, "%R~* &* +@all"), "keys ecpayq:*"}
		},
		"a wrong password": func(t *testing.T) trouble {
			return trouble{redishealth.WrongPassword, strings.Replace(redistest.New(t, password).URL(), "s3cret", "wrong", 1), "%2F"}
		},
		"no password": func(t *testing.T) trouble {
			return trouble{redishealth.NoPassword, "redis://" + redistest.New(t, password).Addr(), "ECPAYQ_REDIS_URL_FILE"}
		},
		"no such database": func(t *testing.T) trouble {
			return trouble{redishealth.NoDatabase, redistest.New(t, plain).URL() + "99", "databases"}
		},
		"a renamed command": func(t *testing.T) trouble {
			return trouble{redishealth.Unsupported,
				redistest.New(t, redistest.Options{AppendFsync: "no", Args: []string{"--rename-command", "EVAL", "RUNSCRIPT"}}).URL(), "6.2"}
		},
		"too many clients": func(t *testing.T) trouble { return trouble{redishealth.TooManyClients, tooMany(t), "maxclients"} },
		"no such host": func(t *testing.T) trouble {
			return trouble{redishealth.NameUnknown, "redis://no-such-host.invalid:6379", "DNS"}
		},
		"nobody listens": func(t *testing.T) trouble {
			return trouble{redishealth.Refused, "redis://" + freeAddr(t), "ECPAYQ_REDIS_URL"}
		},
		"no such socket": func(t *testing.T) trouble {
			return trouble{redishealth.NoSocket, "unix://" + t.TempDir() + "/none.sock", "unixsocket"}
		},
		"frozen":      func(t *testing.T) trouble { return trouble{redishealth.Timeout, frozen(t), "ECPAYQ_REDIS_URL"} },
		"it hangs up": func(t *testing.T) trouble { return trouble{redishealth.BrokenOff, hangsUp(t), "maxclients"} },
		"no cluster": func(t *testing.T) trouble {
			return trouble{redishealth.IsNoCluster, "redis-cluster://" + redistest.New(t, plain).Addr(), "redis://"}
		},
	}
	for name, make := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := make(t)
			wantTrouble(t, row)
		})
	}
}

// wantTrouble demands that the probe and an ordinary command say why, and what to do.
func wantTrouble(t *testing.T, row trouble) {
	t.Helper()
	rdb := open(t, row.url)
	start := time.Now()
	err := ask(t, rdb)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the probe took %s", took)
	}
	wantReason(t, err, row)
	if h := redishealth.HintFor(fmt.Errorf("do something: %w", err)); h != redishealth.HintFor(err) {
		t.Errorf("wrapped it has another hint: %+v", h)
	}
}

func wantReason(t *testing.T, err error, row trouble) {
	t.Helper()
	if got := redishealth.ReasonOf(err); got != row.reason {
		t.Errorf("got reason %q of %v, want %q", got, err, row.reason)
	}
	h := redishealth.HintFor(err)
	if !strings.Contains(h.En, row.hint) || !strings.Contains(h.Zh, row.hint) {
		t.Errorf("got hint %+v, want %q in both languages", h, row.hint)
	}
	if err != nil && strings.Contains(err.Error()+h.En+h.Zh, "s3cret-word") {
		t.Errorf("the password is quoted: %v, %+v", err, h)
	}
}

func TestAScriptThatIsRefusedSomethingSaysWhat(t *testing.T) {
	t.Parallel()
	for what, rules := range map[string]string{"HINCRBY": "~* &* +@all -hincrby",
		"ZADD": "~* &* +@all -zadd", "keys asynq:*": "~ecpayq:* &* +@all"} {
		rdb := open(t, asUser(t, rules))
		script := redis.NewScript("redis.call('ZADD', KEYS[1], 1, 'm') redis.call('DEL', KEYS[1]) return redis.call('HINCRBY', KEYS[1], 'f', 1)")
		err := script.Run(t.Context(), rdb, []string{"asynq:{q}:t:1"}).Err()
		if redishealth.ReasonOf(err) != redishealth.Denied {
			t.Errorf("%s: got reason %q of %v, want denied", what, redishealth.ReasonOf(err), err)
		}
		if h := redishealth.HintFor(err); !strings.Contains(h.En, "ecpayq doctor") && !strings.Contains(h.En, "asynq:") {
			t.Errorf("%s: got hint %q before a second look, want who names it", what, h.En)
		}
		wantReason(t, redishealth.Diagnose(t.Context(), rdb, err), trouble{redishealth.Denied, "", what})
	}
}

func TestTheMastersOfAClusterAreProbedOneByOne(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t, 3)
	rdb := open(t, c.URL())
	must(t, ask(t, rdb))
	for i, node := range c.Nodes {
		must(t, node.Client().ConfigSet(t.Context(), "maxmemory", "1").Err())
		wantReason(t, ask(t, rdb), trouble{redishealth.Full, "", "maxmemory"})
		must(t, node.Client().ConfigSet(t.Context(), "maxmemory", "0").Err())
		if err := ask(t, rdb); err != nil {
			t.Errorf("node %d again with room: %v", i, err)
		}
		wantTrouble(t, trouble{redishealth.IsCluster, node.URL(), "redis-cluster://"})
	}
	if m, err := redishealth.ReadMemory(t.Context(), rdb); err != nil || m.Used == 0 || m.Max != 0 || m.Short() {
		t.Errorf("memory: got %+v, %v", m, err)
	}
	must(t, c.Nodes[2].Client().ConfigSet(t.Context(), "maxmemory", "1").Err())
	if m, err := redishealth.ReadMemory(t.Context(), rdb); err != nil || !m.Short() || m.Max != 1 {
		t.Errorf("memory: got %+v, %v, want that of the fullest node", m, err)
	}
	must(t, c.Nodes[2].Client().ConfigSet(t.Context(), "maxmemory", "0").Err())
	c.Nodes[1].Kill() // two of three
	c.Nodes[2].Kill()
	alone := open(t, "redis-cluster://"+c.Nodes[0].Addr())
	await(t, func() bool { return redishealth.ReasonOf(ask(t, alone)) != "" })
	if r := redishealth.ReasonOf(ask(t, alone)); r != redishealth.ClusterDown && r != redishealth.Refused {
		t.Errorf("two nodes away: got reason %q", r)
	}
}

func TestWhatIsSentToSentinelsByMistakeIsNamed(t *testing.T) {
	t.Parallel()
	s := redistest.NewSentinel(t, redistest.SentinelOptions{AppendFsync: "no", Sentinels: 1})
	must(t, ask(t, open(t, s.URL())))
	watcher := s.Sentinels[0].Addr()
	for _, row := range []trouble{
		{redishealth.SentinelName, "redis-sentinel://" + watcher + "/0?master=other", "master="},
		{redishealth.IsSentinel, "redis://" + watcher, "redis-sentinel://"},
		{redishealth.IsNoSentinel, "redis-sentinel://" + s.Nodes[0].Addr(), "26379"},
		{redishealth.Refused, "redis-sentinel://" + freeAddr(t), "ECPAYQ_REDIS_URL"},
		{redishealth.ReadOnly, s.Nodes[1].URL(), "redis-sentinel://"},
	} {
		wantTrouble(t, row)
	}
	must(t, s.Sentinels[0].Client().Do(t.Context(), "ACL", "SETUSER", "default", "resetpass", ">s3cret-word").Err())
	wantTrouble(t, trouble{redishealth.NoPassword, "redis-sentinel://" + watcher, "sentinel_password"})
	wantTrouble(t, trouble{redishealth.WrongPassword, "redis-sentinel://" + watcher + "?sentinel_password=x", "sentinel_password"})
	must(t, ask(t, open(t, "redis-sentinel://"+watcher+"?sentinel_password=s3cret-word")))
}

// What cannot be brought about here is said in Redis' or the system's own words.
func TestTheReasonsThatNeedAnotherMachine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redishealth.Reason{
		"DENIED Redis is running in protected mode because protected mode is enabled and no password is set for " +
			"the default user.": redishealth.Protected,
		"NOPERM No permissions to access a key":                                              redishealth.Denied, // Redis 7.2
		"ERR ACL failure in script: User queue has no permissions to run the 'time' command": redishealth.Denied,
		"TRYAGAIN Multiple keys request during rehashing of slot":                            redishealth.ClusterDown,
		"CROSSSLOT Keys in request don't hash to the same slot":                              redishealth.IsCluster,
	} {
		if got := redishealth.ReasonOf(reply(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	many := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	if got := redishealth.ReasonOf(many); got != redishealth.TooManyFiles {
		t.Errorf("%v: got %q, want %q", many, got, redishealth.TooManyFiles)
	}
	got := redishealth.HintFor(reply("ERR ACL failure in script: User queue has no permissions to run the 'config|get' command"))
	if !strings.Contains(got.En, "CONFIG GET") {
		t.Errorf("got %+v, want the command's name", got)
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestWhatIsNoTroubleOfRedisHasNoReason(t *testing.T) {
	t.Parallel()
	_, listen := net.Listen("tcp", "192.0.2.1:1")
	_, open := os.Open("/nowhere")
	_, web := http.Get("http://" + freeAddr(t))
	for _, err := range []error{nil, web, errors.New("something"), redis.Nil,
		reply("WRONGTYPE Operation against a key"), listen, open, context.Canceled} {
		if got := redishealth.ReasonOf(err); got != "" {
			t.Errorf("%v: got reason %q, want none", err, got)
		}
	}
}

func TestEveryReasonHasBothLanguagesAndIsALabel(t *testing.T) {
	t.Parallel()
	seen := map[string]redishealth.Reason{}
	for _, r := range redishealth.Reasons() {
		h := redishealth.HintFor(&redishealth.Error{Reason: r, Err: errors.New("x")})
		han := func(s string) bool {
			return strings.ContainsFunc(s, func(c rune) bool { return unicode.Is(unicode.Han, c) })
		}
		if h.En == "" || han(h.En) || !han(h.Zh) || strings.Contains(h.En+h.Zh, "…") ||
			strings.HasSuffix(h.En, ".") || strings.HasSuffix(h.Zh, "。") {
			t.Errorf("%s: got hint %+v", r, h)
		}
		if other, twice := seen[h.En]; twice {
			t.Errorf("%s and %s have the same hint", r, other)
		}
		seen[h.En] = r
		if strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%q is no label", r)
		}
	}
}

func TestAProbeIsCheapAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, plain)
	rdb := s.Client()
	probe := redishealth.NewProbe(rdb)
	must(t, probe.Check(t.Context()))
	calls := func() int64 {
		info, err := rdb.Info(t.Context(), "commandstats").Result()
		must(t, err)
		n := int64(0)
		for line := range strings.Lines(info) {
			if rest, ok := strings.CutPrefix(line, "cmdstat_eval"); ok {
				_, rest, _ = strings.Cut(rest, "calls=")
				count, _, _ := strings.Cut(rest, ",")
				one, _ := strconv.ParseInt(count, 10, 64)
				n += one
			}
		}
		return n
	}
	for range 100 {
		must(t, probe.Check(t.Context()))
	}
	if n := calls(); n > 4 {
		t.Errorf("101 checks within moments cost %d scripts, want 2, or 4 when a second passed", n)
	}
	keys, err := rdb.Keys(t.Context(), "*").Result()
	must(t, err)
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "ecpayq:1:{probe") {
		t.Fatalf("got keys %v, want the one of the probe", keys)
	}
	if ttl := rdb.PTTL(t.Context(), keys[0]).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the key lives for %s, want a minute at most", ttl)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := redishealth.NewProbe(rdb).Check(gone); err != nil {
		t.Errorf("for somebody who has gone: %v, want what is true for others", err)
	}
}
