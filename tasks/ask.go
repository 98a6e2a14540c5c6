package tasks

import (
	"github.com/ecpayq/ecpayq/ecpay"
)

// Ask is how to find out whether a write took effect.
type Ask struct {
	// Request is a query of ECPay's.
	Request ecpay.Request
	// Shows reports whether a positive answer proves that the subject is in the
	// state that the write leads to or, for a cancel, forbids.
	Shows func(ecpay.Response) bool
}

// Delay is what is known of when the effect of a write can be seen.
type Delay struct {
	// Applies is false for writes whose effect can be seen at once.
	Applies bool
	// Known is false when Days is not.
	Known bool
	Days  int
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
