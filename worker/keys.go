package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// KeyProvider finds the keys of a merchant. A platform vendor with thousands of
// merchants plugs in its own; the command line reads them from configuration.
// It is asked for every attempt, and every two seconds about merchants whose keys were
// refused or missing lately, so it should answer from memory. It may change its answer
// at any time: nothing else holds keys.
type KeyProvider interface {
	// Merchant returns the merchant, [ErrUnknownMerchant], or another error when
	// it cannot tell at the moment. The error text is stored in Redis and must
	// hold no key.
	Merchant(ctx context.Context, merchantID string) (Merchant, error)
}

// Merchant is a merchant with its keys and what is agreed about its numbers.
type Merchant struct {
	*ecpay.Merchant
	// TsrIsRelateNumber says that the shop gives DelayIssue the same value for
	// Tsr and RelateNumber, so that a worker may ask about a Tsr by it. Never
	// set it on a guess: another order could own that number.
	TsrIsRelateNumber bool
	// RetriggerScheduled allows one more trigger of an invoice whose delay is
	// longer than 0 or unknown, when an earlier trigger went unanswered and no
	// query can tell. ECPay may then begin the delay anew.
	RetriggerScheduled bool
	// Interval, when not nil, is the merchant's own [Policy.Interval], for example by a
	// special contract. With more than a quarter of [Config.TaskTimeout] an attempt may have no
	// time for a second request, and begin anew again and again.
	Interval *time.Duration
}

func (m Merchant) interval(p Policy) time.Duration {
	if m.Interval != nil {
		return *m.Interval
	}
	return p.Interval
}

// ErrUnknownMerchant means that there are no keys for a MerchantID. Tasks of
// that merchant are held until there are.
var ErrUnknownMerchant = errors.New("no keys for this merchant")
