// Package arch_test holds the module to its layout: imports point down only.
package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/ecpayq/ecpayq"

// pkg is what go list tells of a package. Imports and Deps are those of the
// package itself, not of its tests.
type pkg struct {
	ImportPath    string
	Standard      bool
	Imports, Deps []string
}

var load = sync.OnceValues(func() (map[string]pkg, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + "\n" + stderr.String())
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
})

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// short is a package's path below the module, "" for one of somebody else's.
func short(path string) string { return strings.TrimPrefix(within(path), module+"/") }

func within(path string) string {
	if path == module || strings.HasPrefix(path, module+"/") {
		return path
	}
	return ""
}

// ours keeps the packages of this module.
func ours(paths []string) []string {
	var list []string
	for _, p := range paths {
		if s := short(p); s != "" {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}

// levels is the layout, top down. A package may import those that are listed on
// a line below its own, and no other of this module.
var levels = [][]string{
	{"cmd/ecpayq", "cmd/ecpayq-dev"},
	{"internal/bench"},
	{"internal/app"},
	{"internal/api", "internal/config", "internal/dashboard"},
	{"internal/ask", "worker/metrics", "worker/schedule", "worker/tracing"},
	{"worker"},
	{"worker/deadletter", "worker/merchants"},
	{"internal/relay", "worker/gate"},
	{"enqueue/outbox", "internal/intents", "internal/reconcile", "internal/tracks", "internal/webhook"},
	{"enqueue", "internal/redishealth"},
	{"tasks/ledger"},
	{"tasks/record", "internal/samples"},
	{"tasks/seal"},
	{"tasks"},
	{"ecpay", "ecpay/ecpaytest", "internal/asynqx/asynqxtest", "internal/dbtest", "internal/redistest"},
	{"internal/asynqx"},
	{"internal/auth", "internal/child", "internal/clean", "internal/exactjson", "internal/openapitest", "internal/redisx", "internal/web"},
}

func level(path string) int {
	return slices.IndexFunc(levels, func(l []string) bool { return slices.Contains(l, path) })
}

func TestImportsPointDownOnly(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, p := range packages(t) {
		from := short(path)
		if from == "" || len(p.Deps) == 0 { // tests only
			continue
		}
		at := level(from)
		if at < 0 {
			t.Errorf("%s has no place in the layout: give it one in this test and in the design", from)
			continue
		}
		seen++
		for _, to := range ours(p.Imports) {
			if level(to) <= at {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
	if seen < 10 {
		t.Errorf("looked at %d packages only", seen)
	}
}

func TestWhatIsImportedByOthersBringsLittleOfOurs(t *testing.T) {
	t.Parallel()
	for path, allowed := range map[string][]string{
		// what a shop backend gets
		"enqueue": {"tasks", "tasks/ledger", "tasks/record", "tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
		"enqueue/outbox": {"enqueue", "tasks", "tasks/ledger", "tasks/record",
			"tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
		"tasks/ledger":       {"tasks", "tasks/record", "tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
		"tasks/record":       {"tasks", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
		"tasks":              {"ecpay", "internal/exactjson", "internal/redisx"},
		"ecpay":              nil,
		"ecpay/ecpaytest":    nil, // shares no code with the client that it judges
		"internal/asynqx":    {"internal/redisx"},
		"internal/child":     nil,
		"internal/dbtest":    {"internal/child"},
		"internal/redistest": {"internal/child"},
		"internal/exactjson": nil,
		"internal/redisx":    nil,
		"internal/web":       nil,
		"worker": {"worker/gate", "worker/merchants", "worker/deadletter", "enqueue", "tasks", "tasks/ledger",
			"tasks/record", "tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/clean", "internal/asynqx"},
		"worker/gate": {
			"tasks", "tasks/ledger", "tasks/record", "tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx",
		},
		"worker/merchants": {"worker/gate", "tasks", "tasks/ledger", "tasks/record",
			"tasks/seal", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
		"internal/redishealth": {"tasks", "tasks/record", "ecpay", "internal/exactjson", "internal/redisx", "internal/asynqx"},
	} {
		p, ok := packages(t)[module+"/"+path]
		if !ok {
			t.Errorf("there is no package %s", path)
			continue
		}
		for _, dep := range ours(p.Deps) {
			if !slices.Contains(allowed, dep) {
				t.Errorf("%s depends on %s, want at most %q of ours", path, dep, allowed)
			}
		}
	}
}

func TestECPayAndItsFakeNeedTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for _, path := range []string{"ecpay", "ecpay/ecpaytest"} {
		for _, dep := range all[module+"/"+path].Deps {
			if !all[dep].Standard && dep != "C" {
				t.Errorf("%s depends on %s, want the standard library only", path, dep)
			}
		}
	}
}

// direct names the modules of others that each of our packages may import itself.
func TestALibraryImportsFewModules(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for path, allowed := range map[string][]string{
		"enqueue":        {"github.com/redis/go-redis"},
		"enqueue/outbox": nil, // no driver: a shop has its own
		"tasks":          nil,
		"tasks/ledger":   {"github.com/redis/go-redis"},
		"tasks/record":   {"github.com/redis/go-redis"},
		"worker/gate":    {"github.com/redis/go-redis"},
		"worker":         {"github.com/hibiken/asynq", "github.com/redis/go-redis", "github.com/rs/zerolog"},
	} {
		for _, dep := range all[module+"/"+path].Imports {
			known := slices.ContainsFunc(allowed, func(m string) bool { return dep == m || strings.HasPrefix(dep, m+"/") })
			if !all[dep].Standard && within(dep) == "" && !known {
				t.Errorf("%s imports %s, want of others at most %q", path, dep, allowed)
			}
		}
	}
}

// knowAsynq are the packages that may import asynq, and the files where only some of them
// do. All others, asynq's dashboard included, go through internal/asynqx.
var knowAsynq = map[string]struct {
	files []string // nil for all
	why   string
}{
	"internal/asynqx":            {why: "it is where asynq is known"},
	"internal/asynqx/asynqxtest": {why: "it brings tasks of asynq's into states, for tests"},
	"worker": {files: []string{"asynq.go", "worker.go"},
		why: "asynq's servers run its handler, and are told its verdicts"},
	"internal/bench": {why: "it measures what asynq does without us"},
}

func TestAsynqIsKnownInOnePlace(t *testing.T) {
	t.Parallel()
	const asynq = "github.com/hibiken/asynq"
	for importPath, p := range packages(t) {
		from := short(importPath)
		imports := slices.ContainsFunc(p.Imports, func(dep string) bool { return dep == asynq || strings.HasPrefix(dep, asynq+"/") })
		if known, ok := knowAsynq[from]; from != "" && len(p.Deps) > 0 && imports != ok {
			t.Errorf("%s imports asynq: %v, and the list of those that may says: %q", from, imports, known.why)
		}
	}
	key := regexp.MustCompile("[\"'`]asynq:|['\"](msg|unique_key|pending_since|ecpayq_mended)['\"]")
	for _, f := range sources(t) {
		dir, name := path.Split(f.name)
		dir = strings.TrimSuffix(dir, "/")
		if known := knowAsynq[dir]; known.files != nil && !slices.Contains(known.files, name) && strings.Contains(f.text, `"`+asynq+`"`) {
			t.Errorf("%s imports asynq, of its package %q may", f.name, known.files)
		}
		if !strings.HasPrefix(dir, "internal/asynqx") && key.MatchString(f.text) {
			t.Errorf("%s has %q, a key or field of asynq's, by itself: take it from internal/asynqx", f.name, key.FindString(f.text))
		}
	}
}

// What is not in a script of redisx has keys and arguments that are counted by hand, and is
// sent to Redis in ways that nobody else has thought through.
func TestScriptsAreMadeInRedisxOnly(t *testing.T) {
	t.Parallel()
	pipes := regexp.MustCompile(`\b(pipe|p)\.Exec\(ctx\)`) // whose first error hides the others
	made, run := regexp.MustCompile(`redis\.NewScript\(`), regexp.MustCompile(`\.(Eval|EvalSha|EvalRO|EvalShaRO)\(ctx`)
	for _, f := range sources(t) {
		of := path.Dir(f.name)
		if of == "internal/redisx" {
			continue
		}
		if pipes.MatchString(f.text) {
			t.Errorf("%s executes a pipeline by itself: take redisx.Exec or redisx.ExecEach", f.name)
		}
		if made.MatchString(f.text) && f.name != "internal/asynqx/splice.go" { // asynq's texts are in those
			t.Errorf("%s makes a script by itself", f.name)
		}
		if of != "internal/asynqx" && run.MatchString(f.text) { // asynq's own scripts pass through that one
			t.Errorf("%s runs a script by itself: %s", f.name, run.FindString(f.text))
		}
	}
}

// source is a file of ours that is no test.
type source struct{ name, text string }

func sources(t *testing.T) (all []source) {
	t.Helper()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || !slices.Contains([]string{".go", ".lua"}, path.Ext(name)) {
			return err
		}
		b, err := fs.ReadFile(root, name)
		all = append(all, source{name, string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("found %d files only", len(all))
	}
	return all
}

func TestOnlyCommandsReadFlagsAndSignals(t *testing.T) {
	t.Parallel()
	words := []string{"flag", "os/signal", "github.com/urfave/cli"}
	for path, p := range packages(t) {
		from := short(path)
		// The configuration declares the flags; only a command parses them.
		if from == "" || strings.HasPrefix(from, "cmd/") || from == "internal/config" {
			continue
		}
		for _, dep := range p.Imports {
			if slices.ContainsFunc(words, func(w string) bool { return dep == w || strings.HasPrefix(dep, w+"/") }) {
				t.Errorf("%s imports %s, which is for commands", from, dep)
			}
		}
	}
}

func TestTheShippedBinaryLinksNothingOfTestsAndDevelopment(t *testing.T) {
	t.Parallel()
	all := packages(t)
	p, ok := all[module+"/cmd/ecpayq"]
	if !ok {
		t.Fatal("there is no cmd/ecpayq")
	}
	for _, bad := range []string{
		"testing", "net/http/httptest", "github.com/alicebob/miniredis", "github.com/google/go-cmp", "github.com/riverqueue",
		module + "/ecpay/ecpaytest", module + "/internal/asynqx/asynqxtest",
		module + "/internal/child", module + "/internal/dbtest", module + "/internal/redistest",
		module + "/internal/samples", module + "/internal/bench",
		module + "/cmd/ecpayq-dev",
	} {
		for _, dep := range p.Deps {
			if dep == bad || strings.HasPrefix(dep, bad+"/") {
				t.Errorf("cmd/ecpayq links %s", dep)
			}
		}
	}
	if !slices.Contains(p.Deps, module+"/ecpay") {
		t.Error("cmd/ecpayq does not seem to link ecpay, so nothing was shown")
	}
}

func TestOnlyTestsImportTheSamples(t *testing.T) {
	t.Parallel()
	for path, p := range packages(t) {
		if short(path) != "" && slices.Contains(p.Imports, module+"/internal/samples") {
			t.Errorf("%s imports internal/samples, which is for tests only", path)
		}
	}
}

func TestTheFakeAndTheServersForTestsLinkNoTestingPackage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"ecpay/ecpaytest", "internal/asynqx/asynqxtest", "internal/child", "internal/dbtest", "internal/redistest"} {
		if slices.Contains(packages(t)[module+"/"+path].Deps, "testing") {
			t.Errorf("%s links testing, but programs use it too", path)
		}
	}
}
