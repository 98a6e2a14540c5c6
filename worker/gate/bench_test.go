package gate_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// BenchmarkGate is what one task costs that is done at its first attempt: two
// round trips. Redis keeps no file, so that its scripts are what is measured.
func BenchmarkGate(b *testing.B) {
	srv := redistest.New(b, redistest.Options{AppendFsync: "no"})
	rdb := srv.Client()
	g := gate.New(rdb, redisx.Confirm{})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		a := attempt("b2c.trigger_issue.2000132.B"+strconv.Itoa(n), "token"+strconv.Itoa(n))
		now := time.Now()
		if _, turn, err := g.BeginWith(b.Context(), a, now, gate.FirstRequest{Request: write(now)}); err != nil || turn == nil || turn.Wait != 0 {
			b.Fatal(turn, err)
		}
		if err := g.Leave(b.Context(), a, gate.Result{
			State: record.Done, Spends: true, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour, Kind: ecpay.OK, RtnCode: 4000004,
		}); err != nil {
			b.Fatal(err)
		}
	}
	// What Redis itself is busy for: less noisy than the time of the whole.
	for l := range strings.Lines(rdb.Info(b.Context(), "commandstats").Val()) {
		if v, ok := strings.CutPrefix(l, "cmdstat_evalsha:"); ok {
			_, v, _ = strings.Cut(v, "usec=")
			v, _, _ = strings.Cut(v, ",")
			if usec, err := strconv.ParseFloat(v, 64); err == nil {
				b.ReportMetric(usec/float64(n), "redis-µs/op")
			}
		}
	}
}
