package dbtest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ecpayq/ecpayq/internal/child"
)

// ErrNotInstalled says that a server cannot be started here, in nearly all
// cases because its programs are not found. The errors that wrap it tell what
// to install.
var ErrNotInstalled = errors.New("the database server is not installed")

func notInstalled(program, packages string) error {
	if !child.Supported {
		return fmt.Errorf("dbtest: %w: children are started on Unix systems only", ErrNotInstalled)
	}
	return fmt.Errorf("dbtest: %w: there is no %s: install it, for example with: apt-get install %s", ErrNotInstalled, program, packages)
}

// debianPostgres is where Debian's packages put their programs, off PATH.
const debianPostgres = "/usr/lib/postgresql/*/bin"

// findPostgres returns the directory of initdb and postgres: of those that
// match the pattern the one of the highest version, and else the one on PATH.
func findPostgres(pattern string) (string, error) {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	if onPath, err := exec.LookPath("initdb"); err == nil {
		if onPath, err = filepath.EvalSymlinks(onPath); err == nil {
			dirs = append(dirs, filepath.Dir(onPath))
		}
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) && child.Supported {
			return dir, nil
		}
	}
	return "", notInstalled("initdb with a postgres beside it", "postgresql")
}

// findAny returns the first of the programs that is on PATH or among those of
// the system's administrator, which are not on everybody's PATH.
func findAny(packages string, programs ...string) (string, error) {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil && child.Supported {
			return filepath.Abs(path)
		}
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/usr/libexec"} {
			if path := filepath.Join(dir, name); executable(path) && child.Supported {
				return path, nil
			}
		}
	}
	return "", notInstalled(strings.Join(programs, " or "), packages)
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}
