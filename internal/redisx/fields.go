package redisx

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A script reads fields of a hash by name, and Redis is sent positions as in a script that counts them:
//
//	local r = FIELDS(KEYS.task, 'token', 'left', denied = 'denied:' .. scope)
//	if r.token ... r.denied
//
// is HMGET of the fields, and r[1] and r[3]. A field whose name is an expression is given one. What is
// named r afterwards, in the function where that stands or else to the end of the script, has the fields
// that were named, until another local has the name.
var fieldsRead = regexp.MustCompile(`(?m)^( *)local (\w+) = FIELDS\((\w+(?:[.\[]\w+\]?)?),\s*([^()]*)\)`)

// fieldsByPosition rewrites a text that reads fields by name. It panics where a name is read that was not
// asked for, where one is asked for and not read, and where positions are counted.
func fieldsByPosition(lua string) string {
	for {
		m := fieldsRead.FindStringSubmatchIndex(lua)
		if m == nil {
			return lua
		}
		indent, variable, key := lua[m[2]:m[3]], lua[m[4]:m[5]], lua[m[6]:m[7]]
		names, asked := fieldNames(lua[m[8]:m[9]])
		end := m[1] + scopeOf(lua[m[1]:], indent, variable)
		lua = fmt.Sprintf("%s%slocal %s = redis.call('HMGET', %s, %s)%s%s",
			lua[:m[0]], indent, variable, key, strings.Join(asked, ", "), byPosition(lua[m[1]:end], variable, names), lua[end:])
	}
}

// fieldNames takes a list of fields apart: what each is called, and what Redis is asked for.
func fieldNames(list string) (names, asked []string) {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		name, expression, given := strings.Cut(item, " = ")
		if !given {
			name, expression = strings.Trim(item, "'"), item
		}
		names, asked = append(names, name), append(asked, expression)
	}
	return names, asked
}

// scopeOf is how much of a text a local of it has, which is declared with so many spaces before it.
func scopeOf(text, indent, variable string) int {
	end := len(text)
	over := []string{`(?m)^ *local (?:\w+, *)*` + variable + `\b`, `function[^\n]*\([^)\n]*\b` + variable + `\b[^)\n]*\)`}
	if len(indent) >= 2 {
		over = append(over, `(?m)^ {0,`+fmt.Sprint(len(indent)-2)+`}(?:end|else|elseif)\b`)
	}
	for _, pattern := range over {
		if at := regexp.MustCompile(pattern).FindStringIndex(text); at != nil {
			end = min(end, at[0])
		}
	}
	return end
}

func byPosition(text, variable string, names []string) string {
	if counted := regexp.MustCompile(`\b` + variable + `\[\d+\]`).FindString(text); counted != "" {
		panic("redisx: a script reads a field of FIELDS by its position: " + counted)
	}
	read := map[string]bool{}
	text = regexp.MustCompile(`\b`+variable+`\.(\w+)`).ReplaceAllStringFunc(text, func(word string) string {
		name := word[len(variable)+1:]
		if i := slices.Index(names, name); i >= 0 {
			read[name] = true
			return fmt.Sprintf("%s[%d]", variable, i+1)
		}
		panic("redisx: a script reads a field that it does not ask for: " + word)
	})
	for _, name := range names {
		if !read[name] {
			panic(fmt.Sprintf("redisx: a script asks for a field that it does not read: %s.%s", variable, name))
		}
	}
	return text
}
