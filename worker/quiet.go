package worker

import (
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// QuietHook returns a zerolog hook that lets a repeated message pass once a
// minute: asynq and go-redis complain about every command while Redis is away,
// and one line tells as much. Messages count as the same when they differ in
// digits only.
func QuietHook() zerolog.Hook {
	return &quietHook{now: time.Now, last: map[string]time.Time{}}
}

const (
	quietFor      = time.Minute
	quietMessages = 256 // bounds the memory; beyond it, everything starts anew
)

type quietHook struct {
	now  func() time.Time
	mu   sync.Mutex
	last map[string]time.Time
}

// Run implements [zerolog.Hook].
func (q *quietHook) Run(e *zerolog.Event, level zerolog.Level, msg string) {
	if level < zerolog.WarnLevel {
		return
	}
	key := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, msg)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if at, seen := q.last[key]; seen && now.Sub(at) < quietFor {
		e.Discard()
		return
	}
	if len(q.last) >= quietMessages {
		clear(q.last)
	}
	q.last[key] = now
}
