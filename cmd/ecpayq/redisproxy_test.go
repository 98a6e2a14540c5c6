//go:build slow

package main_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// redisProxy stands between workers and Redis, and can hold chosen commands or
// the replies to them. It reads commands one by one (every client sends arrays of
// strings, in either version of the protocol) and passes replies on unread: a
// connection has one command under way, so that what comes after it is its reply.
type redisProxy struct {
	listener net.Listener
	addr     string // of Redis

	mu    sync.Mutex
	hold  *hold
	conns []net.Conn
}

func newRedisProxy(t *testing.T, addr string) *redisProxy {
	t.Helper()
	p := &redisProxy{listener: listenAt(t, "127.0.0.1:0"), addr: addr}
	go func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.release()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			_ = c.Close()
		}
	})
	return p
}

// URL is that of Redis by way of the proxy.
func (p *redisProxy) URL() string { return "redis://" + p.listener.Addr().String() + "/0" }

// hold is a choice of commands that do not get through.
type hold struct {
	matches  func(words []string) bool
	ids      []string // of the tasks it is about
	replies  bool     // the commands get through, their replies do not
	released chan struct{}

	mu   sync.Mutex
	held map[string]bool // by id
}

// holdRequests keeps these commands about these tasks from Redis, for ever: when
// the hold is released their connections are closed.
func (p *redisProxy) holdRequests(matches func([]string) bool, ids ...string) *hold {
	return p.start(&hold{matches: matches, ids: ids})
}

// holdReplies lets the commands through, and their replies when it is released.
func (p *redisProxy) holdReplies(matches func([]string) bool, ids ...string) *hold {
	return p.start(&hold{matches: matches, ids: ids, replies: true})
}

func (p *redisProxy) start(h *hold) *hold {
	h.released, h.held = make(chan struct{}), map[string]bool{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = h
	return h
}

// release ends the hold.
func (p *redisProxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil {
		close(p.hold.released)
		p.hold = nil
	}
}

// all reports whether the hold has held a command, or a reply, about every task.
func (h *hold) all() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held) == len(h.ids)
}

func (h *hold) note(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[id] = true
}

// heldReply is the reply that a connection waits for, held.
type heldReply struct {
	*hold
	id string
}

// choose returns the hold that a command falls under, and the task it is about.
func (p *redisProxy) choose(words []string) (*hold, string) {
	p.mu.Lock()
	h := p.hold
	p.mu.Unlock()
	if h == nil || !h.matches(words) {
		return nil, ""
	}
	for _, id := range h.ids {
		about := func(word string) bool { return word == id || strings.HasSuffix(word, ":"+id) }
		if slices.ContainsFunc(words, about) {
			return h, id
		}
	}
	return nil, ""
}

func (p *redisProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.addr)
	if err != nil {
		return // Redis is away
	}
	defer server.Close()
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	var reply atomic.Pointer[heldReply]
	go passReplies(client, server, &reply)
	in := bufio.NewReader(client)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		if h, id := p.choose(words); h != nil {
			if !h.replies {
				h.note(id)
				<-h.released
				return
			}
			reply.Store(&heldReply{h, id})
		}
		if _, err := server.Write(encodeCommand(words)); err != nil {
			return
		}
	}
}

func passReplies(client, server net.Conn, reply *atomic.Pointer[heldReply]) {
	defer client.Close()
	defer server.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if h := reply.Load(); h != nil && n > 0 {
			if bytes.HasPrefix(buf[:n], []byte("-NOSCRIPT")) {
				reply.Store(nil) // it was quicker than the command that loads the script, and comes again with the text
			} else {
				h.note(h.id)
				<-h.released
			}
		}
		if _, failed := client.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

func encodeCommand(words []string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

var (
	// notSent matches a line of a script with a comment, or with what is sent otherwise: a part of an answer, and
	// a field that is read by name.
	notSent = regexp.MustCompile(`--|\b(FIRST|ANSWER|FIELDS)\b|\b[a-z]\.[a-z]`)
	// positioned matches a name that is sent as a position.
	positioned = regexp.MustCompile(`\b(KEYS|ARGV)\\\.[a-z0-9_]+`)
)

// gateScript recognises a script of the gate: by the lines of its file, or by the
// SHA-1 of a script that had them. A client sends a text before its SHA-1 serves, and
// no script is in Redis before the hold is.
func gateScript(t *testing.T, name string) func(words []string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "worker", "gate", name+".lua"))
	if err != nil {
		t.Fatal(err)
	}
	var own []*regexp.Regexp // the lines by which it can be told
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if (strings.Contains(line, "local ") || strings.Contains(line, "redis.call(")) && !notSent.MatchString(line) {
			own = append(own, regexp.MustCompile(positioned.ReplaceAllString(regexp.QuoteMeta(line), `$1\[\d+\]`)))
		}
	}
	if len(own) < 5 {
		t.Fatalf("%s.lua has only the lines %q by which it can be told", name, own)
	}
	var sums sync.Map
	return func(words []string) bool {
		switch strings.ToUpper(words[0]) {
		case "EVALSHA":
			_, known := sums.Load(words[1])
			return known
		case "EVAL":
			if !slices.ContainsFunc(own, func(line *regexp.Regexp) bool { return !line.MatchString(words[1]) }) {
				sums.Store(fmt.Sprintf("%x", sha1.Sum([]byte(words[1]))), true)
				return true
			}
		}
		return false
	}
}

// completion recognises the script by which asynq moves a task from its active
// ones, which have leases, to its completed ones.
func completion(words []string) bool {
	has := func(end string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "asynq:{") && strings.HasSuffix(w, end) })
	}
	return has("}:lease") && has("}:completed")
}
