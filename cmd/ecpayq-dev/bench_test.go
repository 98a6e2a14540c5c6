package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/bench"
)

// TestMain lets the bench start this test program as its parts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == benchPart {
		os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
	}
	// The race detector, if it is built in, makes every part sleep at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestBenchMeasuresInProcessesOfItsOwn(t *testing.T) {
	t.Parallel()
	var out, errw bytes.Buffer
	if code := run(t.Context(), []string{"ecpayq-dev", "bench", "--quick", "--only", "rtt", "--json"}, &out, &errw); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errw.String())
	}
	var report bench.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if len(report.Lines) == 0 || !report.Quick || errw.Len() > 0 {
		t.Errorf("stdout %s\nstderr %s", out.String(), errw.String())
	}
	for _, l := range report.Lines {
		if l.Figure != "rtt" {
			t.Errorf("--only rtt measured %s", l.Figure)
		}
	}
}

func TestBenchPrintsATable(t *testing.T) {
	t.Parallel()
	var out, errw bytes.Buffer
	if code := run(t.Context(), []string{"ecpayq-dev", "bench", "--quick", "--only", "codec", "--runs", "3"}, &out, &errw); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errw.String())
	}
	for _, want := range []string{"Seal of 300 bytes", "≥ 0.50 ×", "medians of 3 runs", "these numbers mean nothing"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestBenchRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--only", "speed"}, {"--runs", "-1"}, {"everything"}} {
		var out, errw bytes.Buffer
		if code := run(t.Context(), append([]string{"ecpayq-dev", "bench"}, args...), &out, &errw); code != 2 || out.Len() > 0 {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out.String(), errw.String())
		}
	}
}

func TestPartsOfTheBenchAreNoCommandForPeople(t *testing.T) {
	t.Parallel()
	var out, errw bytes.Buffer
	if code := run(t.Context(), []string{"ecpayq-dev", "help"}, &out, &errw); code != 0 {
		t.Fatal(errw.String())
	}
	if strings.Contains(out.String(), benchPart) || !strings.Contains(out.String(), "bench") {
		t.Errorf("the help is\n%s", out.String())
	}
}
