package docs_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const root = "../.."

// readmes are equal but for the language of their words.
var readmes = []string{"README.md", "README.zh-TW.md"}

// page is a Markdown file taken apart.
type page struct {
	name     string
	headings []string // "#", "##", ... with their text
	blocks   []block
	tables   []table
	prose    string // all outside of fenced blocks
}

// block is a fenced block.
type block struct{ language, text string }

// table is a list of rows of cells, the header first, without the line of dashes.
type table [][]string

var (
	fence     = regexp.MustCompile("^```([a-z]*)$")
	heading   = regexp.MustCompile(`^#{1,6} `)
	dashes    = regexp.MustCompile(`^\|[-|: ]+\|$`)
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	wholeSpan = regexp.MustCompile("^`([^`]+)`$")
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	p := page{name: name}
	var prose, code strings.Builder
	inBlock, inTable := false, false
	lines := bufio.NewScanner(strings.NewReader(read(t, name)))
	for lines.Scan() {
		line := lines.Text()
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && !inBlock:
			inBlock = true
			p.blocks = append(p.blocks, block{language: m[1]})
			code.Reset()
		case line == "```" && inBlock:
			inBlock = false
			p.blocks[len(p.blocks)-1].text = code.String()
		case inBlock:
			code.WriteString(line + "\n")
		default:
			prose.WriteString(line + "\n")
			row := strings.HasPrefix(line, "|")
			switch {
			case heading.MatchString(line):
				p.headings = append(p.headings, line)
			case row && dashes.MatchString(line):
			case row && !inTable:
				p.tables = append(p.tables, table{cells(line)})
			case row:
				p.tables[len(p.tables)-1] = append(p.tables[len(p.tables)-1], cells(line))
			}
			inTable = row
		}
	}
	if err := lines.Err(); err != nil || inBlock {
		t.Fatalf("%s: error %v, a block is not closed: %t", name, err, inBlock)
	}
	p.prose = prose.String()
	return p
}

