package app

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	asking "github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// nightWait is how long the turn of a question is waited for at night, behind what workers send.
const nightWait = 2 * time.Minute

// transDisabled is ECPay's TransCode for a service that is not enabled, and for a MerchantID that it does not know.
const transDisabled = 115

// reconciler does the work of schedules that compare, and stores what it finds. It is nil where nobody lists the merchants.
func reconciler(
	cfg WorkerConfig, client *ecpay.Client, rdb redis.UniversalClient,
) func(context.Context, schedule.Entry, time.Time) (schedule.Report, error) {
	if cfg.Merchants == nil {
		return nil
	}
	reader := record.NewReader(rdb)
	return func(ctx context.Context, e schedule.Entry, slot time.Time) (schedule.Report, error) {
		var report schedule.Report
		policy := cfg.Worker.Policy
		asker := asking.New(asking.Config{
			Client: client, Questions: gate.NewQuestions(rdb), Who: "schedule", Wait: nightWait,
			Interval: policy.Interval, InFlight: policy.InFlight, BanPause: policy.BanPause,
		})
		there := slot.In(ecpay.Taipei)
		last := time.Date(there.Year(), there.Month(), there.Day()-1, 0, 0, 0, 0, ecpay.Taipei)
		for _, m := range cfg.Merchants() {
			if e.MerchantID != "" && m.ID() != e.MerchantID {
				continue
			}
			stored, err := compareDays(ctx, reader, asker, m, last, e.Days)
			var refusal *ecpay.Error
			switch {
			case ctx.Err() != nil:
				return report, context.Cause(ctx)
			case errors.As(err, &refusal) && refusal.TransCode == transDisabled && e.MerchantID == "":
				continue // it has no B2C
			case err != nil:
				report.Failed++
				stored.Error = err.Error()
				cfg.Logger.Warn().Err(err).Str("schedule", e.Name).Str("merchant_id", m.ID()).Msg("invoices not compared; those of others are")
			}
			report.Left += stored.Count()
			if err := reconcile.Save(ctx, rdb, stored); err != nil {
				return report, err
			}
		}
		return report, nil
	}
}

// compareDays compares the days of a merchant, until one cannot be.
func compareDays(
	ctx context.Context, reader *record.Reader, asker *asking.Asker, m worker.Merchant, last time.Time, days int,
) (reconcile.Stored, error) {
	stored := reconcile.Stored{MerchantID: m.ID(), At: time.Now().In(ecpay.Taipei)}
	cfg := reconcile.Config{
		Reader: reader, Ask: func(ctx context.Context, q ecpay.Request) (ecpay.Response, error) { return asker.Answer(ctx, m, q) },
	}
	for n := days - 1; n >= 0; n-- {
		r, err := reconcile.Day(ctx, cfg, m.ID(), last.AddDate(0, 0, -n), m.TsrIsRelateNumber)
		if err != nil {
			return stored, err
		}
		stored.Add(r)
	}
	return stored, nil
}
