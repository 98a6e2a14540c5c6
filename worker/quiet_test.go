package worker

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestRepeatedComplaintsPassOnceAMinute(t *testing.T) {
	t.Parallel()
	now := time.Now()
	q := QuietHook().(*quietHook)
	q.now = func() time.Time { return now }
	var out bytes.Buffer
	log := zerolog.New(&out).Hook(q)
	lines := func() int { return bytes.Count(out.Bytes(), []byte("\n")) }
	for port := range 50 {
		log.Error().Msg(fmt.Sprintf("dial tcp 127.0.0.1:%d: connection refused", port))
		log.Debug().Msg("not our business")
	}
	if lines() != 51 {
		t.Errorf("%d lines, want 1 complaint and 50 debug lines", lines())
	}
	log.Error().Msg("another complaint")
	now = now.Add(quietFor)
	log.Error().Msg("dial tcp 127.0.0.1:1: connection refused")
	if lines() != 53 {
		t.Errorf("%d lines, want two more", lines())
	}
	for i := range 2 * quietMessages {
		log.Warn().Msg("unbounded " + string(rune('一'+i)))
	}
	if len(q.last) > quietMessages {
		t.Errorf("%d messages are remembered", len(q.last))
	}
}
