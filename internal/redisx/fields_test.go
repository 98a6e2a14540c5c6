package redisx

import (
	"strings"
	"testing"
)

func TestFieldsAreReadByNameAndCountedByNobody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ lua, want string }{
		"at the top": {
			"local r = FIELDS(KEYS.task, 'token', mine,\n  'left')\nreturn r.left or r.token .. r.mine",
			"local r = redis.call('HMGET', KEYS.task, 'token', mine, 'left')\nreturn r[3] or r[1] .. r[2]",
		},
		"an expression": {
			"local p = FIELDS(pace, 'last', denied = 'denied:' .. scope)\nreturn p.denied or p.last",
			"local p = redis.call('HMGET', pace, 'last', 'denied:' .. scope)\nreturn p[2] or p[1]",
		},
		"in two functions": {
			"local function a()\n  local r = FIELDS(KEYS.a, 'one')\n  return r.one\nend\nlocal function b(r) return r.other end\n" +
				"local r = FIELDS(KEYS.b, 'two')\nreturn r.two",
			"local function a()\n  local r = redis.call('HMGET', KEYS.a, 'one')\n  return r[1]\nend\nlocal function b(r) return r.other end\n" +
				"local r = redis.call('HMGET', KEYS.b, 'two')\nreturn r[1]",
		},
		"in a block": {
			"local e = {}\nfor i = 1, 2 do\n  local e = FIELDS(KEYS[i], 'one')\n  x = e.one\nend\nreturn e.other",
			"local e = {}\nfor i = 1, 2 do\n  local e = redis.call('HMGET', KEYS[i], 'one')\n  x = e[1]\nend\nreturn e.other",
		},
	} {
		if got := fieldsByPosition(tc.lua); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
	for name, tc := range map[string]struct{ lua, want string }{
		"not asked for": {"local r = FIELDS(KEYS.task, 'token')\nreturn r.token or r.left", "r.left"},
		"not read":      {"local r = FIELDS(KEYS.task, 'token', 'left')\nreturn r.token", "r.left"},
		"counted":       {"local r = FIELDS(KEYS.task, 'token')\nreturn r[1]", "r[1]"},
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, tc.want) {
					t.Errorf("%s: got panic %q, want one about %s", name, p, tc.want)
				}
			}()
			fieldsByPosition(tc.lua)
		}()
	}
}
