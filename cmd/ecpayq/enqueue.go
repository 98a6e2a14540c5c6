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
	"github.com/ecpayq/ecpayq/tasks"
)

// enqueueCommand has a subcommand for every row of the table of task types,
// with a flag for every field of its payload.
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
		&cli.DurationFlag{Name: "process-in", Usage: "wait this long before the first attempt, like 10m"},
		&cli.BoolFlag{Name: "replace-dead", Usage: "if the earlier task is dead, run this one in its place"},
		&cli.StringFlag{Name: "process-at", Usage: "wait until this time (RFC 3339), like 2026-01-31T09:00:00+08:00"},
	}
}

// usage of payload fields, by ECPay's name.
var fieldUsage = map[string]string{
	"MerchantID":     "MerchantID, at most 10 letters and digits",
	"Tsr":            "transaction number given to DelayIssue, at most 30 characters",
	"PayType":        `always "2"`,
	"RelateNumber":   "the shop's own number given to DelayIssue, by which ECPay can be asked later",
	"DelayDay":       "delay in days given to DelayIssue, 0 to 15",
	"InvoiceNumber":  "invoice number, like VG11000002",
	"InvoiceDate":    "day of issue in Asia/Taipei, YYYY-MM-DD",
	"Reason":         "reason of the void, at most 20 characters",
	"Remark":         "remark, at most 200 characters",
	"AllowanceNo":    "allowance number, at most 16 characters",
	"UntilConfirmed": "ask again until the allowance is confirmed or its upload failed",
}

func (p *program) enqueueType(t tasks.Type) *cli.Command {
	c := &cli.Command{
		Name: t.Command(), Usage: "ECPay " + t.Operation.String(),
		Flags: p.cfg.Flags("producer"),
	}
	c.Flags = append(append(c.Flags, jsonFlag()), everyEnqueueFlags()...)
	for _, f := range fields(t.New()) {
		c.Flags = append(c.Flags, p.fieldFlag(f))
	}
	c.Action = func(ctx context.Context, c *cli.Command) error { return p.enqueue(ctx, c, t) }
	return c
}

// fields lists the fields of a payload.
func fields(payload tasks.Payload) []reflect.StructField {
	var list []reflect.StructField
	for _, f := range reflect.VisibleFields(reflect.TypeOf(payload).Elem()) {
		if !f.Anonymous {
			list = append(list, f)
		}
	}
	return list
}

func (p *program) fieldFlag(f reflect.StructField) cli.Flag {
	name, usage := tasks.FlagName(f.Name), fieldUsage[f.Name]
	switch f.Type.String() {
	case "bool":
		return &cli.BoolFlag{Name: name, Usage: usage}
	case "*int":
		return &cli.IntFlag{Name: name, Usage: usage, DefaultText: "not known"}
	default:
		flag := &cli.StringFlag{Name: name, Usage: usage}
		if f.Name == "MerchantID" {
			flag.Sources = p.cfg.EnvFlag("ECPAYQ_MERCHANT_ID")
		}
		return flag
	}
}

// fill sets the payload's fields from the flags.
func fill(c *cli.Command, payload tasks.Payload) {
	v := reflect.ValueOf(payload).Elem()
	for _, f := range fields(payload) {
		name, field := tasks.FlagName(f.Name), v.FieldByIndex(f.Index)
		switch field.Interface().(type) {
		case bool:
			field.SetBool(c.Bool(name))
		case *int:
			if c.IsSet(name) {
				n := c.Int(name)
				field.Set(reflect.ValueOf(&n))
			}
		default:
			field.SetString(c.String(name))
		}
	}
}

func (p *program) enqueue(ctx context.Context, c *cli.Command, t tasks.Type) error {
	if err := noArgs(c); err != nil {
		return err
	}
	opts, err := p.enqueueOptions(c)
	if err != nil {
		return err
	}
	payload := t.New()
	fill(c, payload)
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := client.Enqueue(ctx, payload, opts...)
	if err != nil && !errors.Is(err, enqueue.ErrNotConfirmed) {
		return err
	}
	if perr := p.printReceipt(c, r); perr != nil {
		return perr
	}
	return err
}

func (p *program) enqueueOptions(c *cli.Command) ([]enqueue.Option, error) {
	opts, err := when(c)
	if c.Bool("replace-dead") {
		opts = append(opts, enqueue.ReplaceDead(), enqueue.By(p.who()))
	}
	return opts, err
}

func (p *program) printReceipt(c *cli.Command, r enqueue.Receipt) error {
	if r.Duplicate {
		p.say("this was enqueued before and is %s; nothing was stored", r.State)
	}
	if len(r.Differs) > 0 {
		p.say("warning: the earlier task, which stands, differs in %s", strings.Join(r.Differs, ", "))
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
	case c.IsSet("process-in") && at != "":
		return nil, usageError{fmt.Errorf("give --process-in or --process-at, not both")}
	case in < 0:
		return nil, usageError{fmt.Errorf("--process-in is %s; it must not be negative", in)}
	case in > 0:
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
