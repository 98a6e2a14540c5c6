package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// enqueueCommand has a subcommand for every row of the table of task types,
// with a flag for every field of its payload that is one value.
func (p *program) enqueueCommand() *cli.Command {
	c := &cli.Command{Name: "enqueue", Usage: "store an intent for the workers to carry to ECPay"}
	for _, t := range tasks.Types() {
		c.Commands = append(c.Commands, p.enqueueType(t))
	}
	c.Commands = append(c.Commands, p.enqueueBatchCommand())
	return c
}

// everyEnqueueFlags are the flags of one intent as of many.
func everyEnqueueFlags() []cli.Flag {
	return []cli.Flag{
		&config.DurationFlag{Name: "process-in", Usage: "wait this long before the first attempt, like 10m"},
		&config.BoolFlag{Name: "replace-dead", Usage: "if the earlier task is dead, run this one in its place"},
		&config.BoolFlag{Name: "ok-if-dead", Usage: "exit code 0, not 3, also if nothing was stored because the earlier task is dead or differs"},
		&cli.StringFlag{Name: "process-at", Usage: "wait until this time (RFC 3339), like 2026-01-31T09:00:00+08:00"},
	}
}

func (p *program) enqueueType(t tasks.Type) *cli.Command {
	c := &cli.Command{
		Name: t.Command(), Usage: "ECPay " + t.Operation.String(),
		Flags: p.cfg.Flags("producer"),
	}
	if t.Alias != "" {
		c.Aliases = []string{t.Alias}
	}
	c.Flags = append(append(append(c.Flags, jsonFlag()), everyEnqueueFlags()...), dataFlag())
	for _, f := range t.Fields {
		if flag := p.fieldFlag(f, reflect.ValueOf(t.New()).Elem().FieldByName(f.Name).Type()); flag != nil {
			c.Flags = append(c.Flags, flag)
		}
	}
	c.Action = func(ctx context.Context, c *cli.Command) error { return p.enqueue(ctx, c, t) }
	return c
}

func (p *program) enqueue(ctx context.Context, c *cli.Command, t tasks.Type) error {
	if err := noArgs(c); err != nil {
		return err
	}
	opts, err := p.enqueueOptions(c)
	if err != nil {
		return err
	}
	payload, err := p.payload(ctx, c, t)
	if err != nil {
		return err
	}
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := client.Enqueue(ctx, payload, opts...)
	if err != nil && !errors.Is(err, enqueue.ErrNotConfirmed) {
		return withData(c, err)
	}
	stands := notStored(c, r)
	if perr := p.printReceipt(c, r, stands == nil); perr != nil {
		return perr
	}
	if err != nil {
		return err
	}
	return stands
}

// errNotStored ends with exit code 3: what was asked for will not be done, for the
// earlier task stands. A shop that looks at nothing but the exit code must not take
// it for success.
var errNotStored = errors.New("nothing was stored")

// notStored is an error if the earlier task is dead or asks for something else.
func notStored(c *cli.Command, r enqueue.Receipt) error {
	dead := r.State == record.StateDead
	if !r.Duplicate || !dead && len(r.Differs) == 0 || c.Bool("ok-if-dead") {
		return nil
	}
	err := fmt.Errorf("%w: this was enqueued before and is %s", errNotStored, r.State)
	if len(r.Differs) > 0 {
		err = fmt.Errorf("%w, and differs in %s", err, strings.Join(r.Differs, ", "))
	}
	hint := "ecpayq task show " + r.ID + " says where the earlier one is, which stands; --ok-if-dead makes this no error"
	if dead {
		hint = "ecpayq dead show " + r.ID + " says why; --replace-dead runs this one in its place, --ok-if-dead makes this no error"
	}
	return &config.Hint{Err: err, Text: hint}
}

func (p *program) enqueueOptions(c *cli.Command) ([]enqueue.Option, error) {
	if err := p.checkKept(c); err != nil {
		return nil, err
	}
	opts, err := when(c)
	opts = append(opts, enqueue.By(p.who()))
	if c.Bool("replace-dead") {
		opts = append(opts, enqueue.ReplaceDead())
	}
	return opts, err
}

// printReceipt prints it, and says in words that nothing was stored unless an error
// will.
func (p *program) printReceipt(c *cli.Command, r enqueue.Receipt, say bool) error {
	if say && r.Duplicate {
		p.say("this was enqueued before and is %s; nothing was stored", r.State)
	}
	if say && len(r.Differs) > 0 {
		p.say("warning: the earlier task, which stands, differs in %s", strings.Join(r.Differs, ", "))
	}
	if say && r.SealedBy != "" {
		p.say("warning: %s", earlierSealed(r))
	}
	if !p.wantsTable(c) {
		return p.printJSON(r)
	}
	p.printTable(nil, []table.Row{
		{"id", r.ID}, {"type", r.Type}, {"queue", r.Queue}, {"state", r.State}, {"duplicate", r.Duplicate},
		{"next", "ecpayq task wait " + r.ID},
	})
	return nil
}

func when(c *cli.Command) ([]enqueue.Option, error) {
	in, at := c.Duration("process-in"), c.String("process-at")
	switch {
	case c.IsSet("process-at") && at == "": // at once is not what was meant
		return nil, usageError{errors.New("--process-at is empty; it must be RFC 3339, like 2026-01-31T09:00:00+08:00")}
	case c.IsSet("process-in") && at != "":
		return nil, usageError{fmt.Errorf("give --process-in or --process-at, not both")}
	case in < 0:
		return nil, usageError{fmt.Errorf("--process-in is %s; it must not be negative", in)}
	case in > 0:
		if err := config.WholeSeconds("--process-in", in); err != nil {
			return nil, usageError{err}
		}
		return []enqueue.Option{enqueue.ProcessIn(in)}, nil
	case at != "":
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, usageError{fmt.Errorf("--process-at is %q; it must be RFC 3339, like 2026-01-31T09:00:00+08:00", at)}
		}
		return []enqueue.Option{enqueue.ProcessAt(t)}, nil
	}
	return nil, nil
}
