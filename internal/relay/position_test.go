package relay

import (
	"math"
	"testing"
	"time"
)

// A search that took long is not made again before 19 times as long, whether it found a row or not.
func TestASlowSearchIsRare(t *testing.T) {
	var p position
	if got := p.next(time.Now()); got != math.MinInt64 {
		t.Errorf("the first claim begins after %d", got)
	}
	begin := time.Now()
	p.claimed(time.Second, 1000)
	if got := p.next(begin.Add(18 * time.Second)); got != 1000 {
		t.Errorf("the next claim begins after %d, want 1000", got)
	}
	p.claimed(time.Millisecond, 0) // which found nothing
	if got := p.next(begin.Add(18 * time.Second)); got != 1000 {
		t.Errorf("and the one after it after %d, want 1000", got)
	}
	if got := p.rest(time.Hour); got > 19*time.Second || got < 10*time.Second {
		t.Errorf("one from the first id follows after %s, want 19 s", got)
	}
	if got := p.next(time.Now().Add(19 * time.Second)); got != math.MinInt64 {
		t.Errorf("a claim after 19 s begins after %d, want the first id", got)
	}
	if got := p.rest(time.Hour); got != time.Hour {
		t.Errorf("after a claim from the first id there is nothing to do for %s, want an hour", got)
	}
	p.claimed(0, 500)
	if p.mark != 1000 {
		t.Errorf("the mark is %d, want 1000", p.mark)
	}
}