func cells(line string) []string {
	list := strings.Split(strings.Trim(line, "|"), "|")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// column returns the cells of a column below the header.
func (t table) column(n int) []string {
	var list []string
	for _, row := range t[1:] {
		list = append(list, row[n])
	}
	return list
}

// tableWith returns the one table whose first column begins with the code span.
func (p page) tableWith(t *testing.T, first string, columns int) table {
	t.Helper()
	for _, table := range p.tables {
		if len(table) > 1 && len(table[0]) == columns && table[1][0] == code(first) {
			return table
		}
	}
	t.Fatalf("%s: no table of %d columns begins with %s", p.name, columns, code(first))
	return nil
}

func (p page) blocksOf(languages ...string) []block {
	var list []block
	for _, b := range p.blocks {
		if slices.Contains(languages, b.language) {
			list = append(list, b)
		}
	}
	return list
}

// code is a value as a table shows it.
func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

func TestConfigurationTableIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	var want [][]string
	row := func(env, flag, def, role string) {
		if flag != "" {
			flag = "--" + flag
		}
		want = append(want, []string{code(env), code(flag), code(def), code(role)})
	}
	for _, s := range config.Settings() {
		row(s.Env, s.Flag, s.Default, string(s.Role))
	}
	// The dashboard's own, which are no settings; its help is looked at below.
	row("ECPAYQ_DASHBOARD_ADDR", "addr", "127.0.0.1:8980", "dashboard")
	row("ECPAYQ_DASHBOARD_READ_ONLY", "read-only", "false", "dashboard")
	row("ECPAYQ_DASHBOARD_TLS_CERT", "tls-cert", "", "dashboard")
	row("ECPAYQ_DASHBOARD_TLS_KEY", "tls-key", "", "dashboard")
	row("ECPAYQ_API_ADDR", "addr", "127.0.0.1:8970", "api")
	row("ECPAYQ_API_TLS_CERT", "tls-cert", "", "api")
	row("ECPAYQ_API_TLS_KEY", "tls-key", "", "api")
	for _, name := range readmes {
		var got [][]string
		for _, cells := range readPage(t, name).tableWith(t, config.Settings()[0].Env, 5)[1:] {
			got = append(got, cells[:4])
			if cells[4] == "" {
				t.Errorf("%s: %s is not explained", name, cells[0])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheTableOfUnansweredCallsNamesEveryOperation(t *testing.T) {
	t.Parallel()
	var want []string
	for _, typ := range tasks.Types() {
		want = append(want, code(typ.Operation.String()))
	}
	for _, name := range readmes {
		got := readPage(t, name).tableWith(t, tasks.Types()[0].Operation.String(), 3).column(0)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRunbookSaysForEveryOperationWhatToLookAt(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, typ := range tasks.Types() {
		want = append(want, "### "+code(typ.Operation.String()))
	}
	for _, h := range readPage(t, "deploy/RUNBOOK.md").headings {
		if strings.HasPrefix(h, "### `") {
			got = append(got, h)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deploy/RUNBOOK.md (-want +got):\n%s", diff)
	}
}

func TestKindsTableNamesEveryKind(t *testing.T) {
	t.Parallel()
	var want []string
	for _, k := range record.Kinds() {
		want = append(want, code(k.String()))
	}
	for _, name := range readmes {
		got := readPage(t, name).tableWith(t, record.Kinds()[0].String(), 3).column(0)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatBecomesOfAWriteIsTheSameInBothLanguages(t *testing.T) {
	t.Parallel()
	// README.md is held to what happens by the tests of cmd/ecpayq.
	words := map[string]string{
		"done":                    "完成",
		"done, asked":             "查詢後完成",
		"done, sent again":        "重送後完成",
		"done, asked, sent again": "查詢、重送後完成",
		"done, sent again, asked": "重送、查詢後完成",
		"held":                    "暫停",
		"dead (`Ambiguous`)":      "終止（`Ambiguous`）",
		"dead (`Rejected`)":       "終止（`Rejected`）",
		"dead (`NotFound`)":       "終止（`NotFound`）",
	}
	writes := 1 + len(samples.Writes(samples.Cases()))
	// Of a page, the table of what becomes of writes, and the one before it of what troubles leave behind.
	matrix := func(p page) (becomes, leaves table) {
		for n, table := range p.tables {
			if n > 0 && len(table) == writes && len(table[0]) > 5 {
				return table, p.tables[n-1]
			}
		}
		t.Fatalf("%s has no table of what becomes of a write", p.name)
		return nil, nil
	}
	a, before := matrix(readPage(t, readmes[0]))
	b, after := matrix(readPage(t, readmes[1]))
	for n, left := range a[0][1:] {
		words[left] = b[0][1+n]
	}
	if len(before) != len(after) {
		t.Fatalf("%d troubles in %s, %d in %s", len(before), readmes[0], len(after), readmes[1])
	}
	var want, got [][]string
	for _, row := range slices.Concat(a[1:], before[1:]) {
		translated := []string{}
		for _, cell := range row[1:] {
			translated = append(translated, words[cell])
		}
		want = append(want, translated)
	}
	for _, row := range slices.Concat(b[1:], after[1:]) {
		got = append(got, row[1:])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s translated (-want +got):\n%s", readmes[0], diff)
	}
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	sameInBothLanguages(t, readmes)
	sameInBothLanguages(t, architectures)
	for _, name := range []string{"docs/outcomes", "docs/webhooks", "docs/http-api", "docs/outbox", "docs/reconcile"} {
		sameInBothLanguages(t, []string{name + ".md", name + ".zh-TW.md"})
	}
}

// sameInBothLanguages compares two pages that are translations of each other.
func sameInBothLanguages(t *testing.T, names []string) {
	t.Helper()
	a, b := readPage(t, names[0]), readPage(t, names[1])
	levels := func(p page) []string {
		var list []string
		for _, h := range p.headings {
			list = append(list, strings.Fields(h)[0])
		}
		return list
	}
	if diff := cmp.Diff(levels(a), levels(b)); diff != "" {
		t.Errorf("levels of headings (-%s +%s):\n%s", a.name, b.name, diff)
	}
	blocks := func(p page) []block {
		var list []block
		for _, b := range p.blocks {
			switch b.language {
			case "mermaid": // its words are translated
				b.text = ""
			case "sh":
				b.text = withoutComments(b.text)
			}
			list = append(list, b)
		}
		return list
	}
	if diff := cmp.Diff(blocks(a), blocks(b), cmp.AllowUnexported(block{})); diff != "" {
		t.Errorf("blocks (-%s +%s):\n%s", a.name, b.name, diff)
	}
	// Of a table, what is code in the first column, and the number of cells.
	outline := func(p page) [][]string {
		var list [][]string
		for _, table := range p.tables {
			var rows []string
			for _, row := range table {
				first := strings.Repeat("|", len(row))
				if m := wholeSpan.FindString(row[0]); m != "" {
					first += m
				}
				rows = append(rows, first)
			}
			list = append(list, rows)
		}
		return list
	}
	if diff := cmp.Diff(outline(a), outline(b)); diff != "" {
		t.Errorf("tables (-%s +%s):\n%s", a.name, b.name, diff)
	}
	links := func(p page) []string {
		list := targets(p)
		for i, s := range list { // each leads to pages of its own language
			list[i] = strings.Replace(s, ".zh-TW.md", ".md", 1)
		}
		slices.Sort(list)
		return list
	}
	if diff := cmp.Diff(links(a), links(b)); diff != "" {
		t.Errorf("links (-%s +%s):\n%s", a.name, b.name, diff)
	}
}

var comment = regexp.MustCompile(`(^|\s+)# .*$`)

func withoutComments(text string) string {
	var list []string
	for line := range strings.Lines(text) {
		list = append(list, comment.ReplaceAllString(strings.TrimSuffix(line, "\n"), ""))
	}
	return strings.Join(list, "\n")
}

var linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func targets(p page) []string {
	var list []string
	for _, m := range linkTarget.FindAllStringSubmatch(p.prose, -1) {
		list = append(list, m[1])
	}
	return list
}

func TestRelativeLinksLeadToFiles(t *testing.T) {
	t.Parallel()
	others := []string{
		"CHANGELOG.md", "deploy/RUNBOOK.md", "ecpay/ecpaytest/README.md", "docs/outcomes.md", "docs/outcomes.zh-TW.md",
		"docs/webhooks.md", "docs/webhooks.zh-TW.md", "docs/http-api.md", "docs/http-api.zh-TW.md",
		"examples/README.md", "examples/README.zh-TW.md",
	}
	for _, name := range slices.Concat(others, readmes, architectures, outboxPages) {
		for _, target := range targets(readPage(t, name)) {
			if strings.HasPrefix(target, "https://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), target)); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", name, target, err)
			}
		}
	}
}

func TestGoInTheReadmeIsCompiled(t *testing.T) {
	t.Parallel()
	// Leading space aside: in the file a snippet may stand inside a function.
	trim := func(s string) string {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return strings.Join(lines, "\n")
	}
	examples := trim(read(t, "enqueue/example_test.go"))
	for _, name := range readmes {
		snippets := readPage(t, name).blocksOf("go")
		if len(snippets) == 0 {
			t.Errorf("%s has no Go", name)
		}
		for _, s := range snippets {
			if !strings.Contains(examples, trim(s.text)) {
				t.Errorf("%s: this is not in enqueue/example_test.go:\n%s", name, s.text)
			}
		}
	}
}

var keyFile = regexp.MustCompile(`/etc/ecpayq/\S+`)

func TestYAMLInTheReadmeIsAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range readmes {
		files := readPage(t, name).blocksOf("yaml")
		if len(files) != 1 {
			t.Fatalf("%s has %d YAML files, want 1", name, len(files))
		}
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte("0123456789abcdef\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "ecpayq.yaml")
		if err := os.WriteFile(path, []byte(keyFile.ReplaceAllString(files[0].text, key)), 0o600); err != nil {
			t.Fatal(err)
		}
		none := func(string) (string, bool) { return "", false }
		dir, err := (&config.Config{File: path, Env: none}).Open()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if dir.Len() != 2 {
			t.Errorf("%s: %d merchants, want 2", name, dir.Len())
		}
		if row, ok := dir.Codes.Lookup(ecpay.OperationID{Category: ecpay.B2C, Name: "TriggerIssue"}, 1234567, 0); !ok ||
			row.Kind != ecpay.Operator {
			t.Errorf("%s: the code reads as %+v", name, row)
		}
	}
}

var makeTarget = regexp.MustCompile(`(?m)^(?:\$ )?make ([a-z-]+)`)

func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	for _, name := range readmes {
		seen := 0
		for _, b := range readPage(t, name).blocksOf("sh", "console") {
			for _, m := range makeTarget.FindAllStringSubmatch(b.text, -1) {
				seen++
				if !strings.Contains(makefile, "\n"+m[1]+":") {
					t.Errorf("%s: no target %s in the Makefile", name, m[1])
				}
			}
		}
		if seen == 0 {
			t.Errorf("%s names no make target", name)
		}
	}
}
