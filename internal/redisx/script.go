package redisx

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script whose keys, arguments and answer are declared once, as structs of Go.
// Its text names them, and [NewScript] puts the positions in their place, so that Redis is sent
// no more than it would be for a script that counts positions:
//
//	KEYS.lock     the key of the field Lock of K: KEYS[2]
//	ARGV.life     the argument of the field Life of A: ARGV[5]
//	FIRST.fields  where those of the last field Fields begin, a []any of A or a []string of K: 16
//	ANSWER{wait = 1}  a list with the value of the field Wait of R, and of every other 0, or
//	                  what its tag none says
//	FIELDS(KEYS.task, 'state')  fields of a hash, which are then read by name, see fields.go
//	ANSWER.wait   where in that list the field stands: 3
//
// The fields of K are strings; empty ones are left out at the end only. Those of A are strings,
// bytes, integers, booleans (1 or 0), times and durations, whose tag `unit:"ms"` or `unit:"us"`
// says in what they are sent, 0 for the zero time. An embedded struct stands for its fields;
// where an embedded pointer is nil, neither its fields nor those after it are sent. R is a
// struct of integers, booleans, durations and strings for a script that returns a list, an
// int64, a string, a []int64, a []string or a []any.
type Script[K, A, R any] struct{ made func() *made }

// made is a script that was used.
type made struct {
	text
	script *redis.Script
}

// NewScript returns the script whose text is that of all parts. It is made when it is first used:
// scripts are variables of packages, and a program uses few of those that it has. Then it panics
// where the text has a name that is not declared, does not use one that is, or counts
// positions by itself, so that a test that runs it finds that.
func NewScript[K, A, R any](parts ...string) Script[K, A, R] {
	s := Script[K, A, R]{sync.OnceValue(func() *made {
		t := newText[K, A, R](parts)
		return &made{t, redis.NewScript(t.at(0, 0))}
	})}
	all.Lock()
	defer all.Unlock()
	all.scripts = append(all.scripts, s.made)
	return s
}

// all are the scripts that there are.
var all struct {
	sync.Mutex
	scripts []func() *made
}

// MakeAll makes every script of the program and returns how many there are, for a test.
func MakeAll() int {
	all.Lock()
	defer all.Unlock()
	for _, made := range all.scripts {
		made()
	}
	return len(all.scripts)
}

// Run runs it by its hash, and by its text where Redis has forgotten it.
func (s Script[K, A, R]) Run(ctx context.Context, rdb redis.Scripter, k K, a A) (R, error) {
	return answerOf[R](s.made().script.Run(ctx, rdb, s.keys(k), s.args(a)...))
}

// After returns the text for use behind another script's text in one call, where the other
// script has so many keys and arguments. [Script.Appended] returns the keys and arguments of
// both.
func (s Script[K, A, R]) After(keys, args int) string { return s.made().at(keys, args) }

// Appended adds the keys and arguments to those of another script.
func (s Script[K, A, R]) Appended(keys []string, args []any, k K, a A) ([]string, []any) {
	return append(keys[:len(keys):len(keys)], s.keys(k)...), append(args[:len(args):len(args)], s.args(a)...)
}

func (s Script[K, A, R]) keys(k K) []string { return s.made().keys.strings(k) }

func (s Script[K, A, R]) args(a A) []any { return s.made().args.values(a) }

// Call is one call of a script among many, see [Script.RunAll].
type Call[R any] struct {
	keys []string
	args []any
	cmd  *redis.Cmd
}

// Answer returns the answer of a call that was made.
func (c *Call[R]) Answer() (R, error) { return answerOf[R](c.cmd) }

// Call returns a call that [Script.RunAll] can make.
func (s Script[K, A, R]) Call(k K, a A) *Call[R] { return &Call[R]{keys: s.keys(k), args: s.args(a)} }

// ByText adds a call to a pipeline that sends the script's text.
func (s Script[K, A, R]) ByText(ctx context.Context, pipe redis.Pipeliner, k K, a A) *Call[R] {
	c := s.Call(k, a)
	c.cmd = s.made().script.Eval(ctx, pipe, c.keys, c.args...)
	return c
}

// ByHash adds a call to a pipeline that sends its hash: a server that does not have the
// script answers NOSCRIPT.
func (s Script[K, A, R]) ByHash(ctx context.Context, pipe redis.Pipeliner, k K, a A) *Call[R] {
	c := s.Call(k, a)
	c.cmd = s.made().script.EvalSha(ctx, pipe, c.keys, c.args...)
	return c
}

// RunAll makes many calls in one round trip, each with an answer or an error of its own.
// Their keys may be on different servers of a cluster. A server that has forgotten the
// script gets its text in one more trip, so that the script must be one that may be
// executed twice.
func (s Script[K, A, R]) RunAll(ctx context.Context, rdb redis.UniversalClient, calls []*Call[R]) {
	trip := func(calls []*Call[R], run func(redis.Pipeliner, *Call[R]) *redis.Cmd) {
		if len(calls) == 0 {
			return
		}
		pipe := rdb.Pipeline()
		for _, c := range calls {
			c.cmd = run(pipe, c)
		}
		ExecEach(ctx, pipe)
	}
	trip(calls, func(pipe redis.Pipeliner, c *Call[R]) *redis.Cmd {
		return s.made().script.EvalSha(ctx, pipe, c.keys, c.args...)
	})
	var forgotten []*Call[R]
	for _, c := range calls {
		if redis.HasErrorPrefix(c.cmd.Err(), "NOSCRIPT") {
			forgotten = append(forgotten, c)
		}
	}
	trip(forgotten, func(pipe redis.Pipeliner, c *Call[R]) *redis.Cmd {
		return s.made().script.Eval(ctx, pipe, c.keys, c.args...)
	})
}

// answerOf reads an answer.
func answerOf[R any](cmd *redis.Cmd) (answer R, err error) {
	switch p := any(&answer).(type) {
	case *int64:
		*p, err = cmd.Int64()
	case *string:
		*p, err = cmd.Text()
	case *[]int64:
		*p, err = cmd.Int64Slice()
	case *[]string:
		*p, err = cmd.StringSlice()
	case *[]any:
		*p, err = cmd.Slice()
	default:
		var list []any
		if list, err = cmd.Slice(); err == nil {
			err = layoutOf[R]().fill(&answer, list)
		}
	}
	if err != nil {
		return answer, fmt.Errorf("%w", err)
	}
	return answer, nil
}
