package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestARepeatedFailureIsLoggedOncePerChangeAndEveryAttemptAtDebug(t *testing.T) {
	t.Parallel()
	for level, want := range map[zerolog.Level][]string{
		zerolog.InfoLevel: {"info retry 9000001", "info retry 0", "info retry 9000001", "info hold 5070350", "info done 1"},
		zerolog.DebugLevel: {
			"info retry 9000001", "debug retry 9000001", "debug retry 9000001", "info retry 0", "info retry 9000001",
			"info hold 5070350", "debug hold 5070350", "info done 1",
		},
	} {
		w := newWorld(t)
		var log bytes.Buffer
		w.h.log, w.h.repeats = zerolog.New(&log).Level(level), &logRepeats{}
		x := writes()["void"]
		if err := x.stage(w.fake); err != nil {
			t.Fatal(err)
		}
		op := ecpaytest.Match{Operation: "B2B Invalid"}
		w.fake.Inject(op, ecpaytest.Fault{RtnCode: 9000001, Times: 3}, ecpaytest.Fault{TransCode: 104},
			ecpaytest.Fault{RtnCode: 9000001}, ecpaytest.Fault{RtnCode: 5070350, Times: 2})
		if v, attempts := w.toEnd(w.job(x.payload)); v.Action != Done || attempts != 8 {
			t.Fatalf("%s after %d attempts", v.Action, attempts)
		}
		var got []string
		for line := range strings.Lines(log.String()) {
			var l map[string]any
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"task_id", "type", "queue", "attempt", "verdict", "kind", "rtn_code", "duration"} {
				if _, ok := l[key]; !ok {
					t.Errorf("no %s in %s", key, line)
				}
			}
			got = append(got, fmt.Sprintf("%s %s %.0f", l["level"], l["verdict"], l["rtn_code"]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", level, diff)
		}
	}
}

func TestWhatALineSaidIsForgottenAtTheEndAndBeforeItGrowsTooLarge(t *testing.T) {
	t.Parallel()
	s := &logRepeats{}
	hold := Verdict{Action: Hold, Kind: ecpay.Denied, Reason: reasonDenied}
	level := func(id string, v Verdict) zerolog.Level { return s.level(id, v, nil, nil) }
	for i := range maxRepeats + 1 {
		if got := level(fmt.Sprint(i), hold); got != zerolog.InfoLevel {
			t.Fatalf("task %d: %s", i, got)
		}
	}
	if len(s.last) > maxRepeats {
		t.Errorf("remembers %d tasks", len(s.last))
	}
	for _, row := range []struct {
		name string
		v    Verdict
		want zerolog.Level
	}{
		{"the same", hold, zerolog.DebugLevel},
		{"the same, of another length", Verdict{Action: Hold, Kind: ecpay.Denied, Reason: reasonDenied, Delay: time.Hour}, zerolog.DebugLevel},
		{"another", queued(gate.ForTurn, time.Minute, 0), zerolog.InfoLevel},
		{"dead", Verdict{Action: Dead}, zerolog.WarnLevel},
		{"run again", queued(gate.ForTurn, time.Minute, 0), zerolog.InfoLevel},
		{"done", Verdict{Action: Done}, zerolog.InfoLevel},
	} {
		if got := level(fmt.Sprint(maxRepeats), row.v); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	if _, ok := s.last[fmt.Sprint(maxRepeats)]; ok {
		t.Error("remembers a task that is done")
	}
	if got := (*logRepeats)(nil).level("1", hold, nil, nil); got != zerolog.InfoLevel {
		t.Errorf("without a memory: %s", got)
	}
}
