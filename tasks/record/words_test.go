package record_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestWhatHappenedIsToldWithoutTheWordsOfAsynqAndGo(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 127.0.0.1:1: connect: connection refused")
	for before, want := range map[string]string{
		"UNKNOWN: redis command error: SADD failed: ": cause.Error(),
		"INTERNAL_ERROR: redis eval error: ":          cause.Error(),
		"task b2c.x: UNKNOWN: redis eval error: ":     "task b2c.x: " + cause.Error(),
		"OOM command not allowed: ":                   "OOM command not allowed: " + cause.Error(),
	} {
		got := record.PlainError(fmt.Errorf("%s%w", before, cause))
		if got.Error() != want || !errors.Is(got, cause) {
			t.Errorf("%s: got %q, want %q that wraps its cause", before, got, want)
		}
	}
	for cause, want := range map[error]string{
		context.DeadlineExceeded: "redis is not available: no answer in time",
		context.Canceled:         "redis is not available: interrupted",
	} {
		got := record.PlainError(fmt.Errorf("redis is not available: %w", cause))
		if got.Error() != want || !errors.Is(got, cause) {
			t.Errorf("got %q, want %q that wraps its cause", got, want)
		}
	}
	if record.PlainError(nil) != nil {
		t.Error("no error became one")
	}
}
