package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func (p *program) enqueueBatchCommand() *cli.Command {
	return &cli.Command{
		Name: "batch", Usage: "store many intents, one JSON object a line; - is stdin", ArgsUsage: "FILE",
		Description: `A line is {"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A1"}}, and may have
"process_at" (RFC 3339). Lines that are wrong are reported, the others are stored. Running it
again, after whatever interrupted it, is safe and stores what is missing. Exit code 1 if a line
is wrong or could not be stored, else 3 if the earlier task of one is dead or differs.`,
		Flags:  append(append(p.cfg.Flags("producer"), jsonFlag()), everyEnqueueFlags()...),
		Action: p.enqueueBatch,
	}
}

// maxProblems is how many lines with a problem are told on stderr: the results
// have them all.
const maxProblems = 20

// lineResult is one line of what batch prints.
type lineResult struct {
	Line int `json:"line"`
	*enqueue.Receipt
	Error  string             `json:"error,omitempty"`
	Fields []ecpay.FieldError `json:"fields,omitempty"`
}

// batchRun is one run of batch.
type batchRun struct {
	p     *program
	table bool
	out   *bufio.Writer
	json  *json.Encoder

	batch *intents.Batch
	err   error // why it ended early

	okIfDead bool // which is no error then

	stored, replaced, duplicate, differing, dead, stands, invalid, failed int
	problems                                                              []string
	bar                                                                   *bar
}

func (p *program) enqueueBatch(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError{errors.New("give one file, or - for stdin")}
	}
	opts, err := p.enqueueOptions(c)
	if err != nil {
		return err
	}
	in, size, closeInput, err := p.open(ctx, c.Args().First())
	if err != nil {
		return usageError{err}
	}
	defer closeInput()
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	b := &batchRun{p: p, table: p.wantsTable(c), okIfDead: c.Bool("ok-if-dead"), out: bufio.NewWriterSize(p.out, 64<<10),
		bar: p.startBytes("enqueue", size)}
	b.json = newEncoder(b.out)
	// An interruption ends the reading. What was read is stored, and answered:
	// that takes a few pipelines.
	b.batch = &intents.Batch{Client: client, In: in, Options: opts, Stream: size < 0,
		Read: func(n int) { b.bar.add(int64(n)) }, Flush: b.flush}
	for r := range b.batch.Run(ctx) {
		if b.answer(r); b.err != nil {
			break
		}
	}
	if b.err == nil {
		b.err = b.batch.Err()
	}
	b.bar.stop()
	return b.finish(ctx)
}

// open returns the input and its size, -1 for one that is not known.
func (p *program) open(ctx context.Context, name string) (_ io.Reader, size int64, closeInput func(), _ error) {
	in, closeFile := p.in, func() error { return nil }
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, nil, config.FileError(err)
		}
		in, closeFile = f, f.Close
	}
	if f, ok := in.(*os.File); ok {
		info, err := f.Stat()
		switch {
		case err != nil:
			return nil, 0, nil, errors.Join(err, closeFile())
		case info.IsDir():
			return nil, 0, nil, errors.Join(fmt.Errorf("%s is a directory", name), closeFile())
		case info.Mode().IsRegular():
			return f, info.Size(), func() { _ = closeFile() }, nil
		}
	}
	// A read that hangs does not end with ctx: it is left behind.
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, in)
		w.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
	return r, -1, func() { stop(); _ = closeFile() }, nil
}

// answer prints the result of a line.
func (b *batchRun) answer(r intents.LineResult) {
	res := lineResult{Line: r.Line, Receipt: &r.Receipt}
	var invalid *ecpay.ValidationError
	switch {
	case r.Wrong != nil:
		b.invalid++
		b.print(lineResult{Line: r.Line, Error: r.Wrong.Error()})
		return
	case errors.As(r.Err, &invalid):
		b.invalid++
		res.Receipt, res.Error, res.Fields = nil, invalid.Error(), invalid.Fields
	case errors.Is(r.Err, enqueue.ErrNotConfirmed):
		b.failed++
		res.Error = r.Err.Error()
	case r.Err != nil:
		b.failed++
		res.Receipt, res.Error = nil, r.Err.Error()
	case r.Receipt.Duplicate:
		b.duplicate++
	case r.Receipt.Replaced:
		b.replaced++
	default:
		b.stored++
	}
	if errors.Is(r.Err, enqueue.ErrRedis) {
		b.err = fmt.Errorf("line %d: %w", r.Line, r.Err) // the lines to come would fare no better
	}
	b.print(res)
	dead := r.Receipt.Duplicate && r.Receipt.State == record.StateDead
	if dead {
		b.dead++
		b.problem("line %d: warning: this was enqueued before and is dead", r.Line)
	}
	if dead || r.Receipt.Duplicate && len(r.Receipt.Differs) > 0 {
		b.stands++
	}
	if r.Receipt.SealedBy != "" {
		b.problem("line %d: warning: %s", r.Line, earlierSealed(r.Receipt))
	}
	if len(r.Receipt.Differs) > 0 {
		b.differing++
		b.problem("line %d: warning: the earlier task, which stands, differs in %s", r.Line, strings.Join(r.Receipt.Differs, ", "))
	}
}

func (b *batchRun) print(r lineResult) {
	if r.Error != "" {
		b.problem("line %d: %s", r.Line, r.Error)
	}
	if b.table {
		return
	}
	if err := b.json.Encode(r); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *batchRun) problem(format string, args ...any) {
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
}

func (b *batchRun) flush() {
	if err := b.out.Flush(); err != nil && b.err == nil {
		b.err = err
	}
}

// finish says what became of the whole.
func (b *batchRun) finish(ctx context.Context) error {
	b.flush()
	for _, text := range b.problems {
		b.p.say("%s", text)
	}
	told := b.invalid + b.failed + b.differing + b.dead
	if told > len(b.problems) {
		b.p.say("and %d more; the JSON results have every line", told-len(b.problems))
	}
	counts := []struct {
		word string
		n    int
	}{
		{"stored", b.stored}, {"replaced", b.replaced}, {"duplicate", b.duplicate}, {"differing", b.differing}, {"dead", b.dead},
		{"invalid", b.invalid}, {"failed", b.failed},
	}
	var rows []table.Row
	var words []string
	for _, c := range counts {
		if c.n > 0 || c.word == "stored" {
			rows = append(rows, table.Row{c.word, c.n})
			words = append(words, fmt.Sprintf("%s %d", c.word, c.n))
		}
	}
	if b.table {
		b.p.printTable(nil, rows)
	} else {
		b.p.say("%s", strings.Join(words, ", "))
	}
	switch bad := b.invalid + b.failed; {
	case b.err != nil:
		return b.err
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after line %d; running it again stores the rest: %w", b.batch.Line(), ctx.Err())
	case bad > 0:
		return fmt.Errorf("%d of %d lines were not stored or not confirmed", bad, bad+b.stored+b.replaced+b.duplicate)
	case b.stands > 0 && !b.okIfDead:
		return &config.Hint{
			Err:  fmt.Errorf("%w of %d lines, whose earlier tasks are dead or differ", errNotStored, b.stands),
			Text: "ecpayq dead show ID says why one is dead; --replace-dead runs the lines in their place, --ok-if-dead makes this no error",
		}
	}
	return nil
}
