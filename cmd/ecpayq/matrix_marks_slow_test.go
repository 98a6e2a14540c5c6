//go:build slow

package main_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ecpayq/ecpayq/tasks"
)

// killBeforeTheBytes kills the worker when Redis has its marks and it does not
// know that yet.
func (w *world) killBeforeTheBytes() {
	begin, enter := gateScript(w.T, "begin"), gateScript(w.T, "enter")
	marks := func(words []string) bool {
		begins, enters := begin(words), enter(words) // each has to see every text, whichever task sends it first
		for _, x := range w.writes {
			about := slices.ContainsFunc(words, func(s string) bool { return strings.Contains(s, x.id) })
			if about && tasks.CompareOf(x.payload) != nil { // it is marked when it is known what is there before
				return enters && beforeOf(words) != ""
			}
		}
		return begins
	}
	entered := w.proxy.holdReplies(marks, w.ids...)
	victim := w.worker()
	w.eventually("every write is marked", entered.all)
	for _, x := range w.writes {
		if w.inFlight(x).IsZero() {
			w.Errorf("%s: there is no mark of a write in flight", x.Title)
		}
	}
	victim.kill()
	w.proxy.release()
	w.unsent = true
	if calls := w.sent(); len(calls) != 0 {
		w.Errorf("got %d writes of the dead worker, want none", len(calls))
	}
	w.worker()
}

// beforeOf is what a call of enter.lua remembers of what is there before a write, see enterArgs in worker/gate.
func beforeOf(words []string) string {
	const before = 11 // among the arguments
	keys, err := strconv.Atoi(words[2])
	if at := 3 + keys + before; err == nil && at < len(words) {
		return words[at]
	}
	return ""
}
