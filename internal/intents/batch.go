package intents

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
)

// maxWaiting is how many lines may wait for an answer: more than are on their way
// at once, for among them may be any number of wrong ones.
const maxWaiting = 4096

// ErrLongLine means that a line has no room in what is read at once.
var ErrLongLine = fmt.Errorf("is longer than %d bytes", MaxSize)

// ErrEndlessLine means that a line has no end within [Batch.MaxLine].
var ErrEndlessLine = errors.New("has no end that is looked for")

// ErrTooManyLines means that there are more than [Batch.MaxLines].
var ErrTooManyLines = errors.New("more lines than may be in a batch")

// Batch stores many intents, one a line. Its fields are set before it runs, which it does once.
type Batch struct {
	Client *enqueue.Client
	// In is read to its end. Where it ends otherwise, what was read of its last line is no line.
	In io.Reader
	// Options are for all lines, before each one's own.
	Options []enqueue.Option
	// Stream means that what is read may be written only just now: what came is stored and
	// answered before more is waited for.
	Stream bool
	// MaxLines is how many lines are read, 0 for all. MaxLine is within how many bytes a line has to
	// end, which may be far too long before, or nothing more is read; 0 for any number.
	MaxLines, MaxLine int
	// Check may refuse an intent; nil refuses none.
	Check func(tasks.Payload) error
	// Read is told how many bytes were read, and Flush when nothing more is answered before more
	// is read; either may be nil.
	Read  func(bytes int)
	Flush func()

	in      *bufio.Reader
	line    int
	waiting []waitingLine // without an answer, in the order of the file
	err     error
}

// waitingLine is a line whose result is not told; err says that it is no intent.
type waitingLine struct {
	line int
	err  error
}

// LineResult is what became of a line.
type LineResult struct {
	// Line counts from 1, empty ones too.
	Line int
	// Wrong is why the line is no intent, see [Parse]; or [ErrLongLine], or what Check said.
	Wrong error
	// Receipt and Err are those of [enqueue.Result] for any other line.
	Receipt enqueue.Receipt
	Err     error
}

// Run yields one result for each line that is not empty, in order. It ends early with ctx:
// what was read before is stored, and answered, all the same.
func (b *Batch) Run(ctx context.Context) iter.Seq[LineResult] {
	return func(yield func(LineResult) bool) {
		b.in = bufio.NewReaderSize(b.In, MaxSize+len("\r\n")) // readLine reads no line in parts
		gone := false
		tell := func(r LineResult) bool {
			gone = gone || !yield(r)
			return !gone
		}
		read := func(yield func(enqueue.Item) bool) { b.read(ctx, tell, yield) }
		for r := range b.Client.Batch(context.WithoutCancel(ctx), read, b.Options...) {
			line := b.waiting[0].line
			b.waiting = b.waiting[1:]
			if !tell(LineResult{Line: line, Receipt: r.Receipt, Err: r.Err}) || !b.tellWrong(tell) {
				return
			}
		}
		if !gone {
			b.tellWrong(tell)
		}
	}
}

// Err is why the input could not be read to its end, nil if it was, or if ctx ended it.
func (b *Batch) Err() error { return b.err }

// Line is the number of the last line that was read.
func (b *Batch) Line() int { return b.line }

// read gives every line that is an intent to the batch.
func (b *Batch) read(ctx context.Context, tell func(LineResult) bool, yield func(enqueue.Item) bool) {
	for ctx.Err() == nil {
		if b.Stream && b.in.Buffered() == 0 || len(b.waiting) >= maxWaiting {
			if !yield(enqueue.Item{Flush: true}) {
				return
			}
			if b.Flush != nil {
				b.Flush()
			}
		}
		if _, err := b.in.Peek(1); err == nil && b.MaxLines > 0 && b.line >= b.MaxLines {
			b.err = ErrTooManyLines
			return
		}
		text, err := b.readLine()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, ErrLongLine):
			if !b.wait(err, tell) {
				return
			}
			continue
		default:
			if ctx.Err() == nil {
				b.err = fmt.Errorf("line %d: %w", b.line, err)
			}
			return
		}
		if len(text) == 0 {
			continue
		}
		item, err := Parse(text)
		if err == nil && b.Check != nil {
			err = b.Check(item.Payload)
		}
		if !b.wait(err, tell) || err == nil && !yield(item) {
			return
		}
	}
}

// readLine returns the next line, without the space around it. It is valid until
// the next call.
func (b *Batch) readLine() ([]byte, error) {
	text, err := b.in.ReadSlice('\n')
	if len(text) > 0 || err == nil {
		b.line++
	}
	n := len(text)
	for errors.Is(err, bufio.ErrBufferFull) {
		text, err = b.in.ReadSlice('\n')
		if n += len(text); b.MaxLine > 0 && n > b.MaxLine {
			return nil, ErrEndlessLine
		}
	}
	if b.Read != nil {
		b.Read(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n-lineEnd(text) > MaxSize {
		return nil, ErrLongLine // also when the file ends with it: the next call says so
	}
	if b.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors write it
	}
	if text = bytes.TrimSpace(text); len(text) > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}

// lineEnd is how many bytes end a text as a line.
func lineEnd(text []byte) int {
	switch {
	case bytes.HasSuffix(text, []byte("\r\n")):
		return 2
	case bytes.HasSuffix(text, []byte("\n")):
		return 1
	}
	return 0
}

// wait puts the line that was just read in line for its result.
func (b *Batch) wait(err error, tell func(LineResult) bool) bool {
	b.waiting = append(b.waiting, waitingLine{b.line, err})
	return b.tellWrong(tell)
}

// tellWrong tells the results of lines that are no intents and have none before them that waits.
func (b *Batch) tellWrong(tell func(LineResult) bool) bool {
	for len(b.waiting) > 0 && b.waiting[0].err != nil {
		w := b.waiting[0]
		b.waiting = b.waiting[1:]
		if !tell(LineResult{Line: w.line, Wrong: w.err}) {
			return false
		}
	}
	return true
}
