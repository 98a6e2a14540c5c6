package record

import (
	"strings"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// contextWords are Go's words for a time that is over and for an interruption.
var contextWords = strings.NewReplacer("context deadline exceeded", "no answer in time", "context canceled", "interrupted")

// plainError is an error whose text has no words of a library.
type plainError struct {
	text string
	err  error
}

func (e plainError) Error() string { return e.text }

func (e plainError) Unwrap() error { return e.err }

// PlainError returns an error with what happened alone, without the words of asynq and of Go:
// "UNKNOWN: redis command error: SADD failed: dial tcp …" is "dial tcp …". It wraps err.
func PlainError(err error) error {
	if err == nil {
		return nil
	}
	text := contextWords.Replace(asynqx.PlainText(err.Error()))
	if text == err.Error() {
		return err
	}
	return plainError{text, err}
}
