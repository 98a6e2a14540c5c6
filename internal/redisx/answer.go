package redisx

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	constructor = regexp.MustCompile(`\bANSWER\s*\{`)
	assignment  = regexp.MustCompile(`^\s*([a-z0-9_]+)\s*=([^=](?s:.*))$`)
)

// answers puts lists in the place of all ANSWER{wait = 1, why = TURN}: Lua makes them in one
// step, where a table with names would have to be read name by name.
func (l *layout) answers(lua string) string {
	var b strings.Builder
	for {
		at := constructor.FindStringIndex(lua)
		if at == nil {
			return b.String() + lua
		}
		parts, rest := split(lua[at[1]:])
		b.WriteString(lua[:at[0]])
		b.WriteString(l.list(parts))
		lua = rest
	}
}

// list is one of them, of parts like "wait = 1".
func (l *layout) list(parts []string) string {
	values := make([]string, len(l.fields))
	for i, f := range l.fields {
		values[i] = f.none
	}
	for _, part := range parts {
		m := assignment.FindStringSubmatch(part)
		if m == nil {
			panic(fmt.Sprintf("redisx: %q in an answer of %s is no name = value", part, l.of))
		}
		values[l.position(m[1])-1] = strings.TrimSpace(m[2])
	}
	return "{" + strings.Join(values, ", ") + "}"
}

// split cuts what follows an opening brace at its commas, up to the brace that closes it.
func split(lua string) (parts []string, rest string) {
	depth, begin := 0, 0
	var quote byte
	for i := range len(lua) {
		switch c := lua[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(' || c == '{' || c == '[':
			depth++
		case depth > 0 && (c == ')' || c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ',' || c == '}'):
			if strings.TrimSpace(lua[begin:i]) != "" {
				parts = append(parts, lua[begin:i])
			}
			if begin = i + 1; c == '}' {
				return parts, lua[begin:]
			}
		}
	}
	panic("redisx: an answer has no closing brace")
}
