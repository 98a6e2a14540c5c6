package worker

import (
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
)

// logRepeats remembers what the last line about each task that comes back said, so that a
// task which is tried for days, or a backlog that waits for one merchant, says why once and
// again when that changes. Its zero value is ready; nil remembers nothing.
type logRepeats struct {
	mu   sync.Mutex
	seed maphash.Seed
	last map[string]uint64 // a hash of what the last line said, by task id
}

// maxRepeats bounds how many tasks are remembered, to about a megabyte; beyond it, all are
// forgotten.
const maxRepeats = 8192

// level is that of the line about an attempt: info, debug when it says what the one
// before it said, and a warning where the task is dead or its verdict lost.
func (r *logRepeats) level(id string, v Verdict, e *ecpay.Error, err error) zerolog.Level {
	switch {
	case v.Action == Dead || err != nil:
		r.forget(id)
		return zerolog.WarnLevel
	case v.Action == Done:
		r.forget(id)
		return zerolog.InfoLevel
	case r.repeats(id, v, e):
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

func (r *logRepeats) forget(id string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, id)
}

// repeats notes what the line about an attempt says, and reports whether the one before it
// said the same.
func (r *logRepeats) repeats(id string, v Verdict, e *ecpay.Error) bool {
	if r == nil {
		return false
	}
	what := fmt.Sprint(uint8(v.Action), uint8(v.Kind), uint8(v.Reason))
	if e != nil {
		what += fmt.Sprint(" ", e.HTTPStatus, e.TransCode, e.RtnCode)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last, r.seed = map[string]uint64{}, maphash.MakeSeed()
	}
	now := maphash.String(r.seed, what)
	before, known := r.last[id]
	if !known && len(r.last) >= maxRepeats {
		clear(r.last)
	}
	r.last[id] = now
	return known && before == now
}
