//go:build examples

package examples_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fourLines are the lines of a README from nothing to a call from PHP.
func fourLines(t *testing.T, readme string) []string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "```sh\n") {
		block, _, _ = strings.Cut(block, "```")
		if lines := strings.Split(strings.TrimSpace(block), "\n"); len(lines) == 4 && strings.Contains(block, "php examples/php/enqueue.php") {
			return lines
		}
	}
	t.Fatalf("%s has no four lines with a call from PHP", readme)
	return nil
}

func TestTheFourLinesOfTheREADMETriggerAnInvoice(t *testing.T) {
	t.Parallel()
	lines, zh := fourLines(t, "../README.md"), fourLines(t, "../README.zh-TW.md")
	if strings.Join(lines[1:], "\n") != strings.Join(zh[1:], "\n") {
		t.Errorf("the lines of the READMEs differ:\n%q\n%q", lines, zh)
	}
	const start = "make build && bin/ecpayq-dev up &"
	if !strings.HasPrefix(lines[0], start) || !strings.HasPrefix(zh[0], start) {
		t.Fatalf("the first lines are %q and %q, want %q", lines[0], zh[0], start)
	}
	dev := filepath.Join(t.TempDir(), "ecpayq-dev")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dev, "../cmd/ecpayq-dev").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	up := exec.Command(dev, "up")
	stdout, err := up.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	serves, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var said strings.Builder
		for in := bufio.NewScanner(stdout); in.Scan(); {
			said.WriteString(in.Text() + "\n")
			if strings.Contains(in.Text(), "/_fake/effects") {
				serves <- said.String()
			}
		}
	}()
	t.Cleanup(func() {
		_ = up.Process.Signal(os.Interrupt)
		<-ended
		_ = up.Wait()
	})
	var said string
	select {
	case said = <-serves:
	case <-ended:
		t.Fatal("ecpayq-dev up ended before it served")
	case <-time.After(2 * time.Minute):
		t.Fatal("ecpayq-dev up does not serve after two minutes")
	}
	api := regexp.MustCompile(`http://127\.0\.0\.1:\d+/openapi\.yaml`).FindString(said)
	fake := regexp.MustCompile(`http://127\.0\.0\.1:\d+/_fake/effects`).FindString(said)
	api, fake = strings.TrimSuffix(api, "/openapi.yaml"), strings.TrimSuffix(fake, "/_fake/effects")
	if api == "" || fake == "" {
		t.Fatalf("ecpayq-dev up says\n%s", said)
	}
	// It takes other ports where those of the README are not free.
	elsewhere := strings.NewReplacer("http://127.0.0.1:8990", fake, "http://127.0.0.1:8970", api)
	var out []byte
	for _, line := range lines[1:] {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", elsewhere.Replace(line))
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "ECPAYQ_API="+api)
		if out, err = cmd.Output(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	var task struct {
		State   string
		RtnCode int `json:"rtn_code"`
	}
	if err := json.Unmarshal(out, &task); err != nil || task.State != "completed" || task.RtnCode != 4000004 {
		t.Errorf("the last line shows %s (%v), want a task that is completed", out, err)
	}
}
