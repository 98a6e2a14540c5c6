// The tests of this package drive the built binary, as a shop and its operators
// do: a real redis-server, ecpayq as child processes with an environment made
// from scratch, and the fake ECPay in the test process, on whose ledgers they
// assert.
package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// binary is the built ecpayq, with the race detector where the tests have it. command is
// the same without it, for what runs to its end while a test waits: a thousand of them
// start three times as fast.
var binary, command string

// helpers are what this test program is when a test runs it again as a child,
// by the name in the variable below.
var helpers = map[string]func() int{}

const helperVariable = "ECPAYQ_TEST_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		os.Exit(helpers[name]())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ecpayq-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "ecpayq")
	err = build(binary, testVersion)
	if command = binary; raceDetector && err == nil {
		command += "-command"
		err = goBuild(command, testVersion)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	waitsMostly()
	return m.Run()
}

const testVersion = "v0.0.0-test"

// build builds ecpayq from this tree, with more arguments for go build.
func build(path, version string, more ...string) error {
	if raceDetector {
		more = append(more, "-race")
	}
	return goBuild(path, version, more...)
}

func goBuild(path, version string, more ...string) error {
	args := append([]string{"build", "-o", path, "-ldflags", "-X main.version=" + version}, more...)
	cmd := exec.Command("go", append(args, ".")...)
	if !slices.Contains(more, "-race") {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// waitsMostly runs more tests at once than there are processors, unless the
// command line says how many: they wait for clocks most of the time, one of
// them for more than a minute.
func waitsMostly() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "10")
	}
}
