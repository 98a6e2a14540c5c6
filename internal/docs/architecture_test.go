package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// architectures are equal but for the language of their words.
var architectures = []string{"docs/architecture.md", "docs/architecture.zh-TW.md"}

const module = "github.com/ecpayq/ecpayq"

// importsOfAll returns for every package of the module, by its path below the module, those
// of the module that it imports.
func importsOfAll(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		var paths []string
		for _, path := range strings.Fields(line) {
			if below, ok := strings.CutPrefix(path, module+"/"); ok {
				paths = append(paths, below)
			}
		}
		all[paths[0]] = paths[1:]
	}
	return all
}

// legend returns the packages of the table below the drawing, in its order.
func legend(t *testing.T, p page) []string {
	t.Helper()
	var names []string
	for _, table := range p.tables {
		if len(table[0]) != 3 || wholeSpan.FindString(table[1][1]) == "" {
			continue
		}
		for _, cell := range table.column(1) {
			names = append(names, strings.Trim(cell, "`"))
		}
	}
	return names
}

func TestTheLegendOfTheDrawingNamesEveryPackageAndImportsPointDown(t *testing.T) {
	t.Parallel()
	imports := importsOfAll(t)
	var packages []string
	for path := range imports {
		packages = append(packages, path)
	}
	slices.Sort(packages)
	for _, name := range architectures {
		names := legend(t, readPage(t, name))
		if diff := cmp.Diff(packages, slices.Sorted(slices.Values(names))); diff != "" {
			t.Errorf("%s (-packages +legend):\n%s", name, diff)
		}
		for from, all := range imports {
			for _, to := range all {
				if slices.Index(names, from) >= slices.Index(names, to) {
					t.Errorf("%s: %s imports %s, which is not below it", name, from, to)
				}
			}
		}
	}
}

var (
	// room is a node of a Mermaid drawing with the path of a package, and what is said of it.
	room = regexp.MustCompile(`(?m)^\s+(\w+)\["([\w/-]+)(?:<br/>[^"]*)?"\]$`)
	// arrow is a solid one, from one node to another.
	arrow = regexp.MustCompile(`(?m)^\s+(\w+) --> (\w+)$`)
)

func TestEveryArrowOfTheDrawingIsAnImport(t *testing.T) {
	t.Parallel()
	imports := importsOfAll(t)
	var drawn [][][]string
	for _, name := range architectures {
		drawings := readPage(t, name).blocksOf("mermaid")
		if len(drawings) != 1 {
			t.Fatalf("%s has %d drawings", name, len(drawings))
		}
		rooms := map[string]string{}
		for _, m := range room.FindAllStringSubmatch(drawings[0].text, -1) {
			rooms[m[1]] = m[2]
		}
		arrows := arrow.FindAllStringSubmatch(drawings[0].text, -1)
		for _, m := range arrows {
			if from, to := rooms[m[1]], rooms[m[2]]; from == "" || !slices.Contains(imports[from], to) {
				t.Errorf("%s draws %s: %q does not import %q", name, strings.TrimSpace(m[0]), from, to)
			}
		}
		if len(rooms) < 15 || len(arrows) < 20 {
			t.Errorf("%s: found %d rooms and %d arrows only", name, len(rooms), len(arrows))
		}
		drawn = append(drawn, arrows)
	}
	if diff := cmp.Diff(drawn[0], drawn[1]); diff != "" {
		t.Errorf("the two languages draw other arrows:\n%s", diff)
	}
}

// pathLike is a code span that names a file or a directory of the repository.
var pathLike = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+$|^[\w.-]+\.(go|lua|json|html|yml|md|mod)$`)

// inside is a code span that names a function or a type, like enqueue.Client.Task.
var inside = regexp.MustCompile(`^[a-z]+\.[A-Z]`)

func TestEveryPathOfTheArchitecturePagesExists(t *testing.T) {
	t.Parallel()
	for _, name := range architectures {
		found := 0
		for _, m := range codeSpan.FindAllStringSubmatch(readPage(t, name).prose, -1) {
			if !pathLike.MatchString(m[1]) || inside.MatchString(m[1]) {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if found < 100 {
			t.Errorf("%s: found %d paths only", name, found)
		}
	}
}

func TestTheArchitecturePagesSayWhereToChangeThings(t *testing.T) {
	t.Parallel()
	for _, name := range architectures {
		p := readPage(t, name)
		rows := p.tables[len(p.tables)-1][1:]
		if len(rows) < 10 {
			t.Errorf("%s answers for %d things only", name, len(rows))
		}
		for _, row := range rows {
			if !codeSpan.MatchString(row[1]) || row[2] == "" {
				t.Errorf("%s: %s names no file, or nothing that holds it", name, row[0])
			}
		}
	}
}
