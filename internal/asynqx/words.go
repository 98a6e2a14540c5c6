package asynqx

import (
	"errors"
	"regexp"
	"strings"

	"github.com/hibiken/asynq"
)

// words are what asynq puts before what Redis has said: its code of the error, and the
// command.
var words = regexp.MustCompile(`\b(?:(?:UNKNOWN|INTERNAL_ERROR|NOT_FOUND|FAILED_PRECONDITION|ALREADY_EXISTS|ERROR_CODE_UNSPECIFIED): |` +
	`redis (?:command|eval) error: |[A-Z]{3,} failed: )+`)

// PlainText is the text of an error without the words of asynq, which a reader of our
// messages does not know.
func PlainText(text string) string { return words.ReplaceAllString(text, "") }

// SaysExhausted reports whether asynq warns that a task has no retries left, as it does of
// every task that is archived, also at its first attempt.
func SaysExhausted(line string) bool { return strings.HasPrefix(line, "Retry exhausted") }

// SaysNotRecorded reports whether asynq warns that it could not record how a run ended. It says
// that it will try again, which it never does: the task runs again.
func SaysNotRecorded(line string) bool { return strings.HasSuffix(line, "Will retry syncing") }

// SaysCannotSubscribe reports whether asynq says that it cannot subscribe to the tasks that are
// to be cancelled.
func SaysCannotSubscribe(line string) bool { return strings.HasPrefix(line, "cannot subscribe") }

// noQueue is how asynq's summary of a queue, and what it does with all tasks of one, say that there
// is none.
var noQueue = regexp.MustCompile(`queue "[^"]*" does not exist$`)

// saysNoQueue reports whether an error of asynq's means that no task was ever put into a queue. Its
// lists return [asynq.ErrQueueNotFound], and the others a text.
func saysNoQueue(err error) bool {
	return errors.Is(err, asynq.ErrQueueNotFound) || noQueue.MatchString(err.Error())
}
