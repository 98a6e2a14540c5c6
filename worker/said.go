package worker

import (
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
)

// said remembers how tasks that come back ended last, so that a task which is
// tried for days, or a backlog that waits for one merchant, says why once and again
// when that changes. Its zero value is ready; nil remembers nothing.
type said struct {
	mu   sync.Mutex
	seed maphash.Seed
	last map[string]uint64 // of what was said, by task
}

// saidMost bounds the memory, to about a megabyte; beyond it, everything is said
// anew.
const saidMost = 8192

// level is that of the line about an attempt: info, debug when it says what the one
// before it said, and a warning where the task is dead or its outcome lost.
func (s *said) level(id string, v Verdict, e *ecpay.Error, err error) zerolog.Level {
	switch {
	case v.Action == Dead || err != nil:
		s.forget(id)
		return zerolog.WarnLevel
	case v.Action == Done:
		s.forget(id)
		return zerolog.InfoLevel
	case s.again(id, v, e):
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

func (s *said) forget(id string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, id)
}

func (s *said) again(id string, v Verdict, e *ecpay.Error) bool {
	if s == nil {
		return false
	}
	what := fmt.Sprint(uint8(v.Action), uint8(v.Kind), uint8(v.Reason))
	if e != nil {
		what += fmt.Sprint(" ", e.HTTPStatus, e.TransCode, e.RtnCode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last, s.seed = map[string]uint64{}, maphash.MakeSeed()
	}
	now := maphash.String(s.seed, what)
	before, known := s.last[id]
	if !known && len(s.last) >= saidMost {
		clear(s.last)
	}
	s.last[id] = now
	return known && before == now
}
