package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a reader can take in at once: a file, a function, a line. A tab counts as one character.
const (
	maxFileLines  = 500
	maxFuncLines  = 80
	maxLineLength = 140
)

func TestFilesFunctionsAndLinesAreShort(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		ext := path.Ext(name)
		if err != nil || d.IsDir() || ext != ".go" && ext != ".lua" {
			return err
		}
		seen[ext]++
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		checkLines(t, name, string(b))
		if ext == ".lua" {
			return nil
		}
		return checkFunctions(t, name, b)
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen[".go"] <= 200 || seen[".lua"] <= 30 {
		t.Errorf("looked at few files only, by their ending: %v", seen)
	}
}

func checkLines(t *testing.T, name, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > maxFileLines {
		t.Errorf("%s:%d: the file has %d lines, want at most %d: split it along what it does", name, maxFileLines+1, len(lines), maxFileLines)
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > maxLineLength {
			t.Errorf("%s:%d: the line has %d characters, want at most %d", name, i+1, n, maxLineLength)
		}
	}
}

// checkFunctions counts each function that is declared, with the closures inside it, from its
// first line to its last.
func checkFunctions(t *testing.T, name string, text []byte) error {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		first, last := files.Position(f.Pos()).Line, files.Position(f.End()).Line
		if n := last - first + 1; n > maxFuncLines {
			t.Errorf("%s:%d: %s has %d lines, want at most %d: split it by what it does", name, first, f.Name.Name, n, maxFuncLines)
		}
	}
	return nil
}
