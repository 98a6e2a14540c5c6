package asynqx

import "regexp"

// words are what asynq puts before what Redis has said: its code of the error, and the
// command.
var words = regexp.MustCompile(`\b(?:(?:UNKNOWN|INTERNAL_ERROR|NOT_FOUND|FAILED_PRECONDITION|ALREADY_EXISTS|ERROR_CODE_UNSPECIFIED): |redis (?:command|eval) error: |[A-Z]{3,} failed: )+`)

// PlainText is the text of an error without the words of asynq, which a reader of our
// messages does not know.
func PlainText(text string) string { return words.ReplaceAllString(text, "") }
