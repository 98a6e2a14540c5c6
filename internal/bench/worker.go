package bench

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker"
)

// startOurs runs ecpayq's worker in this process, as `ecpayq worker` does: with
// its metrics, its sweeper and its log.
func startOurs(o order) (ready, func(), error) {
	base, err := url.Parse(o.ECPayURL)
	if err != nil {
		return ready{}, nil, err
	}
	table, err := merchantTable()
	if err != nil {
		return ready{}, nil, err
	}
	box, err := outboxOf(o)
	if err != nil {
		return ready{}, nil, err
	}
	log := zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	app.UseLogger(log)
	w, err := app.StartWorker(app.WorkerConfig{
		RedisURL: o.RedisURL, BaseURL: base, Keys: keys(table),
		HTTPTimeout: o.HTTPTimeout,
		Worker: worker.Config{
			Concurrency: o.Concurrency, Servers: o.Servers, Sleepers: o.Sleepers,
			Policy: worker.Policy{Interval: o.Interval, BanPause: o.BanPause},
		},
		Outbox: box, Interval: tasks.Every(o.Interval), AdminAddr: "127.0.0.1:0", Logger: log,
	})
	if err != nil {
		return ready{}, nil, err
	}
	return ready{Servers: cmp.Or(o.Servers, worker.DefaultServers(o.Concurrency)), Admin: w.AdminAddr()}, func() { _ = w.Stop() }, nil
}

// keys implements [worker.KeyProvider].
type keys map[string]*ecpay.Merchant

func (k keys) Merchant(_ context.Context, id string) (worker.Merchant, error) {
	m := k[id]
	if m == nil {
		return worker.Merchant{}, fmt.Errorf("%w: %s", worker.ErrUnknownMerchant, id)
	}
	return worker.Merchant{Merchant: m}, nil
}
