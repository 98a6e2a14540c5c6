package main

import (
	"context"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// asker asks ECPay, each merchant at its pace in the fleet.
type asker struct {
	*ask.Asker
	client    *ecpay.Client
	questions *gate.Questions // nil without a Redis that can be used
}

// newAsker returns one for the base URL of the configuration. questions is nil without a
// Redis that can be used. Its client is to be closed.
func (p *program) newAsker(who string, wait time.Duration, dir *config.Directory, questions *gate.Questions) (*asker, error) {
	base, err := p.cfg.BaseURL()
	if err != nil {
		return nil, err
	}
	client, err := ecpay.New(ecpay.Config{BaseURL: base, Timeout: ask.FileTimeout, Codes: dir.Codes})
	if err != nil {
		return nil, err
	}
	return &asker{ask.New(ask.Config{
		Client: client, Questions: questions, Who: who, Wait: wait,
		Interval: p.cfg.MerchantInterval, InFlight: p.cfg.MerchantInFlight, BanPause: p.cfg.BanPause,
	}), client, questions}, nil
}

// once is [ask.Asker.Once].
func (a *asker) once(ctx context.Context, m worker.Merchant, req ecpay.Request) (ecpay.Response, *ecpay.Error, string) {
	return a.Once(ctx, m, req)
}
