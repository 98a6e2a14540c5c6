package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/web"
)

// DashboardConfig is what a dashboard process is made of.
type DashboardConfig struct {
	RedisURL string
	// Connections are those to Redis.
	Connections Connections
	// Addr must be a loopback address unless users are configured.
	Addr string
	// CertFile and KeyFile are for TLS; both or neither.
	CertFile, KeyFile string
	// Page is filled in except for Redis.
	Page dashboard.Config
}

// Dashboard is a running dashboard.
type Dashboard struct {
	url    string
	server *http.Server
	ui     *dashboard.Dashboard
}

// StartDashboard serves the dashboard.
func StartDashboard(cfg DashboardConfig) (*Dashboard, error) {
	if err := dashboard.CheckAddr(cfg.Addr, cfg.Page.Users); err != nil {
		return nil, err
	}
	o, err := promptRedis(cfg.RedisURL)
	if err != nil {
		return nil, err
	}
	limit, wanted := openFiles(), dashboardFiles(cfg)
	share := wanted.fitDashboard(limit)
	if share != wanted {
		cfg.Page.Logger.Warn().Msgf("only %d files may be open: the dashboard holds at most %d connections of browsers, "+
			"and opens at most %d to Redis; raise the limit (ulimit -n, or LimitNOFILE of systemd)", limit, share.admin, share.redis)
		cfg.Connections.Pool = share.pool(cfg.RedisURL)
	}
	cfg.Connections.set(o)
	keys, err := certificate("dashboard", cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	cfg.Page.Redis = redis.NewUniversalClient(o)
	ui, err := dashboard.New(cfg.Page)
	if err != nil {
		return nil, errors.Join(err, cfg.Page.Redis.Close())
	}
	ln, err := web.Listen(cfg.Addr, share.admin)
	if err != nil {
		return nil, errors.Join(err, ui.Close())
	}
	d := &Dashboard{url: "http://" + ln.Addr().String() + "/", server: web.NewServer(withProbe(ui, cfg.Page.Redis), web.WriteLimit), ui: ui}
	serve := func() error { return d.server.Serve(ln) }
	if keys != nil {
		d.url, d.server.TLSConfig = "https://"+ln.Addr().String()+"/", keys
		serve = func() error { return d.server.ServeTLS(ln, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			cfg.Page.Logger.Error().Err(err).Msg("dashboard ended")
		}
	}()
	return d, nil
}

func loadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := config.ReadPEM("tls-cert", certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := config.ReadPEM("tls-key", keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// dashboardConns bounds what browsers keep open, six connections each.
const dashboardConns = 512

// withProbe adds /readyz, for which nobody has to log in. It is no pattern of a
// [http.ServeMux], which would redirect requests before the dashboard's guard.
func withProbe(ui http.Handler, rdb redis.UniversalClient) http.Handler {
	ready := probe(usable(rdb))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && r.Method == http.MethodGet {
			ready(w, r)
			return
		}
		ui.ServeHTTP(w, r)
	})
}

// usable says why Redis cannot be used, to anybody who asks: no more than the reason.
func usable(rdb redis.UniversalClient) func(context.Context) error {
	probe := redishealth.NewProbe(rdb)
	return func(ctx context.Context) error {
		if err := probe.Check(ctx); err != nil {
			return fmt.Errorf("redis cannot be used: %s", redishealth.ReasonOf(err))
		}
		return nil
	}
}

// URL is where the dashboard is, with a slash at its end.
func (d *Dashboard) URL() string { return d.url }

// Stop ends the dashboard.
func (d *Dashboard) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(d.server.Shutdown(ctx), d.ui.Close())
}
