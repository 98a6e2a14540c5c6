package main_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// durable is a Redis as it is shipped.
var durable = redistest.Options{}

var flagLine = regexp.MustCompile(`(?m)^ +--([a-z0-9-]+)`)

// flagsOf lists the flags that a command's help names, in its order.
func (b *bench) flagsOf(command ...string) []string {
	b.Helper()
	r := b.run(append(command, "--help")...)
	if r.code != 0 || r.stderr != "" {
		b.Fatalf("%s --help: got exit code %d and %q on stderr, want 0 and nothing", strings.Join(command, " "), r.code, r.stderr)
	}
	var flags []string
	for _, m := range flagLine.FindAllStringSubmatch(r.stdout, -1) {
		flags = append(flags, m[1])
	}
	return flags
}

func TestEveryTaskTypeHasAnEnqueueCommandWithItsFlags(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	// The command line is a contract: these words are used by scripts.
	want := map[string][]string{}
	for _, c := range samples.Usual() {
		want[c.Command] = c.Flags
	}
	common := []string{"redis-url", "redis-url-file", "json", "process-in", "process-at", "help"}
	options := []string{"replace-dead", "ok-if-dead", "data"}
	var settings []string
	for _, s := range config.Settings() {
		if s.Role == config.Producer {
			settings = append(settings, s.Flag)
		}
	}
	list := b.run("enqueue", "--help").stdout
	for _, typ := range tasks.Types() {
		fields, ok := want[typ.Command()]
		if !ok {
			t.Errorf("%s has the command %q, which is not in this test", typ.Name, typ.Command())
			continue
		}
		if !strings.Contains(list, typ.Command()) || typ.Alias != "" && !strings.Contains(list, ", "+typ.Alias+" ") {
			t.Errorf("enqueue --help does not list %s and its alias", typ.Command())
		}
		flags := b.flagsOf("enqueue", typ.Command())
		if alias := typ.Alias; alias != "" && !slices.Equal(b.flagsOf("enqueue", alias), flags) {
			t.Errorf("enqueue %s is not enqueue %s", alias, typ.Command())
		}
		for _, f := range append(slices.Clone(common), fields...) {
			if !slices.Contains(flags, f) {
				t.Errorf("enqueue %s has no --%s", typ.Command(), f)
			}
		}
		for _, f := range flags {
			if !slices.Contains(fields, f) && !slices.Contains(common, f) && !slices.Contains(options, f) && !slices.Contains(settings, f) {
				t.Errorf("enqueue %s has --%s, which is neither a field of its payload nor an option of all", typ.Command(), f)
			}
		}
		delete(want, typ.Command())
	}
	for command := range want {
		t.Errorf("no task type has the command %s", command)
	}
}

func TestEverySettingOfAWorkerIsAFlagThatNamesItsVariable(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	worker := b.run("worker", "--help").stdout
	producer := b.run("enqueue", "trigger-issue", "--help").stdout
	for _, s := range config.Settings() {
		if s.Flag == "" {
			continue // a key: not on the command line
		}
		line := regexp.MustCompile(`(?m)^ +--` + s.Flag + `\b.*\[\$` + s.Env + `\]$`)
		if !line.MatchString(worker) {
			t.Errorf("worker --help has no line of --%s with $%s", s.Flag, s.Env)
		}
		if s.Role == config.Producer && !line.MatchString(producer) {
			t.Errorf("enqueue trigger-issue --help has no line of --%s with $%s", s.Flag, s.Env)
		}
		if s.Default != "" && s.Default != "false" && !regexp.MustCompile(`--`+s.Flag+`\b.*\(default: `).MatchString(worker) {
			t.Errorf("worker --help does not show the default of --%s", s.Flag)
		}
	}
	doctor := b.flagsOf("doctor")
	for _, f := range b.flagsOf("worker") {
		if !slices.Contains(doctor, f) {
			t.Errorf("doctor has no --%s, so it cannot check what the worker is given", f)
		}
	}
}

