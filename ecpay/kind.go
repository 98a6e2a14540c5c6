package ecpay

import (
	"fmt"
	"strings"
)

// Kind says how to react to the outcome of one request. The set is closed: a
// switch over it lists every one, and [Kinds] ranges over all but [Stopped].
type Kind uint8

const (
	// Unknown is a code that no table names. It is the zero value, so that
	// nothing is taken for understood by accident.
	Unknown Kind = iota
	// OK is success as the operation defines it.
	OK
	// AlreadyDone means that ECPay shows the effect already.
	AlreadyDone
	// Rejected means that ECPay refused the request for what is in it.
	Rejected
	// NotFound means that ECPay knows no such invoice, Tsr or allowance.
	NotFound
	// Conflict means that the invoice is in a state that forbids the operation.
	Conflict
	// Denied means wrong keys or a service that is not enabled for the merchant.
	Denied
	// Operator means that a person must act at ECPay first (invoice numbers used up).
	Operator
	// Throttled means HTTP 403 or 429: ECPay wants the merchant to pause.
	Throttled
	// Stale means TransCode 104: the timestamp was outside the 10-minute window.
	Stale
	// Unavailable means proven not executed for a passing reason, or a read
	// that got no answer.
	Unavailable
	// Ambiguous means that a write may have been executed and its answer is
	// unknown.
	Ambiguous
	// Stopped is no outcome of a request: no answer brings it, and no row of the code
	// table may name it. It stands beside the others where it is told what became of a
	// task: a person stopped it, and nothing but a person sends it.
	Stopped

	kindCount
)

var kindNames = [kindCount]string{
	"Unknown", "OK", "AlreadyDone", "Rejected", "NotFound", "Conflict", "Denied",
	"Operator", "Throttled", "Stale", "Unavailable", "Ambiguous", "Stopped",
}

// Kinds returns every Kind that an outcome of a request may have, in order.
func Kinds() []Kind {
	all := make([]Kind, Stopped)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String returns the name as the documentation spells it, for example "NotFound".
func (k Kind) String() string {
	if k >= kindCount {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// ParseKind is the inverse of [Kind.String]; case does not matter.
func ParseKind(s string) (Kind, error) {
	for i, name := range kindNames {
		if strings.EqualFold(s, name) {
			return Kind(i), nil
		}
	}
	return Unknown, fmt.Errorf("no kind %q; one of %s", s, strings.Join(kindNames[:], ", "))
}

// MarshalText implements [encoding.TextMarshaler].
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *Kind) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKind(string(b))
	return err
}

// Execution says what is proven about a request that brought no success.
type Execution uint8

const (
	// MaybeExecuted is the zero value: ECPay may have acted on the request.
	MaybeExecuted Execution = iota
	// NotSent means that not one byte of the request left this process.
	NotSent
	// NotExecuted means that ECPay answered that it did not act on the request.
	NotExecuted
)

// String returns "maybe executed", "not sent" or "not executed".
func (x Execution) String() string {
	switch x {
	case NotSent:
		return "not sent"
	case NotExecuted:
		return "not executed"
	default:
		return "maybe executed"
	}
}
