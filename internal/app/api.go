package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/api"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/web"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// APIConfig is what a process of the HTTP API is made of.
type APIConfig struct {
	// Enqueue is that of the client by which intents are stored; RedisURL says where.
	Enqueue enqueue.Config
	// Connections are those to Redis for everything else.
	Connections Connections
	// FinishTTL is that of [deadletter.Config].
	FinishTTL time.Duration
	// Addr must be a loopback address unless there are tokens.
	Addr   string
	Tokens *auth.Tokens
	// CertFile and KeyFile are for TLS; both or neither.
	CertFile, KeyFile string
	Logger            zerolog.Logger
	// Around, when not nil, is put around the handler of all requests.
	Around func(http.Handler) http.Handler
}

// API is a running HTTP API.
type API struct {
	url     string
	guarded bool // by tokens
	server  *http.Server
	api     *api.API
	closers []func() error
	log     zerolog.Logger
}

// ErrPublicAPI refuses an address that others can reach while nobody needs a token.
var ErrPublicAPI = errors.New("no tokens are configured, so the API listens on loopback addresses only; " +
	"make one with ecpayq api token, and put its hash into the YAML file under api, tokens")

func checkAPIAddr(addr string, tokens *auth.Tokens) error {
	if _, _, err := net.SplitHostPort(addr); err != nil && addr != "" {
		return fmt.Errorf("addr: %q is no host and port; give one like 127.0.0.1:8970", addr)
	}
	if tokens.Len() == 0 && !web.LoopbackName(addr) {
		return fmt.Errorf("%q: %w", addr, ErrPublicAPI)
	}
	return nil
}

// apiConns bounds what shops keep open, a few for each of their processes.
const apiConns = 2048

// apiShutdown is how long the end waits for what is read of batches to be stored and answered.
const apiShutdown = 20 * time.Second

// StartAPI serves the HTTP API. On an error nothing is left running.
func StartAPI(cfg APIConfig) (a *API, err error) {
	a = &API{guarded: cfg.Tokens.Len() > 0, log: cfg.Logger}
	defer func(started *API) {
		if err != nil {
			started.close()
		}
	}(a)
	if err := checkAPIAddr(cfg.Addr, cfg.Tokens); err != nil {
		return nil, err
	}
	if cfg.Addr == "" { // which would be any port of all addresses
		return nil, errors.New("the address of the API is empty; give one like 127.0.0.1:8970")
	}
	limit, wanted := openFiles(), files{redis: connectionsOf(cfg.Connections, cfg.Enqueue.RedisURL), admin: apiConns}
	share := wanted.fitDashboard(limit)
	if share != wanted {
		cfg.Logger.Warn().Msgf("only %d files may be open: the API holds at most %d connections of clients; "+
			"raise the limit (ulimit -n, or LimitNOFILE of systemd)", limit, share.admin)
		cfg.Connections.Pool = share.pool(cfg.Enqueue.RedisURL)
	}
	keys, err := certificate("API", cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	rdb, err := a.redis(cfg)
	if err != nil {
		return nil, err
	}
	client, err := enqueue.New(cfg.Enqueue)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, client.Close)
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.api, err = api.New(api.Config{
		Client: client, Redis: rdb, Tokens: cfg.Tokens, Traced: cfg.Enqueue.Trace != nil, Ready: usable(rdb), Registerer: reg,
		Ledger: deadletter.New(deadletter.Config{
			Redis: rdb, Retention: cfg.Enqueue.Retention, FinishTTL: cfg.FinishTTL, Interval: cfg.Enqueue.Interval,
			PayloadKeys: cfg.Enqueue.PayloadKeys,
		}),
		Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}), Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	ln, err := web.Listen(cfg.Addr, share.admin)
	if err != nil {
		return nil, err
	}
	var handler http.Handler = a.api
	if cfg.Around != nil {
		handler = cfg.Around(handler)
	}
	a.url, a.server = "http://"+ln.Addr().String(), web.NewServer(handler, web.WriteLimit)
	a.server.ErrorLog, a.server.DisableGeneralOptionsHandler = log.New(cfg.Logger, "", 0), true
	serve := func() error { return a.server.Serve(ln) }
	if keys != nil {
		a.url, a.server.TLSConfig = "https://"+ln.Addr().String(), keys
		serve = func() error { return a.server.ServeTLS(ln, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error().Err(err).Msg("API ended")
		}
	}()
	return a, nil
}

// redis opens the client for everything but storing.
func (a *API) redis(cfg APIConfig) (redis.UniversalClient, error) {
	o, err := promptRedis(cfg.Enqueue.RedisURL)
	if err != nil {
		return nil, err
	}
	cfg.Connections.set(o)
	rdb := redis.NewUniversalClient(o)
	if cfg.Enqueue.Hook != nil {
		rdb.AddHook(cfg.Enqueue.Hook)
	}
	a.closers = append(a.closers, rdb.Close)
	return rdb, nil
}

// certificate is the TLS configuration of a server, nil without one.
func certificate(of, certFile, keyFile string) (*tls.Config, error) {
	const half = "certificate of the %s: %s is not set; tls-cert and tls-key go together"
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case certFile == "":
		return nil, fmt.Errorf(half, of, "tls-cert")
	case keyFile == "":
		return nil, fmt.Errorf(half, of, "tls-key")
	}
	cert, err := loadCertificate(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate of the %s: %w", of, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, nil
}

// URL is where the API is, without a slash at its end.
func (a *API) URL() string { return a.url }

// ErrNoTokens refuses to accept everybody from one moment to the next: a file that was emptied by
// mistake would open what a proxy makes public.
var ErrNoTokens = errors.New("there are no tokens any more; restart the API if nobody is to need one")

// SetTokens replaces the tokens that are accepted.
func (a *API) SetTokens(t *auth.Tokens) error {
	if a.guarded && t.Len() == 0 {
		return ErrNoTokens
	}
	a.guarded = t.Len() > 0
	a.api.SetTokens(t)
	return nil
}

// Stop answers those who wait, stores and answers what is read, and ends.
func (a *API) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), apiShutdown)
	defer cancel()
	a.api.Stop()
	err := a.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // somebody takes no answer
		a.log.Warn().Msg("some requests were cut off, whose clients did not take the answer in time")
		err = a.server.Close()
	}
	return errors.Join(err, a.close())
}

func (a *API) close() error {
	var errs []error
	for _, f := range a.closers {
		errs = append(errs, f())
	}
	a.closers = nil
	return errors.Join(errs...)
}
