package main

import (
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// bar is a progress bar on a terminal's stderr, and nothing elsewhere.
type bar struct {
	writer  progress.Writer
	tracker *progress.Tracker
	done    chan struct{}
}

// How much work is long.
const (
	barFrom      = 200
	barFromBytes = 64 << 10
)

func (p *program) startBar(what string, total int) *bar {
	if total < barFrom {
		return nil
	}
	return p.showBar(&progress.Tracker{Message: what, Total: int64(total)})
}

// startBytes is startBar for what is counted in bytes; a total of -1 is not known.
func (p *program) startBytes(what string, total int64) *bar {
	if total >= 0 && total < barFromBytes {
		return nil
	}
	return p.showBar(&progress.Tracker{Message: what, Total: max(total, 0), Units: progress.UnitsBytes})
}

func (p *program) showBar(t *progress.Tracker) *bar {
	if !isTerminal(p.err) {
		return nil
	}
	b := &bar{writer: progress.NewWriter(), tracker: t, done: make(chan struct{})}
	b.writer.SetOutputWriter(p.err)
	b.writer.SetAutoStop(true)
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetStyle(progress.StyleBlocks)
	b.writer.AppendTracker(b.tracker)
	go func() {
		defer close(b.done)
		b.writer.Render()
	}()
	return b
}

func (b *bar) step() { b.add(1) }

func (b *bar) add(n int64) {
	if b != nil {
		b.tracker.Increment(n)
	}
}

func (b *bar) stop() {
	if b == nil {
		return
	}
	b.tracker.MarkAsDone()
	<-b.done
}
