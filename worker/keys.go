package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/gate"
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

// sealing has the keys by which the requests of an attempt are sealed.
type sealing struct {
	merchant Merchant
	// fingerprint is that of the merchant's keys, [gate.NoKeys] where there are none, and scope
	// what ECPay may refuse for them.
	fingerprint, scope string
}

// findKeys asks for the keys of the merchant.
func (h *handler) findKeys(ctx context.Context, w *wanted) (sealing, error) {
	m, err := h.keys.Merchant(ctx, w.payload.Request().Merchant())
	s := sealing{merchant: m, fingerprint: gate.NoKeys}
	if err == nil {
		s.fingerprint = m.KeyFingerprint()
	}
	s.scope = gate.Scope(w.op.Category, s.fingerprint)
	return s, err
}

// keyless is the verdict on a task whose keys are missing. Nothing dies of that.
func (h *handler) keyless(ctx context.Context, a *attempt, err error) Verdict {
	a.err = &ecpay.Error{Op: a.op.String(), Kind: ecpay.Unavailable, Execution: ecpay.NotSent, Err: err}
	if errors.Is(err, ErrUnknownMerchant) {
		a.err.Kind = ecpay.Denied
		h.tellOfKeys(ctx, a, a.err)
	}
	return h.verdict(a, a.err)
}

// tellOfKeys tells the gate, and with it the merchant's other tasks, what an answer says about
// the merchant's keys, where that is news.
func (h *handler) tellOfKeys(ctx context.Context, a *attempt, e *ecpay.Error) {
	var says gate.Answer
	var why string
	switch {
	case e != nil && e.Kind == ecpay.Denied:
		says, why = gate.KeysRefused, e.Error()
	case !a.probesKeys:
		return
	case e == nil || e.RtnCode != 0: // its Data was sealed with these keys
		says = gate.KeysWork
	default:
		says = gate.KeysUnsure
	}
	a.probesKeys = false
	pause, began, err := h.gate.Answered(ctx, a.gate, a.scope, says, why)
	switch {
	case err != nil:
		h.log.Warn().Str("task_id", a.job.id).Str("key", a.fingerprint).Err(err).Msg("the merchant's other tasks are not told about its keys")
	case says == gate.KeysWork:
		h.resumer.keysWork(a.payload.Request().Merchant())
	case says == gate.KeysRefused && began:
		e.RetryAfter = pause
	case says == gate.KeysRefused:
		e.RetryAfter = pause + longer(h.random())
	}
}
