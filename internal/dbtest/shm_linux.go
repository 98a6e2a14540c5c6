package dbtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// releaseShared removes the System V segment by which a PostgreSQL that was
// killed still guards its data directory: 56 bytes that nobody else removes,
// and of which a system allows 4,096. The data can be started again without it.
func releaseShared(data string) error {
	// Lines of the file are the postmaster's pid, five of no use here, and key and id of the
	// segment. A server that ends by itself removes both.
	lock, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(string(lock), "\n")
	if len(lines) < 7 {
		return nil
	}
	// The servers that initdb runs put a minus before their pid.
	pid, segment := strings.TrimLeft(strings.TrimSpace(lines[0]), "-"), strings.Fields(lines[6])
	if len(segment) != 2 {
		return nil
	}
	all, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(all)) {
		f := strings.Fields(line) // key, id, permissions, size, pid of who made it, …
		if len(f) < 5 || f[0] != segment[0] || f[1] != segment[1] || f[4] != pid {
			continue
		}
		if out, err := exec.Command("ipcrm", "-m", f[1]).CombinedOutput(); err != nil {
			return fmt.Errorf("ipcrm -m %s: %w: %s", f[1], err, out)
		}
	}
	return nil
}
