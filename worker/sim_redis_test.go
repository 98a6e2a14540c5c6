package worker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// simRedis is a Redis of a simulation: miniredis with a wall clock of its own,
// which may be wrong and jump, and a replication id. It executes one command at a
// time and needs no goroutine, so that a simulation is as fast as its scripts.
type simRedis struct {
	mu      sync.Mutex
	mr      *miniredis.Miniredis
	peer    *server.Peer    // of direct
	scripts map[string]bool // that it knows, by SHA-1
	ends    simEnds
	out     bytes.Buffer
	offset  atomic.Int64 // how far its clock is ahead, in nanoseconds
	start   time.Time    // since when it is up
	replID  atomic.Int64
	second  atomic.Bool // it was promoted: it has had a master
	down    atomic.Bool
}

func newSimRedis() *simRedis {
	r := &simRedis{mr: miniredis.NewMiniRedis(), scripts: map[string]bool{}, ends: simEnds{}, start: time.Now()}
	r.replID.Store(1)
	conn, err := r.mr.Dial() // starts it without a listener
	if err != nil {
		panic(err)
	}
	_ = conn.Close()
	r.mr.SetTime(time.Now())
	r.mr.ClockTTL(true)
	r.mr.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		switch cmd {
		case "INFO":
		case "EVAL", "EVALSHA":
			r.script(c, cmd, args)
			return true
		default:
			return false
		}
		offset := "-1"
		if r.second.Load() {
			offset = "100"
		}
		up := int(time.Since(r.start) / time.Second)
		c.WriteBulk(fmt.Sprintf("redis_version:7.0.15\r\nuptime_in_seconds:%d\r\nmaster_replid:%040d\r\nsecond_repl_offset:%s\r\n",
			up, r.replID.Load(), offset))
		return true
	})
	r.peer = server.NewPeer(bufio.NewWriter(&r.out))
	return r
}

func (r *simRedis) close() { r.mr.Close() }

// now is its clock.
func (r *simRedis) now() time.Time { return time.Now().Add(time.Duration(r.offset.Load())) }

// lineSize is the size of buffers over memory: a line fits in most cases. The usual
// 4 KB for each command are a seventh of all that a schedule costs.
const lineSize = 128

// exec executes one command for a peer.
func (r *simRedis) exec(p *server.Peer, args []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mr.SetTime(r.now().Round(0))
	r.mr.Server().Dispatch(p, args)
	p.Flush()
}

