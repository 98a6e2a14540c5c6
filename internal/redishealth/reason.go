// Package redishealth says what keeps ecpayq from using a Redis: one probe that does what
// workers do, one closed set of reasons, and one table of hints for all of them, in
// English and Traditional Chinese. Command line, dashboard, doctor and metrics take
// them from here.
package redishealth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Reason is why a Redis cannot be used. It is a label of metrics: the set is closed,
// see [Reasons]. Empty means that nothing is known against it.
type Reason string

// Error is an error of which more is known than its text says.
type Error struct {
	Reason Reason
	// What is refused, for [Denied]: a command, or a pattern of keys. Empty for unknown.
	What string
	Err  error
}

// Error implements error.
func (e *Error) Error() string {
	if e.What != "" {
		return e.What + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

// Unwrap returns the error without what is known of it.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf says why Redis could not be used, empty for nil and for an error that does
// not come from Redis or from the way to it.
func ReasonOf(err error) Reason {
	var known *Error
	if errors.As(err, &known) {
		return known.Reason
	}
	var web *url.Error
	if err == nil || errors.As(err, &web) { // of another server
		return ""
	}
	for _, r := range table {
		if r.is(err) {
			return r.reason
		}
	}
	return ""
}

// begins matches what Redis answers, by how it begins.
func begins(words ...string) func(error) bool {
	return func(err error) bool {
		for _, w := range words {
			if redis.HasErrorPrefix(err, w+" ") {
				return true
			}
		}
		return false
	}
}

// answers matches what Redis answers, by a part of it: answers that begin with ERR, and
// what commands in a script run into, which older versions put into words of their own.
func answers(parts ...string) func(error) bool {
	return func(err error) bool {
		var reply redis.Error
		return errors.As(err, &reply) && containsAny(reply.Error(), parts)
	}
}

// says matches the text of any error, for those that have no type.
func says(parts ...string) func(error) bool {
	return func(err error) bool { return containsAny(err.Error(), parts) }
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func either(all ...func(error) bool) func(error) bool {
	return func(err error) bool {
		for _, is := range all {
			if is(err) {
				return true
			}
		}
		return false
	}
}

func both(a, b func(error) bool) func(error) bool {
	return func(err error) bool { return a(err) && b(err) }
}

func isErr(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

func badCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func badRecord(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record)
}

func noName(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// onTheWay matches what else becomes of a connection; listening is another matter.
func onTheWay(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op != "listen"
}

var brokenOff = isErr(io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed)

var (
	namedCommand = regexp.MustCompile(`'([^' ]+)' command`)
	keysRefused  = answers("one of the keys", "access a key")
)

// refused is what a refusal of Redis names: a command or keys; empty when it does not.
func refused(err error) string {
	var known *Error
	if errors.As(err, &known) && known.What != "" {
		return known.What
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return ""
	}
	if m := namedCommand.FindStringSubmatch(reply.Error()); m != nil {
		return strings.ToUpper(strings.ReplaceAll(m[1], "|", " "))
	}
	return ""
}
