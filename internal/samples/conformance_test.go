package samples

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/tasks"
)

const root = "../.."

// places range over the table of samples. Those about effects take writes only.
var places = []struct {
	name, file string
	writes     bool
}{
	{"the simulation", "worker/sim_plan_test.go", true},
	{"the test of unanswered writes", "worker/unanswered_test.go", true},
	{"the test of the worker's answers", "worker/answers_test.go", false},
	{"the table of troubles", "cmd/ecpayq/matrix_test.go", true},
	{"chaos", "cmd/ecpayq/chaos_test.go", true},
	{"the test of hostile answers", "cmd/ecpayq/answers_test.go", true},
	{"the leak test", "cmd/ecpayq/secrets_test.go", false},
	{"the test of Redis' user", "cmd/ecpayq/acl_test.go", false},
	{"the test of the command line", "cmd/ecpayq/cli_test.go", false},
}

// documents have a line for every operation, which begins with this.
var documents = map[string]func(tasks.Type) string{
	"README.md":                 func(t tasks.Type) string { return "| `" + t.Operation.String() + "` | `" + t.Operation.Path() },
	"README.zh-TW.md":           func(t tasks.Type) string { return "| `" + t.Operation.String() + "` | `" + t.Operation.Path() },
	"deploy/RUNBOOK.md":         func(t tasks.Type) string { return "### `" + t.Operation.String() + "`" },
	"ecpay/ecpaytest/README.md": func(t tasks.Type) string { return "| `" + t.Operation.Path() + "`" },
}

// TestEveryTypeIsInEveryPlace says of each type of task where it is missing.
func TestEveryTypeIsInEveryPlace(t *testing.T) {
	t.Parallel()
	for _, typ := range tasks.Types() {
		write := typ.Operation.Write
		if !slices.ContainsFunc(table(), func(s Sample) bool { return s.Type == typ.Name }) {
			file := strings.ReplaceAll(typ.Name, ":", "_") + ".go"
			for _, p := range places {
				if write || !p.writes {
					t.Errorf("%s is missing in %s (%s): give it internal/samples/%s and a line in samples.go", typ.Name, p.name, p.file, file)
				}
			}
		}
		for file, begin := range documents {
			if !strings.Contains(read(t, file), "\n"+begin(typ)) {
				t.Errorf("%s is missing in %s: no line begins with %q", typ.Name, file, begin(typ))
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryPlaceRangesOverTheTable demands a loop over the table, of all operations or of
// all writes, and no payload of its own beside it.
func TestEveryPlaceRangesOverTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range places {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, p.file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if pkg, name := qualified(n.Fun); pkg == "samples" {
					of[name] = true
				}
			case *ast.CompositeLit:
				if pkg, name := qualified(n.Type); pkg == "tasks" && strings.HasPrefix(name, "B2") {
					t.Errorf("%s (%s) has a %s of its own: take it from internal/samples", p.name, p.file, name)
				}
			}
			return true
		})
		if all := of["Usual"] || of["Cases"]; !all || of["Writes"] != p.writes {
			t.Errorf("%s (%s) calls %v of samples, want Usual or Cases, and Writes: %v", p.name, p.file, of, p.writes)
		}
	}
}

// qualified takes a name like samples.Usual apart.
func qualified(e ast.Expr) (pkg, name string) {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name, s.Sel.Name
		}
	}
	return "", ""
}

// TestASampleSaysAllThatPlacesAsk holds samples to the rows of their types, and to be
// complete.
func TestASampleSaysAllThatPlacesAsk(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range table() {
		typ, ok := tasks.ByName(s.Type)
		got := [5]string{typ.Name, typ.Queue, typ.Operation.Path(), typ.Command(), typ.Alias}
		if want := [5]string{s.Type, s.Queue, s.Path, s.Command, s.Alias}; !ok || got != want {
			t.Errorf("%s: the row has %q, the sample %q", s.Type, got, want)
		}
		if seen[s.Type] {
			t.Errorf("%s has two samples", s.Type)
		}
		seen[s.Type] = true
		if s.Subject == nil || len(s.Flags) == 0 || len(s.Cases) == 0 {
			t.Errorf("%s: the sample has no subject, no flags or no case", s.Type)
		}
		if write := typ.Operation.Write; (len(s.Effects) > 0) != write || (s.Refusal != 0) != write {
			t.Errorf("%s: effects %q and refusal %d, for a write: %v", s.Type, s.Effects, s.Refusal, write)
		}
	}
	names := map[string]bool{}
	for _, c := range Cases() {
		at := At{Subject: c.Subject("A", 1)}
		p := c.Payload(at)
		if err := p.Validate(); err != nil || tasks.TypeOf(p).Name != c.Type {
			t.Errorf("%s: a payload of %s, %v", c.Name, tasks.TypeOf(p).Name, err)
		}
		if names[c.Name] || names[c.Title] && c.Title != "" {
			t.Errorf("two cases are called %q or %q", c.Name, c.Title)
		}
		names[c.Name], names[c.Title] = true, true
		write := c.Row().Operation.Write
		if c.RtnCode == 0 || (c.Effect != "") != write || (c.Title != "") != write || write && !slices.Contains(c.Effects, c.Effect) {
			t.Errorf("%s: RtnCode %d, effect %q and title %q, for a write: %v", c.Name, c.RtnCode, c.Effect, c.Title, write)
		}
		for a := Recorded; write && a <= AbsentUnknown; a++ {
			if c.Outcomes[a] == "" {
				t.Errorf("%s does not say what becomes of it in aftermath %d", c.Name, a)
			}
		}
		if asks, row := len(c.Questions()) > 0, c.Row(); asks && row.Shown == tasks.NoProof {
			t.Errorf("%s is asked about, which proves nothing", c.Name)
		}
		n, lists := 0, 0
		for _, f := range tasks.FieldsOf(p) {
			n++
			if k := f.Kind(); k == reflect.Slice || k == reflect.Struct {
				lists++ // which has no flag: it is given by --data
			}
		}
		if n-lists != len(c.Flags) {
			t.Errorf("%s has %d fields, %d of them without a flag, and %d flags", c.Name, n, lists, len(c.Flags))
		}
	}
}
