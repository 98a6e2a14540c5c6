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

// barFrom is how much work is long.
const barFrom = 200

func (p *program) startBar(what string, total int) *bar {
	if total < barFrom || !isTerminal(p.err) {
		return nil
	}
	b := &bar{writer: progress.NewWriter(), tracker: &progress.Tracker{Message: what, Total: int64(total)}, done: make(chan struct{})}
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

func (b *bar) step() {
	if b != nil {
		b.tracker.Increment(1)
	}
}

func (b *bar) stop() {
	if b == nil {
		return
	}
	b.tracker.MarkAsDone()
	<-b.done
}
