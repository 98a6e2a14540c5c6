package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// BenchmarkBatchFromAFile is the median of runs of the whole command, its start
// included, each into an empty Redis:
// go test ./cmd/ecpayq -run '^$' -bench BatchFromAFile -benchtime 1x
func BenchmarkBatchFromAFile(b *testing.B) {
	const lines, rounds = 100_000, 7
	file := filepath.Join(b.TempDir(), "batch.ndjson")
	if err := os.WriteFile(file, []byte(triggers(lines)), 0o600); err != nil {
		b.Fatal(err)
	}
	srv, err := redistest.Start(b.Context(), redistest.Options{AppendFsync: "everysec", Args: []string{"--save", ""}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Stop() })
	var rates []float64
	for b.Loop() {
		for range rounds {
			if err := srv.Client().FlushAll(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			cmd := exec.CommandContext(b.Context(), binary, "enqueue", "batch", file)
			cmd.Env = env{"ECPAYQ_REDIS_URL": srv.URL()}.list()
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, tail(string(out), 1000))
			}
			rates = append(rates, lines/time.Since(start).Seconds())
		}
	}
	slices.Sort(rates)
	b.ReportMetric(rates[len(rates)/2], "lines/s")
	b.ReportMetric(0, "ns/op")
}
