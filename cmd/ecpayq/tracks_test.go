package main_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/tracks"
)

func TestTracksAndDoctorWarnBeforeNumbersEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	if r := b.run("tracks"); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "沒有字軌") {
		t.Errorf("of a merchant without any: got exit code %d, %s and %s", r.code, r.stdout, r.stderr)
	}
	b.must(b.fake.StageTrack(ecpaytest.Track{InvoiceHeader: "AA", InvoiceStart: "10000000", InvoiceEnd: "10000004"}))
	b.worker()
	for n := range 3 {
		b.waitFor(b.issue(fmt.Sprintf("TRACK%d", n)).ID, "completed")
	}
	look := func(code int, args ...string) tracks.Standing {
		t.Helper()
		r := b.run(append([]string{"tracks"}, args...)...)
		if r.code != code {
			t.Fatalf("got exit code %d, want %d: %s%s", r.code, code, r.stdout, r.stderr)
		}
		first, _, _ := strings.Cut(r.stdout, "\n") // the next term follows where it is near
		return oneLine[tracks.Standing](t, first+"\n")
	}
	// 3 a day leave 2 of 5, for no whole day: so it warns on each day of a term.
	if s := look(4); s.MerchantID != merchantID || s.Left != 2 || s.PerDay != 3 || s.DaysLeft == nil || *s.DaysLeft != 0 ||
		s.Warning == "" || s.WarningZh == "" || len(s.Ranges) != 1 || s.Ranges[0].Last != "10000002" {
		t.Errorf("got %+v, want 2 left for 0 days, with a warning", s)
	}
	if r := b.run("doctor"); !strings.Contains(r.stdout, "2 numbers are left") || !strings.Contains(r.stdout, "申請配號") {
		t.Errorf("doctor: got exit code %d and %s%s, want a warning of it", r.code, r.stdout, r.stderr)
	}
	if r := b.run("tracks", "--warn-days", "61"); r.code != 2 || !strings.Contains(r.stderr, "1 to 60") {
		t.Errorf("got exit code %d and %s, want 2", r.code, r.stderr)
	}
}
