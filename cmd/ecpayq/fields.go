package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks"
)

func dataFlag() cli.Flag {
	return &cli.StringFlag{
		Name:  "data",
		Usage: "`FILE` with the Data as a JSON object, - is stdin; a flag of a field goes before what the file says",
	}
}

// fieldFlag is the flag of a field, nil for one that is a list or an object: that is given
// by --data.
func (p *program) fieldFlag(f tasks.Field, kind reflect.Type) cli.Flag {
	name := tasks.FlagName(f.Name)
	unset := ""
	if kind.Kind() == reflect.Pointer {
		kind, unset = kind.Elem(), "not known"
	}
	switch kind.Kind() {
	case reflect.Bool:
		return &config.BoolFlag{Name: name, Usage: f.En}
	case reflect.Int, reflect.Int64:
		return &config.IntFlag{Name: name, Usage: f.En, DefaultText: unset}
	case reflect.String:
		flag := &cli.StringFlag{Name: name, Usage: f.En}
		if f.Name == "MerchantID" {
			flag.Sources = p.cfg.EnvFlag("ECPAYQ_MERCHANT_ID")
		}
		return flag
	default:
		return nil
	}
}

// payload is what --data has, with the fields that flags name replaced.
func (p *program) payload(ctx context.Context, c *cli.Command, t tasks.Type) (tasks.Payload, error) {
	payload := t.New()
	if c.IsSet("data") {
		var err error
		if payload, err = p.readData(ctx, c.String("data"), t); err != nil {
			return nil, usageError{err}
		}
	}
	fill(c, reflect.ValueOf(payload).Elem())
	return payload, nil
}

// readData reads a payload. Its errors name the field and quote no value.
func (p *program) readData(ctx context.Context, name string, t tasks.Type) (tasks.Payload, error) {
	if name == "" {
		return nil, errors.New("--data is empty; it must be a file, or - for stdin")
	}
	in, _, closeInput, err := p.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	defer closeInput()
	text, err := io.ReadAll(io.LimitReader(in, int64(t.MaxPayload)+1))
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff"))) // some editors write it
	if len(text) > 0 && text[0] != '{' {
		return nil, errors.New(`--data is no JSON object like {"MerchantID":"2000132"}`)
	}
	payload, err := tasks.Decode(t.Name, nil, text)
	if err != nil {
		return nil, errors.New("--data: " + strings.TrimPrefix(err.Error(), tasks.ErrCorrupt.Error()+": "))
	}
	return payload, nil
}

// withData adds to an error about fields that they may stand in --data, where there are
// some that have no flag.
func withData(c *cli.Command, err error) error {
	var invalid *ecpay.ValidationError
	if !c.IsSet("data") || !errors.As(err, &invalid) {
		return err
	}
	names := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		names[i] = f.Field
	}
	return &config.Hint{Err: err, Text: "nothing was stored; mend " + strings.Join(names, ", ") + " in --data or by a flag"}
}

// fill sets the fields of a payload for which there are flags. The variable of a flag fills
// what is empty only.
func fill(c *cli.Command, payload reflect.Value) {
	for _, f := range c.Flags {
		name := f.Names()[0]
		field := payload.FieldByNameFunc(func(field string) bool { return tasks.FlagName(field) == name })
		if !field.IsValid() || !c.IsSet(name) {
			continue
		}
		if text, ok := f.(*cli.StringFlag); ok && config.FromVariable(text) && !field.IsZero() {
			continue
		}
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		switch field.Kind() {
		case reflect.Bool:
			field.SetBool(c.Bool(name))
		case reflect.String:
			field.SetString(c.String(name))
		default:
			field.SetInt(int64(c.Int(name)))
		}
	}
}
