package record_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// declared are the names in fields.go, and those of a letter's copies of them.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fields.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Field") {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				name, _ := strconv.Unquote(lit.Value)
				names[name] = true
			}
		}
		return true
	})
	for _, copied := range []string{"kind", "http_status", "trans_code", "rtn_code", "rtn_msg", "reason", "reason_zh"} {
		if !names[copied] {
			t.Errorf("%s is not in fields.go", copied)
		}
		names["d_"+copied] = true
	}
	return names
}

// Fields are strings in Lua, where a slip of the fingers makes a new one. So every name by which a
// script reads or writes a record stands in fields.go.
func TestAScriptNamesOnlyFieldsThatAreDeclared(t *testing.T) {
	t.Parallel()
	known, found := declared(t), 0
	reads := regexp.MustCompile(`(?s)FIELDS\(KEYS(?:\.task|\[i\]),([^()]*)\)`)
	removes := regexp.MustCompile(`(?s)'(?:HDEL|HGET|HEXISTS)', (?:KEYS\.task|KEYS\[i\]|key),?([^()]*)\)`)
	pairs := regexp.MustCompile(`'(?:HSET|HSETNX|HINCRBY)', (?:KEYS\.task|KEYS\[i\]), ((?:[^()]|\([^()]*(?:\([^()]*\)[^()]*)*\))*)\)`)
	tables := regexp.MustCompile(`(?s)(?:fields|told|over|death|answer) = \{((?:[^{}])*)\}`)
	added := regexp.MustCompile(`(?:fields\[#?n?(?:fields)? \+ 1\], fields\[#?n?(?:fields)? \+ 2\] = |changed_to\(fields, )'(\w+)'`)
	quoted := regexp.MustCompile(`'(\w+)'`)
	for _, pattern := range []string{"../ledger/*.lua", "*.lua", "../../worker/gate/*.lua", "../../worker/merchants/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v and no files", pattern, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(string(b), "")
			look := func(field string) {
				if found++; !known[field] {
					t.Errorf("%s: %q is not in fields.go", name, field)
				}
			}
			ofPace := strings.HasSuffix(name, "pace.lua") || strings.HasSuffix(name, "egress.lua") // hashes of their own
			for _, m := range reads.FindAllStringSubmatch(text, -1) {
				for _, q := range quoted.FindAllStringSubmatch(m[1], -1) {
					look(q[1])
				}
			}
			for _, m := range removes.FindAllStringSubmatch(text, -1) {
				for _, q := range quoted.FindAllStringSubmatch(m[1], -1) {
					look(q[1])
				}
			}
			for _, re := range []*regexp.Regexp{pairs, tables} {
				for _, m := range re.FindAllStringSubmatch(text, -1) {
					if ofPace && re == tables {
						continue
					}
					for i, part := range commas(m[1]) {
						if q := quoted.FindStringSubmatch(part); i%2 == 0 && q != nil && part == q[0] {
							look(q[1])
						}
					}
				}
			}
			for _, m := range added.FindAllStringSubmatch(text, -1) {
				if !ofPace {
					look(m[1])
				}
			}
		}
	}
	if found < 150 {
		t.Errorf("found %d uses of fields in scripts, want many more: the patterns do not fit them any longer", found)
	}
	t.Logf("%d uses", found)
}

// commas splits a list at those that stand in no brackets.
func commas(list string) (parts []string) {
	depth, from := 0, 0
	for i, c := range list {
		switch c {
		case '(', '{':
			depth++
		case ')', '}':
			depth--
		case ',':
			if depth == 0 {
				parts, from = append(parts, strings.TrimSpace(list[from:i])), i+1
			}
		}
	}
	return append(parts, strings.TrimSpace(list[from:]))
}
