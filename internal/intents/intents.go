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
)

// MaxSize is room for the largest payload and what is around it.
var MaxSize = tasks.MaxPayload() + 1<<10

// plain is an error in other words.
type plain struct {
	text string
	err  error
}

func (e plain) Error() string { return e.text }

func (e plain) Unwrap() error { return e.err }

// Parse reads one intent. Its errors quote no value; one about the JSON wraps an
// [*exactjson.Error].
func Parse(text []byte) (enqueue.Item, error) {
	if p := parseUsual(text); p != nil {
		return enqueue.Item{Payload: p}, nil
	}
	var l struct {
		Type      string           `json:"type"`
		Data      exactjson.Object `json:"data"`
		ProcessAt *string          `json:"process_at"`
	}
	if err := exactjson.Unmarshal(text, &l); err != nil {
		return enqueue.Item{}, explain(err)
	}
	switch {
	case l.Type == "":
		return enqueue.Item{}, errors.New("type is required")
	case len(l.Data) == 0:
		return enqueue.Item{}, errors.New("data is required")
	}
	p, err := tasks.Decode(l.Type, nil, l.Data)
	if err != nil {
		return enqueue.Item{}, plain{strings.TrimPrefix(err.Error(), tasks.ErrCorrupt.Error()+": "), err}
	}
	item := enqueue.Item{Payload: p}
	if l.ProcessAt != nil {
		at, err := time.Parse(time.RFC3339, *l.ProcessAt)
		if err != nil {
			return enqueue.Item{}, errors.New("process_at must be RFC 3339, like 2026-01-31T09:00:00+08:00")
		}
		item.Options = []enqueue.Option{enqueue.ProcessAt(at)}
	}
	return item, nil
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
