//go:build slow

package main_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// slots are the times for which a worker fired its schedule, as its log says.
func (c *child) slots() (all []time.Time) {
	c.t.Helper()
	for _, l := range c.logs() {
		if l["message"] != "schedule ran" {
			continue
		}
		text, _ := l["slot"].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			c.t.Fatalf("slot %q: %v", text, err)
		}
		all = append(all, at)
	}
	return all
}

func TestSlowThreeWorkersFireAScheduleOnceForEachTimeAndOnceForThoseTheyMissed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const apart = 5 * time.Second // a machine that stands still for so long misses a time
	b.schedules("schedules:\n  - {name: often, cron: '*/5 * * * * *'}\n")
	workers := []*child{b.worker(), b.worker(), b.worker()}
	fired := func() (all []time.Time) {
		for _, w := range workers {
			all = append(all, w.slots()...)
		}
		slices.SortFunc(all, time.Time.Compare)
		return all
	}
	for n := range 10 {
		b.eventually(fmt.Sprintf("time %d has come", 1+n), func() bool { return len(fired()) > n })
	}
	for _, w := range workers {
		w.kill()
	}
	all := fired()
	for i, at := range all {
		if want := all[0].Add(time.Duration(i) * apart); at.Second()%5 != 0 || at.Nanosecond() != 0 || !at.Equal(want) {
			t.Fatalf("fired for %v, want every time once", all)
		}
	}
	// Nobody is there for some times.
	last := all[len(all)-1]
	b.eventually("three times are missed", func() bool { return time.Since(last) > 3*apart+time.Second })
	w := b.worker()
	b.eventually("it fires", func() bool { return len(w.slots()) >= 2 })
	late := w.slots()
	if late[0].Sub(last) <= 2*apart || !late[1].After(late[0]) {
		t.Errorf("after %s it fired for %v, want once for all that were missed", last, late)
	}
	runs := b.scheduleList()[0].Runs
	if least := len(all) + len(late); runs < least {
		t.Errorf("%d runs are recorded, want at least %d", runs, least)
	}
}
