package worker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
)

// A fleet of two configurations is told so, once, by the process whose shorter interval does
// not count.
func TestAProcessWhoseIntervalIsShorterSaysOnceThatTheLongerOneCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	w.h.intervals = newIntervalWarning(zerolog.New(&log))
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	minute, second := time.Minute, time.Second
	w.keys.merchant.Interval = &minute // of the process that is stricter
	w.wantVerdict(w.once(w.job(x.payload)), Done, ecpay.OK)
	if log.Len() > 0 {
		t.Errorf("the stricter process warns: %s", &log)
	}
	w.keys.merchant.Interval = &second
	for _, name := range []string{"void confirm", "trigger at once", "trigger with delay"} {
		if v := w.once(w.job(writes()[name].payload)); v.Action != Hold || v.Reason != reasonQueued {
			t.Errorf("%s: got %s for %q, want it to wait for its turn", name, v.Action, v.Reason)
		}
	}
	if n := strings.Count(log.String(), "another process keeps a longer interval"); n != 1 {
		t.Errorf("got %d warnings of three attempts, want 1: %s", n, &log)
	}
	for _, part := range []string{`"level":"warn"`, `"merchant_id":"` + testMerchant + `"`, `"interval":"1m0s"`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the warning lacks %s: %s", part, &log)
		}
	}
}
