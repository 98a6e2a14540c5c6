package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	asking "github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/internal/tracks"
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
		n := night{cfg: cfg, reader: reader, rdb: rdb, entry: e}
		policy := cfg.Worker.Policy
		n.asker = asking.New(asking.Config{
			Client: client, Questions: gate.NewQuestions(rdb), Who: "schedule", Wait: nightWait,
			Interval: policy.Interval, InFlight: policy.InFlight, BanPause: policy.BanPause,
		})
		there := slot.In(ecpay.Taipei)
		n.last = time.Date(there.Year(), there.Month(), there.Day()-1, 0, 0, 0, 0, ecpay.Taipei)
		for _, m := range cfg.Merchants() {
			if e.MerchantID != "" && m.ID() != e.MerchantID {
				continue
			}
			if err := n.merchant(ctx, m); err != nil {
				return n.report, err
			}
		}
		n.tally.Failed = n.report.Failed
		return n.report, reconcile.SaveTally(ctx, rdb, e.Name, n.tally)
	}
}

// night is one run of such a schedule.
type night struct {
	cfg    WorkerConfig
	reader *record.Reader
	rdb    redis.UniversalClient
	asker  *asking.Asker
	entry  schedule.Entry
	last   time.Time // the last day

	report schedule.Report
	tally  reconcile.Tally
}

// merchant compares the days of one, looks at its invoice numbers, and stores the result. An error ends the run.
func (n *night) merchant(ctx context.Context, m worker.Merchant) error {
	stored := reconcile.Stored{MerchantID: m.ID(), At: time.Now().In(ecpay.Taipei)}
	err := n.compareDays(ctx, m, &stored)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case disabled(err) && n.entry.MerchantID == "": // it has no B2C
		err = nil
	}
	if err == nil {
		if err = n.numbers(ctx, m, &stored); disabled(err) && n.entry.MerchantID == "" {
			return nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		n.report.Failed++
		stored.Error = err.Error()
		n.cfg.Logger.Warn().Err(err).Str("schedule", n.entry.Name).Str("merchant_id", m.ID()).Msg("invoices not compared; those of others are")
	}
	n.report.Left += stored.Count()
	return reconcile.Save(ctx, n.rdb, stored)
}

// disabled reports whether ECPay refused because a service is not enabled.
func disabled(err error) bool {
	var refusal *ecpay.Error
	return errors.As(err, &refusal) && refusal.TransCode == transDisabled
}

func (n *night) ask(m worker.Merchant) func(context.Context, ecpay.Request) (ecpay.Response, error) {
	return func(ctx context.Context, q ecpay.Request) (ecpay.Response, error) { return n.asker.Answer(ctx, m, q) }
}

// numbers looks at the invoice numbers of a merchant.
func (n *night) numbers(ctx context.Context, m worker.Merchant, stored *reconcile.Stored) error {
	all, err := tracks.Look(ctx, tracks.Config{Reader: n.reader, Ask: n.ask(m)}, m.ID())
	for _, s := range all {
		if s.Low() {
			n.tally.LowNumbers++
			stored.Numbers = append(stored.Numbers, reconcile.LowNumbers{
				Of: fmt.Sprintf("%s %s-%d %s", s.Category, s.Year, s.Term, s.InvType), Warning: s.Warning, WarningZh: s.WarningZh,
			})
		}
	}
	return err
}

// compareDays compares the days of a merchant, until one cannot be.
func (n *night) compareDays(ctx context.Context, m worker.Merchant, stored *reconcile.Stored) error {
	cfg := reconcile.Config{Reader: n.reader, Ask: n.ask(m), PayloadKeys: n.cfg.Worker.PayloadKeys}
	for back := n.entry.Days - 1; back >= 0; back-- {
		r, err := reconcile.Day(ctx, cfg, m.ID(), n.last.AddDate(0, 0, -back), m.TsrIsRelateNumber)
		if err != nil {
			return err
		}
		stored.Add(r)
		n.tally.Add(r)
	}
	return nil
}
