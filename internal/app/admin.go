package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/web"
)

// admin serves /livez, /readyz and /metrics.
type admin struct {
	addr   string
	server *http.Server
}

func startAdmin(
	addr string, connections int, reg *prometheus.Registry,
	live func() error, ready func(context.Context) error, log zerolog.Logger,
) (*admin, error) {
	if addr == "" {
		return &admin{}, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", probe(func(context.Context) error { return live() }))
	mux.HandleFunc("GET /readyz", probe(ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // one part that is broken does not take the others along
		MaxRequestsInFlight: maxScrapes,
	}))
	ln, err := web.Listen(addr, connections)
	if err != nil {
		return nil, err
	}
	a := &admin{addr: ln.Addr().String(), server: web.NewServer(web.SameSiteOnly(mux), web.WriteLimit)}
	go func() {
		if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("admin server ended")
		}
	}()
	return a, nil
}

// probe answers 503 with what is wrong.
func probe(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := check(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// adminConns bounds what probes and scrapers keep open.
const adminConns = 32

// maxScrapes bounds what impatient scrapers cost a Redis that is slow.
const maxScrapes = 4

func (a *admin) stop() error {
	if a.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return a.server.Shutdown(ctx)
}
