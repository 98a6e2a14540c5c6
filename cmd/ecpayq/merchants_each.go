package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// askOne asks ECPay one question of one merchant, when it is its turn.
type askOne = func(context.Context, ecpay.Request) (ecpay.Response, error)

func merchantFlag() cli.Flag {
	return &cli.StringFlag{Name: "merchant-id", Usage: "only this merchant; left out, all of the configuration"}
}

// askFlags are those of a command that asks ECPay at its merchants' turn.
func (p *program) askFlags() (flags []cli.Flag) {
	for _, env := range queryEnv {
		flags = append(flags, p.cfg.FlagOf(env))
	}
	return append(flags, jsonFlag(), &config.DurationFlag{
		Name: "timeout", Value: 30 * time.Second, Usage: "how long the turn of each question is waited for, which workers may have",
	})
}

// eachMerchant does something for the merchant that is named, or for all of the configuration. What fails for one of several is
// said at once, and the others follow.
func (p *program) eachMerchant(
	ctx context.Context, c *cli.Command, rdb redis.UniversalClient, who string, do func(worker.Merchant, askOne) error,
) error {
	p.cfg.MerchantID, _ = p.env("ECPAYQ_MERCHANT_ID") // whose keys are in variables
	dir, err := p.cfg.Open()
	if err != nil {
		return err
	}
	merchants := dir.All()
	if id := c.String("merchant-id"); id != "" {
		m, err := dir.Merchant(ctx, id)
		if err != nil {
			return err
		}
		merchants = []worker.Merchant{m}
	}
	asker, err := p.newAsker(who, c.Duration("timeout"), dir, gate.NewQuestions(rdb))
	if err != nil {
		return err
	}
	defer asker.client.CloseIdleConnections()
	var failed error
	for _, m := range merchants {
		err := do(m, func(ctx context.Context, q ecpay.Request) (ecpay.Response, error) { return asker.Answer(ctx, m, q) })
		switch {
		case err != nil && len(merchants) == 1, ctx.Err() != nil:
			return askHint(err)
		case err != nil:
			printError(p.err, askHint(fmt.Errorf("merchant %s: %w", m.ID(), err)))
			failed = errSilent
		}
	}
	return failed
}

// askHint adds what can be done about an error.
func askHint(err error) error {
	var refusal *ecpay.Error
	var gap *record.OutcomeGapError
	var unasked *ask.NotAskedError
	switch {
	case errors.As(err, &unasked):
		return notAskedHint(err)
	case errors.As(err, &gap):
		return &config.Hint{Err: err, Text: "outcomes were removed while they were read: run it again / 讀取期間有結果被移除，請重新執行"}
	case errors.Is(err, reconcile.ErrForeign):
		return &config.Hint{Err: err, Text: "move the key away (redis-cli RENAME); ecpayq makes it anew"}
	case errors.As(err, &refusal):
		f := refusedBy("", refusal)
		hint := strings.TrimPrefix(f.Hint+"\n"+f.HintZH, "\n")
		if refusal.Kind == ecpay.Unavailable {
			hint += "\na smaller --page-size helps where the answer is too large / 若回應過大，請調小 --page-size"
		}
		return &config.Hint{Err: err, Text: strings.TrimSuffix(hint, "\n")}
	}
	return err
}
