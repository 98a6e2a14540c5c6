package redisx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
)

type keys struct{ Task, LockOf, Last string }

type first struct {
	Token string
	Life  time.Duration `unit:"ms"`
}

type more struct {
	Stamp   time.Time `unit:"us"`
	IsWrite bool
	N       int
}

type rest struct{ Fields []any }

type args struct {
	first
	*more
	*rest
}

type answer struct {
	Wait   time.Duration `unit:"us"`
	Why    string
	Probes bool
	Never  int64 `none:"-1"`
}

const everything = `
-- KEYS.unknown in a comment is none of ours
local out = ANSWER{never = -1, why = 'a, } (' .. tostring(({1, 2})[2])}
out[ANSWER.wait] = tonumber(ARGV.life) * 1000
out[ANSWER.why] = KEYS.task .. ' ' .. KEYS.lock_of .. ' ' .. (KEYS.last or 'none') .. ' ' .. ARGV.token .. ' ' .. #ARGV
out[ANSWER.probes] = tonumber(ARGV.is_write or 0) + (tonumber(ARGV.n) or 0) * 0 + (tonumber(ARGV.stamp) or 0) * 0
for i = FIRST.fields, #ARGV do out[ANSWER.why] = out[ANSWER.why] .. ' ' .. ARGV[i] end
return out`

func TestAScriptIsGivenItsKeysAndArgumentsByName(t *testing.T) {
	t.Parallel()
	s := redisx.NewScript[keys, args, answer](everything)
	rdb := redistest.New(t).Client()
	at := time.UnixMicro(1_795_000_000_123_456)
	for name, tc := range map[string]struct {
		keys keys
		args args
		want answer
	}{
		"all": {
			keys{"{a}t", "{a}l", "{a}x"}, args{first{"token", time.Second}, &more{at, true, 7}, &rest{[]any{"f", 1, "g", []byte("v")}}},
			answer{time.Second, "{a}t {a}l {a}x token 9 f 1 g v", true, -1},
		},
		"no last key, and no more arguments": {
			keys{"{a}t", "{a}l", ""}, args{first: first{"token", 2 * time.Second}},
			answer{2 * time.Second, "{a}t {a}l none token 2", false, -1},
		},
		"no list": {
			keys{"{a}t", "{a}l", ""}, args{first{"token", 0}, &more{IsWrite: false}, nil},
			answer{0, "{a}t {a}l none token 5", false, -1},
		},
	} {
		for range 2 { // by its text and by its hash
			got, err := s.Run(t.Context(), rdb, tc.keys, tc.args)
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestAScriptAfterAnotherHasItsOwnKeysAndArguments(t *testing.T) {
	t.Parallel()
	s := redisx.NewScript[keys, args, answer](everything)
	rdb := redistest.New(t).Client()
	text := "local function ours()\n" + s.After(1, 2) + "\nend\nreturn {KEYS[1], ARGV[2], ours()[" + "2" + "]}"
	k, a := s.Appended([]string{"{a}theirs"}, []any{"x", "y"}, keys{"{a}t", "{a}l", ""}, args{first: first{"token", 0}})
	got, err := rdb.Eval(t.Context(), text, k, a...).StringSlice()
	if diff := cmp.Diff([]string{"{a}theirs", "y", "{a}t {a}l none token 4"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAScriptWhoseNamesDoNotFitItsDeclarationIsNoScript(t *testing.T) {
	t.Parallel()
	for name, lua := range map[string]string{
		"misspelt argument":  strings.Replace(everything, "ARGV.token", "ARGV.tokn", 1),
		"misspelt key":       strings.Replace(everything, "KEYS.lock_of", "KEYS.lock", 1),
		"misspelt answer":    strings.Replace(everything, "ANSWER.why]", "ANSWER.reason]", 1),
		"misspelt in a list": strings.Replace(everything, "ANSWER{never", "ANSWER{nver", 1),
		"an open list":       strings.Replace(everything, "ANSWER{never", "return ANSWER{never = 1, why = (", 1),
		"a list by position": strings.Replace(everything, "ANSWER{never", "ANSWER{1, never", 1),
		"unused argument":    strings.ReplaceAll(everything, "ARGV.stamp", "1"),
		"unused key":         strings.ReplaceAll(everything, "KEYS.task", "''"),
		"a position of keys": everything + "\n-- fine: KEYS[1]\nlocal k = KEYS[1]",
		"of arguments":       "local v = ARGV[12]\n" + everything,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			redisx.NewScript[keys, args, answer](lua).After(0, 0)
		}()
	}
}

func TestADurationWithoutAUnitIsNoArgument(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("taken")
		}
	}()
	redisx.NewScript[struct{}, struct{ Life time.Duration }, int64]("return ARGV.life").After(0, 0)
}

func TestManyCallsHaveAnAnswerEachAndSurviveARedisThatForgotTheScript(t *testing.T) {
	t.Parallel()
	type counted struct{ Key string }
	s := redisx.NewScript[counted, struct{ By int }, int64](`return redis.call('INCRBY', KEYS.key, ARGV.by)`)
	rdb := redistest.New(t).Client()
	for range 2 {
		if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Set(t.Context(), "text", "no number", 0).Err(); err != nil {
			t.Fatal(err)
		}
		calls := []*redisx.Call[int64]{s.Call(counted{"a"}, struct{ By int }{1}),
			s.Call(counted{"text"}, struct{ By int }{1}), s.Call(counted{"b"}, struct{ By int }{5})}
		s.RunAll(t.Context(), rdb, calls)
		for i, c := range calls {
			if n, err := c.Answer(); (err != nil) != (i == 1) || err == nil && n == 0 {
				t.Errorf("call %d: got %d, %v", i, n, err)
			}
		}
	}
	if a, b := rdb.Get(t.Context(), "a").Val(), rdb.Get(t.Context(), "b").Val(); a != "2" || b != "10" {
		t.Errorf("got %s and %s, want 2 and 10", a, b)
	}
}
