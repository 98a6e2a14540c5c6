package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/dashboard"
)

// Dashboard is a running dashboard.
type Dashboard struct {
	addr   string
	server *http.Server
	ui     *dashboard.Dashboard
}

// StartDashboard serves asynq's dashboard on a loopback address.
func StartDashboard(redisURL, addr string, readOnly bool, log zerolog.Logger) (*Dashboard, error) {
	if err := dashboard.CheckAddr(addr); err != nil {
		return nil, err
	}
	o, err := enqueue.ParseRedisURL(redisURL)
	if err != nil {
		return nil, err
	}
	ln, err := listen(addr)
	if err != nil {
		return nil, err
	}
	ui := dashboard.New(dashboard.Config{Redis: redis.NewUniversalClient(o), ReadOnly: readOnly})
	d := &Dashboard{addr: ln.Addr().String(), server: newServer(ui), ui: ui}
	go func() {
		if err := d.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("dashboard ended")
		}
	}()
	return d, nil
}

// URL is where the dashboard is.
func (d *Dashboard) URL() string { return "http://" + d.addr + dashboard.Path + "/" }

// Stop ends the dashboard.
func (d *Dashboard) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(d.server.Shutdown(ctx), d.ui.Close())
}