func TestAMistakeOnTheCommandLineEndsWithExitCode2(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	rows := []struct {
		name, args, want string
	}{
		{"unknown command", "wroker", `"wroker"`},
		{"unknown subcommand", "enqueue issue", `"issue"`},
		{"a slip in an alias", "enqueue invalidd", "did you mean invalid?"},
		{"a slip in a command", "enqueue b2b-invalidd", "did you mean b2b-invalid?"},
		{"unknown command in task", "task eat", `"eat"`},
		{"help of an unknown command", "help wroker", "wroker"},
		{"unknown flag", "worker --speed 9", "speed"},
		{"unknown global flag", "--speed 9", "speed"},
		{"flag without its value", "enqueue trigger-issue --tsr", "tsr"},
		{"stray argument of worker", "worker now", `"now"`},
		{"stray argument of doctor", "doctor now", `"now"`},
		{"stray argument of healthcheck", "healthcheck now", `"now"`},
		{"stray argument of dashboard", "dashboard now", `"now"`},
		{"task show without an id", "task show", "id"},
		{"task show with two ids", "task show a b", "id"},
		{"task show of what is no id", "task show abc", `"abc"`},
		{"task show of an unknown type", "task show b2c.issue_it.2000132.1", "b2c:issue_it"},
		{"task wait of what is no id", "task wait abc", `"abc"`},
		{"task wait with a bad timeout", "task wait b2c.trigger_issue.2000132.1 --timeout soon", "timeout"},
		{"a number that is none", "worker --concurrency many", "concurrency"},
		{"a duration that is none", "worker --fence soon", "fence"},
		{"a log level that is none", "worker --log-level loud", "LOG_LEVEL"},
	}
	for _, row := range rows {
		r := b.run(strings.Fields(row.args)...)
		if r.code != 2 || r.stdout != "" {
			t.Errorf("%s: got exit code %d and %q on stdout, want 2 and nothing", row.name, r.code, r.stdout)
		}
		if !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, row.want) || !strings.Contains(r.stderr, "\nhint: ") {
			t.Errorf("%s: got %q on stderr, want an error that names %s, and a hint", row.name, r.stderr, row.want)
		}
	}
}

func TestAMistakeInAVariableEndsAsOneInAFlagDoes(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	for _, name := range []string{"ECPAYQ_CONCURRENCY", "ECPAYQ_FENCE", "ECPAYQ_TSR_IS_RELATE_NUMBER", "ECPAYQ_LOG_LEVEL"} {
		r := b.runWith(env{name: "nonsense"}, "worker")
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") ||
			!strings.Contains(r.stderr, name) || !strings.Contains(r.stderr, "\nhint: ") {
			t.Errorf("%s=nonsense: got exit code %d and %q, want 2, an error that names the variable, and a hint", name, r.code, r.stderr)
		}
	}
}

func TestTaskShowAndWaitOfAnIDThatNobodyEnqueued(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, sub := range []string{"show", "wait"} {
		r := b.run("task", sub, "b2c.trigger_issue.2000132.NOBODY")
		if r.code != 1 || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: task b2c.trigger_issue.2000132.NOBODY") ||
			!strings.Contains(r.stderr, "\nhint: ") {
			t.Errorf("task %s: got exit code %d, %q on stdout and %q, want 1 and an error with a hint", sub, r.code, r.stdout, r.stderr)
		}
	}
}

func TestTaskWaitGivesUpAfterItsTimeout(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("trigger-issue", "--tsr", "SLOW1")
	got := b.run("task", "wait", r.ID, "--timeout", "1s")
	if got.code != 1 || !strings.Contains(got.stderr, "is still pending after 1s") {
		t.Errorf("got exit code %d and %q, want 1 and that it is still pending", got.code, got.stderr)
	}
	if last := oneLine[task](t, got.stdout); last.State != "pending" || last.ID != r.ID {
		t.Errorf("got %+v on stdout, want the task as it is", last)
	}
}

func TestVersionAndHelpAreData(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	if r := b.run("--version"); r.code != 0 || !strings.Contains(r.stdout, "v0.0.0-test") || r.stderr != "" {
		t.Errorf("--version: got %+v, want the version that the linker has set", r)
	}
	help := b.run("--help")
	for _, command := range []string{"worker", "enqueue", "task", "dead", "audit", "dashboard", "doctor", "healthcheck", "version"} {
		if !strings.Contains(help.stdout, command) {
			t.Errorf("--help does not list %s", command)
		}
	}
	if diff := cmp.Diff("", help.stderr); help.code != 0 || diff != "" {
		t.Errorf("--help: got exit code %d, stderr (-want +got):\n%s", help.code, diff)
	}
}
