package tasks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Comparison is how to find out about a write of which ECPay takes a repeat for another one, see
// [Type.NotUnique]: by what is there after it that was not there before.
type Comparison struct {
	// List is asked before the write is sent, and after it. ECPay's answer that it finds nothing
	// is an empty list.
	List ecpay.Request
	// Known returns what to remember of a list: short, never empty, and nothing of who a buyer is.
	// It is false for a list by which nothing could be told later.
	Known func(list ecpay.Response) (known string, ok bool)
	// Whole, where it is not nil, is asked after it, too: an answer that does not go with the list
	// shows that the list does not have all.
	Whole ecpay.Request
	// Judge says what the two answers after a write show of it. known is empty where nothing is
	// remembered; then nothing is ever proven to be its work. The response, where it shows the
	// write, is the one that ECPay would have given to it, as far as it is known.
	Judge func(known string, list, whole ecpay.Response) (Shown, ecpay.Response)
}

// Shown is what a [Comparison] shows of a write.
type Shown uint8

// The values of Shown.
const (
	// Undecided: other hands have been there, or the answers do not go together.
	Undecided Shown = iota
	// Made: it is there.
	Made
	// NotMade: it is not there.
	NotMade
)

// comparer is a write that is found out about by a [Comparison].
type comparer interface {
	compare() *Comparison
}

// CompareOf returns how to find out about a write of which ECPay takes a repeat for another one,
// nil where there is no way, and for all others.
func CompareOf(p Payload) *Comparison {
	if c, ok := p.(comparer); ok {
		return c.compare()
	}
	return nil
}

// mostKnown bounds the numbers that are remembered: 100 of 16 characters each.
const mostKnown = 100

// noneKnown is the memory of an empty list.
const noneKnown = "-"

// knownOf joins numbers.
func knownOf(numbers []string) (string, bool) {
	if len(numbers) > mostKnown || slices.Contains(numbers, "") {
		return "", false
	}
	slices.Sort(numbers)
	return cmp.Or(strings.Join(numbers, " "), noneKnown), true
}

// wasKnown reports whether a number was remembered.
func wasKnown(known, number string) bool { return slices.Contains(strings.Fields(known), number) }
