package enqueue

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// asynq counts in seconds: what is less it drops, and what it drops is not there.
func TestWhatAsynqWouldStoreAsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 1900 * time.Millisecond} {
		if _, err := New(Config{RedisURL: "redis://127.0.0.1:1", Retention: d}); err == nil ||
			!strings.Contains(err.Error(), "Retention is "+d.String()+"; it must be whole seconds") {
			t.Errorf("a Retention of %s: got error %v", d, err)
		}
	}
	s := redistest.New(t)
	c, err := New(Config{Redis: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	const want = "ProcessIn is 500ms; it must be whole seconds"
	if _, err := c.TriggerIssue(t.Context(), trigger("A"), ProcessIn(500*time.Millisecond)); err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	items := func(yield func(Item) bool) {
		yield(Item{Payload: ptrTo(trigger("B")), Options: []Option{ProcessIn(500 * time.Millisecond)}})
	}
	for r := range c.Batch(t.Context(), items) {
		if r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("of a batch: got error %v, want %q", r.Err, want)
		}
	}
	if keys := s.Client().Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("something was stored: %q", keys)
	}
}

func TestATaskForLaterIsNotEarlyByAPartOfASecond(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	c, err := New(Config{Redis: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	for tsr, row := range map[string]struct{ asked, want time.Time }{
		"WHOLE": {at, at}, "LESS": {at.Add(time.Millisecond), at.Add(time.Second)}, "MORE": {at.Add(999 * time.Millisecond), at.Add(time.Second)},
	} {
		r, err := c.TriggerIssue(t.Context(), trigger(tsr), ProcessAt(row.asked))
		if err != nil {
			t.Fatal(err)
		}
		info, err := asynq.NewInspectorFromRedisClient(s.Client()).GetTaskInfo(r.Queue, r.ID)
		if err != nil || !info.NextProcessAt.Equal(row.want) {
			t.Errorf("%s: got %s and %v, want %s", tsr, info.NextProcessAt, err, row.want)
		}
	}
}
