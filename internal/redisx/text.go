package redisx

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// text is that of a script, with names in place of positions.
type text struct {
	lua                string
	keys, args, answer *layout
}

var (
	named   = regexp.MustCompile(`\b(KEYS|ARGV|FIRST|ANSWER)\.([a-z0-9_]+)`)
	counted = regexp.MustCompile(`\b(KEYS|ARGV)\[\d+\]`)
	comment = regexp.MustCompile(`(?m)^\s*--.*\n|\s+--.*$`)
)

func newText[K, A, R any](parts []string) text {
	t := text{
		lua:  comment.ReplaceAllString(strings.Join(parts, "\n"), ""),
		keys: layoutOf[K](), args: layoutOf[A](), answer: answerLayout[R](),
	}
	t.lua = t.answer.answers(fieldsByPosition(t.lua))
	if bad := counted.FindString(t.lua); bad != "" {
		panic(fmt.Sprintf("redisx: the script of %T counts positions by itself: %s", *new(A), bad))
	}
	used := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(t.lua, -1) {
		used[m[0]] = true
	}
	for table, l := range map[string]*layout{"KEYS": t.keys, "ARGV": t.args} {
		for _, name := range l.names() {
			if !used[table+"."+name] && !used["FIRST."+name] {
				panic(fmt.Sprintf("redisx: the script of %s does not use %s.%s", l.of, table, name))
			}
		}
	}
	return t
}

// at is the text for use behind another script that has so many keys and arguments.
func (t text) at(keys, args int) string {
	return named.ReplaceAllStringFunc(t.lua, func(word string) string {
		table, name, _ := strings.Cut(word, ".")
		switch table {
		case "KEYS":
			return fmt.Sprintf("KEYS[%d]", keys+t.keys.position(name))
		case "ARGV":
			return fmt.Sprintf("ARGV[%d]", args+t.args.position(name))
		case "FIRST":
			if t.keys.has(name) {
				return strconv.Itoa(keys + t.keys.position(name))
			}
			return strconv.Itoa(args + t.args.position(name))
		}
		return strconv.Itoa(t.answer.position(name))
	})
}