// direct executes one command for the simulation itself and returns the reply:
// a string, an int, nil or a []any of these.
func (r *simRedis) direct(args ...any) any {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = fmt.Sprint(a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mr.SetTime(r.now().Round(0))
	r.out.Reset()
	r.mr.Server().Dispatch(r.peer, words)
	r.peer.Flush()
	v, err := parseReply(bufio.NewReaderSize(&r.out, lineSize))
	if err != nil {
		panic(fmt.Sprintf("redis %v: %v", args, err))
	}
	return v
}

func (r *simRedis) text(args ...any) string { s, _ := r.direct(args...).(string); return s }

func (r *simRedis) number(args ...any) int { n, _ := r.direct(args...).(int); return n }

func (r *simRedis) list(args ...any) []string {
	all, _ := r.direct(args...).([]any)
	words := make([]string, 0, len(all))
	for _, v := range all {
		s, _ := v.(string)
		words = append(words, s)
	}
	return words
}

func (r *simRedis) hash(key string) map[string]string {
	words, m := r.list("HGETALL", key), map[string]string{}
	for i := 0; i+1 < len(words); i += 2 {
		m[words[i]] = words[i+1]
	}
	return m
}

// parseReply reads RESP2.
func parseReply(in *bufio.Reader) (any, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New(rest)
	case ':':
		return strconv.Atoi(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err
	}
	if kind == '$' {
		b := make([]byte, n+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	}
	all := make([]any, n)
	for i := range all {
		if all[i], err = parseReply(in); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// commands reads what a client wrote, each a list of words; whole is false when the last of
// them is not all there.
func commands(b []byte) (all [][]string, whole bool) {
	from := bytes.NewReader(b)
	in := bufio.NewReaderSize(from, lineSize)
	for {
		if from.Len()+in.Buffered() == 0 {
			return all, true
		}
		v, err := parseReply(in)
		if err != nil {
			return all, false
		}
		var words []string
		for _, w := range v.([]any) {
			s, _ := w.(string)
			words = append(words, s)
		}
		all = append(all, words)
	}
}

// snapshot is all that Redis holds, for what a failover loses.
type snapshot struct {
	commands [][]any
	ends     simEnds
}

func (r *simRedis) snapshot() snapshot {
	var s [][]any
	for _, key := range r.list("KEYS", "*") {
		switch kind := r.text("TYPE", key); kind {
		case "string":
			s = append(s, []any{"SET", key, r.text("GET", key)})
		case "hash":
			m, args := r.hash(key), []any{"HSET", key}
			for _, f := range slices.Sorted(maps.Keys(m)) {
				args = append(args, f, m[f])
			}
			s = append(s, args)
		case "list":
			args := []any{"RPUSH", key}
			for _, v := range r.list("LRANGE", key, 0, -1) {
				args = append(args, v)
			}
			s = append(s, args)
		case "set":
			args := []any{"SADD", key}
			for _, v := range r.list("SMEMBERS", key) {
				args = append(args, v)
			}
			s = append(s, args)
		case "zset":
			words, args := r.list("ZRANGE", key, 0, -1, "WITHSCORES"), []any{"ZADD", key}
			for i := 0; i+1 < len(words); i += 2 {
				args = append(args, words[i+1], words[i])
			}
			s = append(s, args)
		case "stream":
			if key == record.AuditKey { // about which nothing is decided
				continue
			}
			s = append(s, r.stream(key)...)
		default:
			panic("no snapshot of a " + kind)
		}
		if ttl := r.number("PTTL", key); ttl > 0 {
			s = append(s, []any{"PEXPIREAT", key, r.now().UnixMilli() + int64(ttl)})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return snapshot{s, maps.Clone(r.ends)}
}

// stream is what writes a stream again.
func (r *simRedis) stream(key string) (s [][]any) {
	entries, _ := r.direct("XRANGE", key, "-", "+").([]any)
	for _, e := range entries {
		entry := e.([]any)
		s = append(s, append([]any{"XADD", key, entry[0]}, entry[1].([]any)...))
	}
	return s
}

// promote puts a replica in the place of the master, which has no more than the
// snapshot.
func (r *simRedis) promote(s snapshot) {
	r.direct("FLUSHALL")
	for _, cmd := range s.commands {
		r.direct(cmd...)
	}
	r.mu.Lock()
	r.ends = maps.Clone(s.ends)
	r.mu.Unlock()
	r.replID.Add(1)
	r.second.Store(true)
}

// simConn is one connection of a process to Redis. A command is executed in the
// goroutine that writes it.
type simConn struct {
	proc *simProc
	peer *server.Peer
	in   bytes.Buffer // replies that were not read yet
	part []byte       // of commands, until all is written
	err  error
}

// newSimClient returns a client of a process that tries again so often: the gate once, and
// asynq's server 20 times.
func newSimClient(p *simProc, retries int) *redis.Client {
	return redis.NewClient(&redis.Options{
		// its jitter has no seed
		Addr: "127.0.0.1:1", Protocol: 2, DisableIdentity: true, MaxRetries: retries, MinRetryBackoff: -1, MaxRetryBackoff: -1,
		ReadBufferSize: 512, WriteBufferSize: 4096,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			c := &simConn{proc: p}
			c.peer = server.NewPeer(bufio.NewWriterSize(&c.in, lineSize))
			return c, nil
		},
	})
}

// errBroken is what makes go-redis repeat a command.
var errBroken = io.EOF

// Write implements [net.Conn].
func (c *simConn) Write(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n := len(b)
	if c.part != nil {
		b = append(c.part, b...)
	}
	cmds, whole := commands(b)
	if !whole { // a script that is longer than go-redis' buffer
		c.part = bytes.Clone(b)
		return n, nil
	}
	c.part = nil
	if strings.EqualFold(cmds[0][0], "SUBSCRIBE") { // only for cancelling tasks from afar, which nobody does
		c.err = errBroken
		return n, nil
	}
	if cmd := strings.ToUpper(cmds[0][0]); cmd == "HELLO" || cmd == "CLIENT" || cmd == "SELECT" {
		c.proc.sim.redis.exec(c.peer, cmds[0])
		return n, nil
	}
	c.err = c.proc.trip("redis "+strings.ToLower(cmds[0][0]), func() {
		for _, cmd := range cmds {
			c.proc.sim.redis.exec(c.peer, c.proc.seen(cmd))
		}
	})
	return n, nil // whatever broke shows when the reply is read
}

// Read implements [net.Conn].
func (c *simConn) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.in.Len() == 0 {
		return 0, io.EOF
	}
	return c.in.Read(b)
}

// Close implements [net.Conn].
func (c *simConn) Close() error {
	c.err = net.ErrClosed
	return nil
}

// The rest of [net.Conn]: time passes in [simProc.trip] only.
func (*simConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (*simConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (*simConn) SetDeadline(time.Time) error      { return nil }
func (*simConn) SetReadDeadline(time.Time) error  { return nil }
func (*simConn) SetWriteDeadline(time.Time) error { return nil }
