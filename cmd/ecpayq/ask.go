package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// answerTimeout bounds one question, fileTimeout one whose answer is a file that ECPay makes meanwhile.
const (
	answerTimeout = 5 * time.Second
	fileTimeout   = ecpay.DefaultTimeout
)

// asker asks ECPay, each merchant at its pace in the fleet.
type asker struct {
	cfg       *config.Config
	client    *ecpay.Client
	questions *gate.Questions // nil without a Redis that can be used
	who       string          // in the tokens of its questions
	wait      time.Duration   // how long its turn is waited for

	mu     sync.Mutex
	banned bool // ECPay said 403 to one: nobody else is asked
}

// newAsker returns one for the base URL of the configuration. questions is nil without a
// Redis that can be used. Its client is to be closed.
func (p *program) newAsker(who string, wait time.Duration, dir *config.Directory, questions *gate.Questions) (*asker, error) {
	base, err := p.cfg.BaseURL()
	if err != nil {
		return nil, err
	}
	client, err := ecpay.New(ecpay.Config{BaseURL: base, Timeout: fileTimeout, Codes: dir.Codes})
	if err != nil {
		return nil, err
	}
	return &asker{cfg: p.cfg, client: client, questions: questions, who: who, wait: wait}, nil
}

// once sends one question when it is its turn. Where it does not, it returns why, and nothing
// else.
func (a *asker) once(
	ctx context.Context, m worker.Merchant, req ecpay.Request,
) (answer ecpay.Response, refusal *ecpay.Error, whyNot string) {
	a.mu.Lock()
	banned := a.banned
	a.mu.Unlock()
	if banned {
		return nil, nil, "ECPay bans another merchant of this address"
	}
	interval := a.cfg.MerchantInterval
	if m.Interval != nil {
		interval = *m.Interval
	}
	limit := answerTimeout
	if asksForPDF(req) {
		limit = fileTimeout
	}
	q := gate.Question{MerchantID: m.ID(), Token: a.who + ":" + rand.Text(),
		Interval: interval, InFlight: a.cfg.MerchantInFlight, Life: limit + time.Second}
	if why := a.turn(ctx, q); why != "" {
		return nil, nil, why
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := a.client.Do(within, m.Merchant, req)
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
	if a.questions != nil {
		// Should this be lost, the request counts as in flight for a few seconds more.
		_ = a.questions.Over(context.WithoutCancel(ctx), q, pause, why)
	}
	return answer, refusal, ""
}

// turn waits for the merchant's turn in the fleet. Without a Redis that can be used no
// worker sends anything, and one question comes first.
func (a *asker) turn(ctx context.Context, q gate.Question) (whyNot string) {
	if a.questions == nil {
		return ""
	}
	for end := time.Now().Add(a.wait); ; {
		t, err := a.questions.Ask(ctx, q)
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
