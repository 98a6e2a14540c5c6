package tasks

import (
	"github.com/ecpayq/ecpayq/ecpay"
)

// Ask is how to find out about a write.
type Ask struct {
	// Request is a query of ECPay's.
	Request ecpay.Request
	// Shows reports whether a positive answer shows what is looked for. What that
	// proves is [Type.Shown].
	Shows func(ecpay.Response) bool
	// Bars are further questions. What one of them shows excludes the write: it has not
	// happened, where Request does not show it, and cannot any more.
	Bars []*Ask
}

// AskOf returns how to find out about a write, nil when nothing that is known can be
// asked by, and for a query.
func AskOf(p Payload, tsrIsRelateNumber bool) *Ask {
	if a, ok := p.(asker); ok {
		return a.ask(tsrIsRelateNumber)
	}
	return nil
}

// Delay is what is known of when the effect of a write can be seen.
type Delay struct {
	// Applies is false for writes whose effect can be seen at once.
	Applies bool
	// Known is false when Days is not.
	Known bool
	Days  int
}

// DelayOf returns when the effect can be seen.
func DelayOf(p Payload) Delay {
	if d, ok := p.(delayed); ok {
		return d.delay()
	}
	return Delay{}
}

// Progress is how far a query that waits for something has come.
type Progress uint8

// The values of Progress.
const (
	// Settled: there is nothing to wait for.
	Settled Progress = iota
	// Waiting: ask again later.
	Waiting
	// Failed: what is waited for will not come.
	Failed
)

// ProgressOf judges an answer of the success set.
func ProgressOf(p Payload, r ecpay.Response) Progress {
	if w, ok := p.(waiter); ok && w.waits() {
		return w.progress(r)
	}
	return Settled
}

// WantedOnce reports whether a second task with the same id, long after the first is
// done, is the same intent, and not a new question.
func WantedOnce(p Payload) bool {
	w, ok := p.(waiter)
	return ok && w.waits() || TypeOf(p).Wanted == Once
}

// askIssued asks for an issued invoice by the RelateNumber that is known, or by the
// Tsr where the merchant uses one number for both. A number is never guessed:
// another order could own it.
func askIssued(merchantID, relateNumber, tsr string, tsrIsRelateNumber bool) *Ask {
	if relateNumber == "" && tsrIsRelateNumber {
		relateNumber = tsr
	}
	if relateNumber == "" {
		return nil
	}
	return &Ask{
		Request: &ecpay.B2CGetIssueRequest{MerchantID: merchantID, RelateNumber: relateNumber},
		Shows:   func(ecpay.Response) bool { return true }, // only issued invoices are found
	}
}
