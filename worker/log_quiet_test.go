package worker

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// quietLog is a log with the hook, a clock that is set by hand, and a count of
// its lines.
func quietLog() (log zerolog.Logger, q *quietHook, clock *time.Time, lines func() int) {
	now := time.Now()
	q = QuietHook().(*quietHook)
	q.now = func() time.Time { return now }
	var out bytes.Buffer
	return zerolog.New(&out).Hook(q), q, &now, func() int { return bytes.Count(out.Bytes(), []byte("\n")) }
}

func TestRepeatedComplaintsPassOnceWhateverTheyAreAbout(t *testing.T) {
	t.Parallel()
	log, q, _, lines := quietLog()
	for i := range 50 {
		log.Error().Msg(fmt.Sprintf("dial tcp 127.0.0.1:%d: connection refused", i))
		log.Error().Msg(fmt.Sprintf("cannot look into queue \"%c\": i/o timeout", 'a'+i%26))
		log.Error().Msg(fmt.Sprintf("cannot extend [%c %c]", 'a'+i%26, 'b'+i%25))
		log.Debug().Msg("not our business")
	}
	if lines() != 53 {
		t.Errorf("%d lines, want 3 complaints and 50 debug lines", lines())
	}
	log.Error().Msg("cannot look into queue \"a\": connection refused")
	if lines() != 54 {
		t.Errorf("%d lines, want one more: it is another error", lines())
	}
	for i := range 2 * quietMessages {
		log.Warn().Msg("unbounded " + string(rune('一'+i)))
	}
	if len(q.seen) > quietMessages {
		t.Errorf("%d messages are remembered", len(q.seen))
	}
}

func TestAComplaintThatGoesOnPassesEverMoreRarelyAndAnewAfterItHasEnded(t *testing.T) {
	t.Parallel()
	log, _, clock, lines := quietLog()
	var passed []string // minutes since it began
	minute := func(i int) {
		before := lines()
		log.Error().Msg("dial tcp: connection refused")
		if lines() > before {
			passed = append(passed, fmt.Sprint(i))
		}
		*clock = clock.Add(time.Minute)
	}
	for i := range 250 {
		minute(i)
	}
	if diff := cmp.Diff([]string{"0", "1", "3", "7", "15", "31", "63", "123", "183", "243"}, passed); diff != "" {
		t.Errorf("passed in the minutes (-want +got):\n%s", diff)
	}
	passed = nil
	*clock = clock.Add(quietEpisode)
	for i := range 3 {
		minute(i)
	}
	if diff := cmp.Diff([]string{"0", "1"}, passed); diff != "" {
		t.Errorf("passed in the minutes of a new episode (-want +got):\n%s", diff)
	}
}
