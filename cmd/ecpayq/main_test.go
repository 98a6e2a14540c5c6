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
	"testing"
)

// binary is the built ecpayq.
var binary string

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
	if err := build(binary, "v0.0.0-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	waitsMostly()
	return m.Run()
}

// build builds ecpayq from this tree, with more arguments for go build.
func build(path, version string, more ...string) error {
	args := append([]string{"build", "-o", path, "-ldflags", "-X main.version=" + version}, more...)
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
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
