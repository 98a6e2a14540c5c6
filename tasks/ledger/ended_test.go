package ledger_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryScriptThatEndsATaskDoesSoThroughOneFunction(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	ends := regexp.MustCompile(`'state', '(dead|done)'`)
	// deposit.lua puts a letter into the index that is unsure, and no end until settle.lua has made it one.
	indexes, appends := regexp.MustCompile(`'ZADD', KEYS\.dead`), regexp.MustCompile(`'XADD', KEYS\.outcomes`)
	var callers []string
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".lua" || path == "tasks/ledger/ended.lua" {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		if ends.Match(text) {
			t.Errorf("%s ends a task by itself: %s", path, ends.Find(text))
		}
		if indexes.Match(text) && path != "tasks/ledger/deposit.lua" || appends.Match(text) {
			t.Errorf("%s writes into the index of the ledger or into the outcomes by itself", path)
		}
		if strings.Contains(string(text), "  ended(") || strings.Contains(string(text), "\nended(") {
			callers = append(callers, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(callers)
	want := []string{"tasks/ledger/deposit.lua", "tasks/ledger/resolve.lua", "tasks/ledger/settle.lua", "worker/gate/leave.lua"}
	if !slices.Equal(callers, want) {
		t.Errorf("it is called by %q, want %q", callers, want)
	}
}
