package worker

import (
	"regexp"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// QuietHook returns a zerolog hook that lets a repeated complaint pass once for
// each episode, and again after 1, 2, 4, 8… minutes, at most an hour, while it
// goes on: asynq and go-redis complain about every command while Redis is away,
// and one line tells as much. Messages count as the same when they differ in
// numbers, quoted names and lists only: they are about another queue, task or
// port.
func QuietHook() zerolog.Hook {
	return &quietHook{now: time.Now, seen: map[string]*complaint{}}
}

const (
	quietFirst    = time.Minute
	quietMost     = time.Hour
	quietEpisode  = 5 * time.Minute // without a complaint, the next one is news
	quietMessages = 256             // bounds the memory; beyond it, everything starts anew
)

// particular is what a message says beside its complaint.
var particular = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]|[0-9]+`)

type quietHook struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[string]*complaint
}

// complaint is one that was made: when it passed last, when it was last made,
// and how long it does not pass again.
type complaint struct {
	passed, made time.Time
	quiet        time.Duration
}

// Run implements [zerolog.Hook].
func (q *quietHook) Run(e *zerolog.Event, level zerolog.Level, msg string) {
	if level < zerolog.WarnLevel {
		return
	}
	if !q.passes(particular.ReplaceAllString(msg, "")) {
		e.Discard()
	}
}

func (q *quietHook) passes(key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	c := q.seen[key]
	switch {
	case c == nil:
		if len(q.seen) >= quietMessages {
			clear(q.seen)
		}
		q.seen[key] = &complaint{passed: now, made: now, quiet: quietFirst}
		return true
	case now.Sub(c.made) >= quietEpisode:
		*c = complaint{passed: now, made: now, quiet: quietFirst}
		return true
	case now.Sub(c.passed) >= c.quiet:
		*c = complaint{passed: now, made: now, quiet: min(2*c.quiet, quietMost)}
		return true
	}
	c.made = now
	return false
}
