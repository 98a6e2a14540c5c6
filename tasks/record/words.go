package record

import "regexp"

// asynqWords are the words that asynq puts before what Redis has said: its code of
// the error, and the command, of which a reader of our messages knows neither.
var asynqWords = regexp.MustCompile(`\b(?:(?:UNKNOWN|INTERNAL_ERROR|NOT_FOUND|FAILED_PRECONDITION|ALREADY_EXISTS|ERROR_CODE_UNSPECIFIED): |redis (?:command|eval) error: |[A-Z]{3,} failed: )+`)

// plainError is an error whose text has no words of asynq.
type plainError struct {
	text string
	err  error
}

func (e plainError) Error() string { return e.text }

func (e plainError) Unwrap() error { return e.err }

// WithoutAsynq returns an error of asynq's with what Redis has said alone: "UNKNOWN: redis
// command error: SADD failed: dial tcp …" is "dial tcp …". It wraps err.
func WithoutAsynq(err error) error {
	if err == nil || !asynqWords.MatchString(err.Error()) {
		return err
	}
	return plainError{asynqWords.ReplaceAllString(err.Error(), ""), err}
}
