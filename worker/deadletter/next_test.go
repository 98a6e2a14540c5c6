package deadletter

import (
	"errors"
	"testing"
	"time"
)

func TestASweepThatHadTooLittleTimeIsFollowedSoonAndOneThatFailedIsNot(t *testing.T) {
	t.Parallel()
	s := NewSweeper(SweeperConfig{Every: time.Minute, Limit: 45 * time.Second})
	bad := errors.New("Redis is away")
	for range 1000 {
		if d := s.next(45*time.Second, bad); d < 0 || d > 5*time.Second {
			t.Fatalf("after a sweep that ended for its limit: %s, want at most 5 s", d)
		}
		for _, d := range []time.Duration{s.next(time.Second, bad), s.next(time.Second, nil), s.next(46*time.Second, nil)} {
			if d < 30*time.Second || d > 90*time.Second {
				t.Fatalf("after another one: %s, want 30 to 90 s", d)
			}
		}
	}
}
