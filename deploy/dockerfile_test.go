package deploy_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// stage is one FROM of a Dockerfile with what follows it.
type stage struct {
	from, name string
	lines      map[string][]string // by instruction
}

func readDockerfile(t *testing.T) []stage {
	t.Helper()
	var stages []stage
	for line := range strings.Lines(read(t, "Dockerfile")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "FROM" {
			from, name, _ := strings.Cut(rest, " AS ")
			stages = append(stages, stage{from: from, name: name, lines: map[string][]string{}})
			continue
		}
		if len(stages) == 0 {
			t.Fatalf("%q stands before the first FROM", line)
		}
		last := stages[len(stages)-1]
		last.lines[word] = append(last.lines[word], rest)
	}
	return stages
}

func TestDockerfileProductionImage(t *testing.T) {
	t.Parallel()
	stages := readDockerfile(t)
	last := stages[len(stages)-1]
	if last.from != "scratch" || last.name != "production" {
		t.Fatalf("the last stage, which a plain build makes, is %q from %q", last.name, last.from)
	}
	for word, want := range map[string]string{
		"USER":       "65532:65532",
		"ENTRYPOINT": `["/ecpayq"]`,
		"CMD":        `["worker"]`,
		"STOPSIGNAL": "SIGTERM",
	} {
		if got := last.lines[word]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s %q, want %q", word, got, want)
		}
	}
	if got := last.lines["HEALTHCHECK"]; len(got) != 1 || !strings.HasSuffix(got[0], `CMD ["/ecpayq", "healthcheck"]`) {
		t.Errorf("HEALTHCHECK %q", got)
	}
	for _, line := range last.lines["COPY"] {
		if !strings.HasPrefix(line, "--from=build ") || strings.Contains(line, "ecpayq-dev") {
			t.Errorf("COPY %s brings something else than the production build", line)
		}
	}
	if !slices.ContainsFunc(last.lines["COPY"], func(s string) bool { return strings.Contains(s, "ca-certificates.crt") }) {
		t.Error("no certificates to check ECPay's with")
	}
}

func TestDockerfileStages(t *testing.T) {
	t.Parallel()
	named := map[string]bool{"scratch": true}
	for _, s := range readDockerfile(t) {
		if !named[s.from] {
			if host, _, ok := strings.Cut(s.from, "/"); ok && strings.ContainsAny(host, ".:") {
				t.Errorf("FROM %s names a registry", s.from)
			}
			if !strings.Contains(s.from, ":") {
				t.Errorf("FROM %s names no version", s.from)
			}
		}
		named[s.name] = true
		for _, run := range s.lines["RUN"] {
			if strings.Contains(run, "go build") && !strings.Contains(run, "-trimpath") {
				t.Errorf("stage %s: %s: without -trimpath", s.name, run)
			}
		}
		if s.from == "scratch" {
			for _, user := range s.lines["USER"] {
				if uid, err := strconv.Atoi(strings.Split(user, ":")[0]); err != nil || uid == 0 {
					t.Errorf("stage %s runs as %q, want a number other than 0", s.name, user)
				}
			}
			if len(s.lines["USER"]) != 1 {
				t.Errorf("stage %s has %d USER lines, want 1", s.name, len(s.lines["USER"]))
			}
		}
		if want := "CGO_ENABLED=0"; s.name == "build" && !slices.Contains(s.lines["ENV"], want) {
			t.Errorf("stage build lacks ENV %s", want)
		}
	}
	if !named["dev"] {
		t.Error("no stage dev")
	}
}

func TestDockerignoreLetsInWhatTheBuildNeedsAndNothingElse(t *testing.T) {
	t.Parallel()
	var rules []string
	for line := range strings.Lines(read(t, "../.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	if len(rules) == 0 || rules[0] != "*" {
		t.Fatalf("rules %q do not begin by refusing everything", rules)
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		if !slices.Contains(rules, "!"+file) {
			t.Errorf("%s is left out", file)
		}
	}
	needed := map[string]string{"cmd": "the binaries"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if own, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "github.com/ecpayq/ecpayq/"); ok {
				needed[strings.Split(own, "/")[0]] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, by := range needed {
		if !slices.Contains(rules, "!"+dir) {
			t.Errorf("%s is left out, though %s needs it", dir, by)
		}
	}
}
