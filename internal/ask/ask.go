// Package ask asks ECPay questions that belong to no task, each merchant at its pace in the fleet.
package ask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// answerTimeout bounds one question, FileTimeout one whose answer is a file that ECPay makes meanwhile.
const (
	answerTimeout = 5 * time.Second
	FileTimeout   = ecpay.DefaultTimeout
)

// Config configures an [Asker].
type Config struct {
	// Client is used and never closed.
	Client *ecpay.Client
	// Questions is nil without a Redis that can be used.
	Questions *gate.Questions
	// Who is in the tokens of the questions.
	Who string
	// Wait is how long the turn of each is waited for.
	Wait time.Duration
	// Interval and InFlight are those of a merchant that has none of its own, BanPause is the pause after HTTP 403 when ECPay
	// names none.
	Interval time.Duration
	InFlight int
	BanPause time.Duration
}

// Asker asks. It is made for one round of questions: once ECPay has answered 403 to one of them, nobody else is asked.
type Asker struct {
	cfg Config

	mu     sync.Mutex
	banned bool
}

// New returns an Asker.
func New(cfg Config) *Asker { return &Asker{cfg: cfg} }

// NotAskedError means that a question was not sent. Asking again is safe.
type NotAskedError struct {
	Op  ecpay.Operation
	Why string
}

// Error implements error.
func (e *NotAskedError) Error() string { return fmt.Sprintf("%s was not asked: %s", e.Op, e.Why) }

// Answer sends one question when it is its turn. The error is a [*NotAskedError], or an [*ecpay.Error] where ECPay refused.
func (a *Asker) Answer(ctx context.Context, m worker.Merchant, q ecpay.Request) (ecpay.Response, error) {
	answer, refusal, why := a.Once(ctx, m, q)
	switch {
	case why != "":
		return nil, &NotAskedError{q.Operation(), why}
	case refusal != nil:
		return nil, refusal
	}
	return answer, nil
}

// ForPDF reports whether the answer to a request is a file.
func ForPDF(req ecpay.Request) bool {
	_, ok := req.(*ecpay.B2BDownloadB2BPdfRequest)
	return ok
}

// Once sends one question when it is its turn. Where it does not, it returns why, and nothing else.
func (a *Asker) Once(
	ctx context.Context, m worker.Merchant, req ecpay.Request,
) (answer ecpay.Response, refusal *ecpay.Error, whyNot string) {
	a.mu.Lock()
	banned := a.banned
	a.mu.Unlock()
	if banned {
		return nil, nil, "ECPay bans another merchant of this address"
	}
	interval := a.cfg.Interval
	if m.Interval != nil {
		interval = *m.Interval
	}
	limit := answerTimeout
	if ForPDF(req) {
		limit = FileTimeout
	}
	q := gate.Question{MerchantID: m.ID(), Token: a.Token(),
		Interval: interval, InFlight: a.cfg.InFlight, Life: limit + time.Second}
	if why := a.Turn(ctx, q); why != "" {
		return nil, nil, why
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := a.cfg.Client.Do(within, m.Merchant, req)
	pause, why := time.Duration(0), ""
	if errors.As(err, &refusal) && refusal.Kind == ecpay.Throttled {
		pause, why = a.cfg.BanPause, refusal.Msg
		if refusal.RetryAfter > 0 {
			pause = refusal.RetryAfter
		}
		a.mu.Lock()
		a.banned = true
		a.mu.Unlock()
	}
	if a.cfg.Questions != nil {
		// Should this be lost, the request counts as in flight for a few seconds more.
		_ = a.cfg.Questions.Over(context.WithoutCancel(ctx), q, pause, why)
	}
	return answer, refusal, ""
}

// Token is one of a question, like no other.
func (a *Asker) Token() string { return a.cfg.Who + ":" + rand.Text() }

// Turn waits for the merchant's turn in the fleet. Without a Redis that can be used no worker sends anything, and one question
// comes first.
func (a *Asker) Turn(ctx context.Context, q gate.Question) (whyNot string) {
	if a.cfg.Questions == nil {
		return ""
	}
	for end := time.Now().Add(a.cfg.Wait); ; {
		t, err := a.cfg.Questions.Ask(ctx, q)
		switch {
		case ctx.Err() != nil:
			return "there was no time left"
		case err != nil:
			return "" // Redis takes no writes, so that workers send nothing
		case t.Wait == 0:
			return ""
		case t.Why != gate.ForTurn:
			return "ECPay wants a pause"
		case time.Now().Add(t.Wait).After(end):
			return "its turn comes later"
		}
		select {
		case <-time.After(t.Wait):
		case <-ctx.Done():
		}
	}
}
