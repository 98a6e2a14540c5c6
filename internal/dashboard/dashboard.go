// Package dashboard serves asynq's own dashboard (asynqmon) behind the guard
// that it lacks: it answers this machine only and no other site's pages.
package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Config configures the dashboard.
type Config struct {
	// Redis is a client of the dashboard's own: asynqmon closes it.
	Redis redis.UniversalClient
	// ReadOnly refuses every change.
	ReadOnly bool
}

// Path is where asynqmon is mounted.
const Path = "/asynq"

// Dashboard is an [http.Handler].
type Dashboard struct {
	http.Handler
	mon *asynqmon.HTTPHandler
}

// New returns the dashboard.
func New(cfg Config) *Dashboard {
	mon := asynqmon.New(asynqmon.Options{
		RootPath:         Path,
		RedisConnOpt:     conn{cfg.Redis},
		ReadOnly:         cfg.ReadOnly,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(formatPayload),
	})
	mux := http.NewServeMux()
	mux.Handle(Path+"/", mon)
	// Scripts written for a stand-alone asynqmon find its API where they expect it.
	mux.Handle("/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path, r2.URL.RawPath = Path+r.URL.Path, ""
		mon.ServeHTTP(w, r2)
	}))
	mux.Handle("GET /{$}", http.RedirectHandler(Path+"/", http.StatusFound))
	return &Dashboard{Handler: guard(mux), mon: mon}
}

// Close closes the client. asynqmon closes it through each of its parts, so that
// all but the first find it closed.
func (d *Dashboard) Close() error {
	if err := d.mon.Close(); !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

type conn struct{ rdb redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c conn) MakeRedisClient() any { return c.rdb }

// formatPayload shows a payload in one line, and nothing of what is not JSON.
func formatPayload(_ string, payload []byte) string {
	var out bytes.Buffer
	if err := json.Compact(&out, payload); err != nil {
		return fmt.Sprintf("(%d bytes that are no JSON)", len(payload))
	}
	return out.String()
}

// guard refuses what a browser sends on behalf of another site: cross-origin
// changes, and requests under a name that is not this machine's (DNS rebinding).
func guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackName(r.Host) {
			http.Error(w, "this dashboard answers to loopback names only, like 127.0.0.1", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

func loopbackName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// ErrPublicAddress refuses an address that others can reach: there is no login.
var ErrPublicAddress = errors.New("the dashboard has no login and listens on loopback addresses only")

// CheckAddr refuses addresses that are not loopback.
func CheckAddr(addr string) error {
	if !loopbackName(addr) {
		return fmt.Errorf("%w, not on %q", ErrPublicAddress, addr)
	}
	return nil
}
