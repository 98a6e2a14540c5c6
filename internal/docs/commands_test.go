package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// program is a built binary, whose help is what it can do.
type program struct {
	path string
	help map[string]string // by command path, "" for the root
}

func build(t *testing.T) map[string]*program {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./cmd/ecpayq", "./cmd/ecpayq-dev")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	programs := map[string]*program{}
	for _, name := range []string{"ecpayq", "ecpayq-dev"} {
		programs[name] = &program{path: filepath.Join(dir, name), help: map[string]string{}}
	}
	return programs
}

var (
	// commandLine is a line of a help's list of commands: "   help, h  Shows ...".
	commandLine = regexp.MustCompile(`(?m)^   ([a-z][a-z0-9-]*(?:, [a-z][a-z0-9-]*)*)(?:\s{2,}|$)`)
	flagName    = regexp.MustCompile(`--[a-z][a-z-]*`)
)

func (p *program) helpOf(t *testing.T, path []string) string {
	t.Helper()
	key := strings.Join(path, " ")
	if text, ok := p.help[key]; ok {
		return text
	}
	out, err := exec.CommandContext(t.Context(), p.path, append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		t.Fatalf("%s %s --help: %v", filepath.Base(p.path), key, err)
	}
	p.help[key] = string(out)
	return string(out)
}

// section returns the lines below a title of a help text.
func section(help, title string) string {
	_, rest, _ := strings.Cut(help, "\n"+title+":\n")
	rest, _, _ = strings.Cut(rest, "\n\n")
	return rest
}

// check reports what is wrong with the arguments of a command line.
func (p *program) check(t *testing.T, args []string) error {
	var path []string
	flags := map[string]bool{"--help": true}
	for {
		help := p.helpOf(t, path)
		for _, title := range []string{"OPTIONS", "GLOBAL OPTIONS"} {
			for _, f := range flagName.FindAllString(section(help, title), -1) {
				flags[f] = true
			}
		}
		var commands []string
		for _, m := range commandLine.FindAllStringSubmatch(section(help, "COMMANDS"), -1) {
			commands = append(commands, strings.Split(m[1], ", ")...)
		}
		if len(commands) == 0 || len(args) == 0 || strings.HasPrefix(args[0], "-") {
			break
		}
		if !slices.Contains(commands, args[0]) {
			return fmt.Errorf("no command %q; there are %v", args[0], commands)
		}
		path, args = append(path, args[0]), args[1:]
	}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if name != "-" && strings.HasPrefix(name, "-") && !flags[name] { // "-" is stdin
			return fmt.Errorf("%v has no flag %s", path, name)
		}
	}
	return nil
}

// shellWord is a quoted word, an operator or a plain word. It knows as much of
// the shell as the READMEs use.
var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[|;&]+|[^\s|;&]+`)

// invocations returns the commands of a line that run one of our programs, as
// name and arguments.
func invocations(line string) [][]string {
	var list [][]string
	var current []string
	end := func() {
		for i, word := range current {
			name := filepath.Base(strings.TrimPrefix(word, "./"))
			if name != "ecpayq" && name != "ecpayq-dev" {
				continue
			}
			// It is the command itself, or what "go run" or "docker exec" runs, and no path.
			if word == name || word == "/"+name || word == "./cmd/"+name {
				list = append(list, append([]string{name}, current[i+1:]...))
			}
			break
		}
		current = nil
	}
	for _, word := range shellWord.FindAllString(comment.ReplaceAllString(line, ""), -1) {
		switch {
		case strings.Trim(word, "|;&") == "":
			end()
		case strings.ContainsAny(word[:1], "<>") || strings.HasPrefix(word, "2>"):
		default:
			current = append(current, word)
		}
	}
	end()
	return list
}

func TestCommandsAndDocumentationAgree(t *testing.T) {
	t.Parallel()
	programs := build(t)
	t.Run("what is documented exists", func(t *testing.T) { documentedExists(t, programs) })
	t.Run("what exists is documented", func(t *testing.T) { existsDocumented(t, programs) })
	t.Run("the page of the outbox works as it is typed", func(t *testing.T) { outboxPageWorks(t, programs["ecpayq"].path) })
	t.Run("the dashboard has its variables", func(t *testing.T) { dashboardVariables(t, programs["ecpayq"]) })
}

func documentedExists(t *testing.T, programs map[string]*program) {
	for _, name := range slices.Concat([]string{"deploy/RUNBOOK.md"}, readmes, outboxPages) {
		seen := 0
		for _, line := range commandLines(readPage(t, name)) {
			for _, command := range invocations(line) {
				seen++
				if err := programs[command[0]].check(t, command[1:]); err != nil {
					t.Errorf("%s: %s: %v", name, line, err)
				}
			}
		}
		if seen < 3 {
			t.Errorf("%s: only %d command lines were found", name, seen)
		}
	}
}

// commandLines returns what a page shows as typed: in blocks, and in its text.
func commandLines(p page) []string {
	var lines []string
	for _, b := range p.blocksOf("sh", "console") {
		for line := range strings.Lines(b.text) {
			command, prompted := strings.CutPrefix(line, "$ ")
			if b.language == "sh" || prompted {
				lines = append(lines, strings.TrimSpace(command))
			}
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(p.prose, -1) {
		if strings.HasPrefix(m[1], "ecpayq ") || strings.HasPrefix(m[1], "ecpayq-dev ") {
			lines = append(lines, m[1])
		}
	}
	return lines
}

func existsDocumented(t *testing.T, programs map[string]*program) {
	for name, p := range programs {
		commands := p.leaves(t, nil)
		if len(commands) < 2 {
			t.Fatalf("%s: only the commands %q were found", name, commands)
		}
		for _, readme := range readmes {
			text := read(t, readme)
			for _, command := range commands {
				if !strings.Contains(text, name+" "+command) {
					t.Errorf("%s does not mention %s %s", readme, name, command)
				}
			}
		}
	}
}

// leaves returns the commands below path that have none below them.
func (p *program) leaves(t *testing.T, path []string) []string {
	var list []string
	for _, m := range commandLine.FindAllStringSubmatch(section(p.helpOf(t, path), "COMMANDS"), -1) {
		if name := strings.Split(m[1], ", ")[0]; name != "help" {
			list = append(list, p.leaves(t, append(slices.Clone(path), name))...)
		}
	}
	if len(list) == 0 && len(path) > 0 {
		list = []string{strings.Join(path, " ")}
	}
	return list
}

func dashboardVariables(t *testing.T, p *program) {
	help := p.helpOf(t, []string{"dashboard"})
	for _, line := range []string{
		`--addr string .*\(default: "127.0.0.1:8980"\) \[\$ECPAYQ_DASHBOARD_ADDR\]`,
		`--read-only .*\[\$ECPAYQ_DASHBOARD_READ_ONLY\]`,
		`--tls-cert string .*\[\$ECPAYQ_DASHBOARD_TLS_CERT\]`,
		`--tls-key string .*\[\$ECPAYQ_DASHBOARD_TLS_KEY\]`,
	} {
		if !regexp.MustCompile(line).MatchString(help) {
			t.Errorf("the help of ecpayq dashboard lacks %s:\n%s", line, help)
		}
	}
}
