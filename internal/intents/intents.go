// Package intents reads an intent as shops write it, one JSON object, which is a
// line of a batch.
package intents

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// MaxSize is room for the largest payload and what is around it.
var MaxSize = tasks.MaxPayload() + 1<<10

// FieldError is what is wrong with a field of the intent itself. It quotes no value.
type FieldError struct {
	Field string
	// Problem says what is wrong, in English and in the Chinese of Taiwan.
	Problem record.Text
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem.En }

var required = record.Text{En: "is required", Zh: "為必填"}

// Parse reads one intent. Its errors quote no value: one about the JSON wraps an
// [*exactjson.Error], and any other is a [*FieldError].
func Parse(text []byte) (enqueue.Item, error) {
	if p := parseUsual(text); p != nil {
		return enqueue.Item{Payload: p}, nil
	}
	var l struct {
		Type        string           `json:"type"`
		Data        exactjson.Object `json:"data"`
		ProcessAt   *string          `json:"process_at"`
		ReplaceDead bool             `json:"replace_dead"`
	}
	if err := exactjson.Unmarshal(text, &l); err != nil {
		return enqueue.Item{}, explain(err)
	}
	switch {
	case l.Type == "":
		return enqueue.Item{}, &FieldError{"type", required}
	case len(l.Data) == 0:
		return enqueue.Item{}, &FieldError{"data", required}
	}
	p, err := decode(l.Type, l.Data)
	if err != nil {
		return enqueue.Item{}, err
	}
	item := enqueue.Item{Payload: p}
	if l.ProcessAt != nil {
		at, err := time.Parse(time.RFC3339, *l.ProcessAt)
		if err != nil {
			return enqueue.Item{}, &FieldError{"process_at", record.Text{
				En: "must be RFC 3339, like 2026-01-31T09:00:00+08:00", Zh: "須為 RFC 3339 格式，例如 2026-01-31T09:00:00+08:00",
			}}
		}
		if at.Year() > enqueue.LastYear {
			return enqueue.Item{}, &FieldError{"process_at", record.Text{En: "must be before the year 9999", Zh: "須早於西元 9999 年"}}
		}
		item.Options = append(item.Options, enqueue.ProcessAt(at))
	}
	if l.ReplaceDead {
		item.Options = append(item.Options, enqueue.ReplaceDead())
	}
	return item, nil
}

// decode reads the payload of a type.
func decode(name string, data []byte) (tasks.Payload, error) {
	t, ok := tasks.ByName(name)
	if !ok {
		var names []string
		for _, t := range tasks.Types() {
			names = append(names, t.Name)
		}
		list := strings.Join(names, ", ")
		return nil, &FieldError{"type", record.Text{En: "must be one of " + list, Zh: "須為下列之一：" + list}}
	}
	if len(data) > t.MaxPayload {
		return nil, &FieldError{"data", record.Text{
			En: fmt.Sprintf("has %d bytes, at most %d are allowed", len(data), t.MaxPayload),
			Zh: fmt.Sprintf("有 %d 位元組，至多 %d", len(data), t.MaxPayload),
		}}
	}
	p := t.New()
	return p, exactjson.Unmarshal(data, p)
}

// parseUsual reads an intent as it usually is, and nearly twice as fast:
// {"type":"…","data":…} without spaces. Between that there is exactly one JSON
// value, or [tasks.Decode] says no: then it is nil, as for any other text.
func parseUsual(text []byte) tasks.Payload {
	rest, ok := bytes.CutPrefix(text, []byte(`{"type":"`))
	if !ok {
		return nil
	}
	name, data, ok := bytes.Cut(rest, []byte(`","data":`))
	if !ok || len(data) == 0 || data[0] != '{' || data[len(data)-1] != '}' {
		return nil
	}
	p, err := tasks.Decode(string(name), nil, data[:len(data)-1])
	if err != nil {
		return nil
	}
	return p
}

// explain is what the walk says, or what an intent looks like where it is none at all.
func explain(err error) error {
	var wrong *exactjson.Error
	switch {
	case !errors.As(err, &wrong):
		return err
	case wrong.Problem == exactjson.Trailing:
		return fmt.Errorf("has %w", wrong)
	case wrong.Problem == exactjson.NotJSON, wrong.Problem == exactjson.WrongType && wrong.Field == "":
		return fmt.Errorf(`is no JSON object like {"type":"b2c:trigger_issue","data":{…}}: %w`, wrong)
	default:
		return wrong
	}
}
