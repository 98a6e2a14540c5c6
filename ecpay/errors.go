package ecpay

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Error is the one error type of [Client.Do]. Its text, at most 500 bytes, holds
// codes, ECPay's own message as it came, and by itself no key, ciphertext or field
// of the request, since it is stored in Redis and shown on dashboards.
type Error struct {
	// Op is the operation by category and name, like "B2B Invalid".
	Op string
	// Kind says how to react: Unknown, AlreadyDone, Rejected, NotFound,
	// Conflict, Denied, Operator, Throttled, Stale, Unavailable or Ambiguous.
	Kind Kind
	// Execution says whether ECPay can have acted on the request.
	Execution Execution
	// HTTPStatus is 0 when there was no HTTP answer.
	HTTPStatus int
	// TransCode is the envelope's code, 0 when there was no envelope.
	TransCode int
	// RtnCode is the business code, 0 when there was none.
	RtnCode int64
	// Msg is ECPay's RtnMsg or TransMsg.
	Msg string
	// RetryAfter is the server's wish, 0 when it named none.
	RetryAfter time.Duration
	// Err is the cause where there is one: a network error, a *ValidationError.
	Err error
}

const maxErrorText = 500

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, e.Kind)
	if e.HTTPStatus != 0 && e.HTTPStatus != 200 {
		fmt.Fprintf(&b, ": HTTP %d", e.HTTPStatus)
	}
	if e.TransCode != 0 && e.TransCode != 1 {
		fmt.Fprintf(&b, ": TransCode %d", e.TransCode)
	}
	if e.RtnCode != 0 {
		fmt.Fprintf(&b, ": RtnCode %d", e.RtnCode)
	}
	if e.Msg != "" {
		b.WriteString(": " + e.Msg)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return clip(b.String(), maxErrorText)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of an error of this package: OK for nil, Unknown for
// an error that is none of ours.
func KindOf(err error) Kind {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unknown
}

// clip bounds s to n bytes at a character boundary and replaces control
// characters, so that a hostile message cannot forge log lines or terminals.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= n {
		return s
	}
	cut := 0
	for i := range s {
		if i > n-len("…") {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}
