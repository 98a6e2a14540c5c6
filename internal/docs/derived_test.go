package docs_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

var update = flag.Bool("update", false, "write the derived parts of the documents anew")

// writing is the command that writes the derived parts. Each begins after the line with its name and this
// command, and ends before the line that says so.
const writing = "go test ./internal/docs -run Derived -update"

// derived are the parts of files that consist of facts of the tables of types and operations only.
var derived = []struct {
	file, part string
	text       func() string
}{
	{"README.md", "operations", func() string {
		return operationTable("| Operation | Path | Task type | Command | Queue | The id is made from |", ", ", "", " in capital letters")
	}},
	{"README.zh-TW.md", "operations", func() string {
		return operationTable("| 操作 | 路徑 | 任務類型 | 指令 | 佇列 | 任務編號的組成 |", "、", "大寫的 ", "")
	}},
	{"README.md", "writes without a task", func() string { return strings.Join(writesWithoutATask(), ", ") + "\n" }},
	{"README.zh-TW.md", "writes without a task", func() string { return strings.Join(writesWithoutATask(), "、") + "\n" }},
	{"docs/sealing.md", "sealed types", func() string { return strings.Join(sealedTypes(), ", ") + "\n" }},
	{"docs/sealing.zh-TW.md", "sealed types", func() string { return strings.Join(sealedTypes(), "、") + "\n" }},
	{"internal/api/openapi.yaml", "types", typesOfTheAPI},
}

// It is not parallel: with -update it ends before the parallel tests go on, which read what it writes.
func TestDerivedPartsOfDocumentsAreThoseOfTheTables(t *testing.T) {
	for _, d := range derived {
		before, got, after := partOf(t, d.file, d.part)
		want := d.text()
		switch {
		case got == want:
		case *update:
			if err := os.WriteFile(filepath.Join(root, d.file), []byte(before+want+after), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s, %s: not as the tables have it, write it by %q (-want +got):\n%s", d.file, d.part, writing, cmp.Diff(want, got))
		}
	}
}

// partOf cuts a file before and after its one part of this name.
func partOf(t *testing.T, file, part string) (before, text, after string) {
	t.Helper()
	whole := read(t, file)
	name := regexp.QuoteMeta(part)
	begin := regexp.MustCompile(`(?m)^.*[-#] `+name+`: written by "`+regexp.QuoteMeta(writing)+`".*\n`).FindAllStringIndex(whole, -1)
	end := regexp.MustCompile(`(?m)^.*[-#] end of `+name+`\b.*\n`).FindAllStringIndex(whole, -1)
	if len(begin) != 1 || len(end) != 1 || begin[0][1] > end[0][0] {
		t.Fatalf("%s has %d lines that begin %q and %d that end it, want one and below it the other", file, len(begin), part, len(end))
	}
	return whole[:begin[0][1]], whole[begin[0][1]:end[0][0]], whole[end[0][0]:]
}

// operationTable has a row for every type. Ids have capital letters where the type says that ECPay takes any case: the
// names of such fields stand between before and behind.
func operationTable(header, comma, before, behind string) string {
	var b strings.Builder
	row := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	b.WriteString(header + "\n" + strings.Repeat("|---", strings.Count(header, "|")-1) + "|\n")
	for _, typ := range tasks.Types() {
		fields := []string{"MerchantID"}
		for _, name := range typ.SubjectNames() {
			if typ.AnyCase {
				name = before + name + behind
			}
			fields = append(fields, name)
		}
		row(code(typ.Operation.String()), code(typ.Operation.Path()), code(typ.Name), code("ecpayq enqueue "+typ.Command()), code(typ.Queue),
			strings.Join(fields, comma))
	}
	return b.String()
}

// writesWithoutATask are the operations that change something at ECPay and that no task carries out.
func writesWithoutATask() []string {
	var names []string
	for _, op := range ecpay.Operations() {
		carries := func(typ tasks.Type) bool { return typ.Operation.ID() == op.ID() }
		if op.Write && !slices.ContainsFunc(tasks.Types(), carries) {
			names = append(names, code(op.String()))
		}
	}
	return names
}

// sealedTypes are those whose payloads have fields for who a buyer is.
func sealedTypes() []string {
	var names []string
	for _, typ := range tasks.Types() {
		if typ.BuyerData {
			names = append(names, code(typ.Name))
		}
	}
	return names
}

// typesOfTheAPI is the list of what an intent's type may be.
func typesOfTheAPI() string {
	var b strings.Builder
	for _, typ := range tasks.Types() {
		b.WriteString(`            - "` + typ.Name + "\"\n")
	}
	return b.String()
}
