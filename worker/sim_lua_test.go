package worker

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// This file runs the scripts of a [simRedis]. miniredis does so itself, but makes a Lua
// with all its libraries for each call, which is most of what a schedule costs. Here a
// Lua is used again; its redis.call is still a command of miniredis.

// simScripts are all scripts that were ever seen, compiled, by SHA-1. Whether a Redis
// knows one is its own matter.
var simScripts sync.Map

// simLuas are those that nobody uses.
var simLuas = sync.Pool{New: func() any { return newSimLua() }}

// simLua is a Lua with what a script of Redis finds in it.
type simLua struct {
	*lua.LState
	redis *simRedis // that executes what is called now
	peer  *server.Peer
	out   bytes.Buffer
	in    *bufio.Reader
}

func newSimLua() *simLua {
	l := &simLua{LState: lua.NewState(lua.Options{SkipOpenLibs: true})}
	l.peer, l.in = server.NewPeer(bufio.NewWriterSize(&l.out, lineSize)), bufio.NewReaderSize(&l.out, lineSize)
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString, lua.MathLibName: lua.OpenMath,
	} {
		l.Push(l.NewFunction(open))
		l.Push(lua.LString(name))
		l.Call(1, 0)
	}
	l.SetGlobal("redis", l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{
		"call":         func(*lua.LState) int { return l.command(true) },
		"pcall":        func(*lua.LState) int { return l.command(false) },
		"error_reply":  func(s *lua.LState) int { s.Push(field(s, "err", s.CheckString(1))); return 1 },
		"status_reply": func(s *lua.LState) int { s.Push(field(s, "ok", s.CheckString(1))); return 1 },
	}))
	// As in Redis, a script has no globals of its own.
	guard := l.NewTable()
	for _, event := range []string{"__index", "__newindex"} {
		l.SetField(guard, event, l.NewFunction(func(s *lua.LState) int {
			s.RaiseError("Script attempted to access nonexistent global variable '%s'", s.Get(2))
			return 0
		}))
	}
	l.SetMetatable(l.G.Global, guard)
	return l
}

func field(s *lua.LState, name, text string) *lua.LTable {
	t := s.NewTable()
	t.RawSetString(name, lua.LString(text))
	return t
}

// command is redis.call, and with an error as a value redis.pcall.
func (l *simLua) command(raise bool) int {
	words := make([]string, l.GetTop())
	for i := range words {
		switch v := l.Get(1 + i).(type) {
		case lua.LNumber, lua.LString:
			words[i] = v.String()
		default:
			l.RaiseError("Lua redis lib command arguments must be strings or integers")
		}
	}
	l.out.Reset()
	l.in.Reset(&l.out)
	l.redis.mr.Server().Dispatch(l.peer, words)
	l.peer.Flush()
	reply, err := server.ParseReply(l.in)
	switch {
	case err != nil && raise:
		l.RaiseError("%s", err)
	case err != nil:
		l.Push(field(l.LState, "err", err.Error()))
	default:
		l.Push(l.toLua(reply))
	}
	return 1
}

func (l *simLua) toLua(reply any) lua.LValue {
	switch v := reply.(type) {
	case nil:
		return lua.LFalse
	case int:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case server.Simple:
		return field(l.LState, "ok", string(v))
	case []any:
		t := l.CreateTable(len(v), 0)
		for _, e := range v {
			t.Append(l.toLua(e))
		}
		return t
	default:
		panic(fmt.Sprintf("a reply that is a %T", reply))
	}
}

// script executes EVAL and EVALSHA in the place of miniredis.
func (r *simRedis) script(c *server.Peer, cmd string, args []string) {
	sha := args[0]
	if cmd == "EVAL" {
		sum := sha1.Sum([]byte(args[0]))
		sha = hex.EncodeToString(sum[:])
		if _, known := simScripts.Load(sha); !known {
			chunk, err := parse.Parse(strings.NewReader(args[0]), sha)
			if err != nil {
				panic(err)
			}
			proto, err := lua.Compile(chunk, sha)
			if err != nil {
				panic(err)
			}
			simScripts.Store(sha, proto)
		}
		r.scripts[sha] = true
	}
	if !r.scripts[sha] {
		c.WriteError("NOSCRIPT No matching script. Please use EVAL.")
		return
	}
	proto, _ := simScripts.Load(sha)
	numKeys, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	l := simLuas.Get().(*simLua)
	defer simLuas.Put(l)
	l.redis = r
	l.G.Global.RawSetString("KEYS", l.words(args[2:2+numKeys]))
	l.G.Global.RawSetString("ARGV", l.words(args[2+numKeys:]))
	before := r.look(args[2 : 2+numKeys])
	l.Push(l.NewFunctionFromProto(proto.(*lua.FunctionProto)))
	if err := l.PCall(0, 1, nil); err != nil {
		c.WriteError("ERR " + strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		writeLua(c, l.Get(-1))
	}
	if before.key != "" {
		r.note(before, r.look(args[2:2+numKeys]))
	}
	l.SetTop(0)
}

func (l *simLua) words(list []string) *lua.LTable {
	t := l.CreateTable(len(list), 0)
	for _, w := range list {
		t.Append(lua.LString(w))
	}
	return t
}

// writeLua writes a value as Redis replies with it.
func writeLua(c *server.Peer, value lua.LValue) {
	switch v := value.(type) {
	case lua.LBool:
		if v {
			c.WriteInt(1)
		} else {
			c.WriteNull()
		}
	case lua.LNumber:
		c.WriteInt(int(v))
	case lua.LString:
		c.WriteBulk(string(v))
	case *lua.LTable:
		if s, ok := v.RawGetString("err").(lua.LString); ok {
			c.WriteError(string(s))
			return
		}
		if s, ok := v.RawGetString("ok").(lua.LString); ok {
			c.WriteInline(string(s))
			return
		}
		n := 0 // a list ends at its first nil
		for v.RawGetInt(n+1) != lua.LNil {
			n++
		}
		c.WriteLen(n)
		for i := range n {
			writeLua(c, v.RawGetInt(1+i))
		}
	default:
		c.WriteNull()
	}
}
