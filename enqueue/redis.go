package enqueue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ParseRedisURL reads one URL form for every way Redis is run:
//
//	redis://[user:password@]host:port[/db]
//	rediss://…                                   TLS
//	unix://[user:password@]/path/to/socket[?db=N]
//	redis-sentinel://[user:password@]host:port,host:port[/db]?master=NAME
//	redis-cluster://[user:password@]host:port,host:port
//
// rediss-sentinel:// and rediss-cluster:// are the same over TLS (1.2 or newer).
// Query parameters: master (Sentinel: the master's name, default "mymaster"),
// sentinel_username and sentinel_password (Sentinel), ca_file (TLS: PEM file of
// the certificate authority), db. Errors never quote the password.
func ParseRedisURL(s string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New(`redis URL is malformed; it looks like "redis://127.0.0.1:6379/0"`)
	}
	// CLIENT SETINFO, by which go-redis tells its name, is more than the documented
	// Redis user may do: Redis 7.2 would log a refusal for every connection.
	o := &redis.UniversalOptions{DisableIdentity: true}
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	scheme := u.Scheme
	secure := strings.HasPrefix(scheme, "rediss")
	q := u.Query()
	switch strings.TrimPrefix(strings.TrimPrefix(scheme, "rediss"), "redis") {
	case "":
		o.Addrs = hosts(u.Host, "6379")
		if len(o.Addrs) > 1 {
			return nil, errors.New("redis URL names several hosts; use redis-sentinel:// or redis-cluster://")
		}
	case "-sentinel":
		o.Addrs = hosts(u.Host, "26379")
		o.MasterName = take(q, "master", "mymaster")
		o.SentinelUsername = take(q, "sentinel_username", "")
		o.SentinelPassword = take(q, "sentinel_password", "")
	case "-cluster":
		o.Addrs = hosts(u.Host, "6379")
		o.IsClusterMode = true
	case "unix":
		if u.Path == "" {
			return nil, errors.New(`redis URL has no socket path; it looks like "unix:///run/redis/redis.sock"`)
		}
		o.Addrs, u.Path = []string{u.Path}, ""
	default:
		return nil, fmt.Errorf("redis URL has scheme %q; use redis, rediss, unix, redis-sentinel or redis-cluster", scheme)
	}
	if len(o.Addrs) == 0 {
		return nil, errors.New("redis URL names no host")
	}
	if secure {
		if o.TLSConfig, err = tlsConfig(o, take(q, "ca_file", "")); err != nil {
			return nil, err
		}
	}
	if o.DB, err = database(u.Path, take(q, "db", "")); err != nil {
		return nil, err
	}
	if o.IsClusterMode && o.DB != 0 {
		return nil, errors.New("redis URL names a database; Redis Cluster has only 0")
	}
	for name := range q {
		return nil, fmt.Errorf("redis URL has an unknown parameter %q", name)
	}
	return o, nil
}

func take(q url.Values, name, def string) string {
	defer q.Del(name)
	if v := q.Get(name); v != "" {
		return v
	}
	return def
}

func hosts(list, port string) []string {
	var addrs []string
	for h := range strings.SplitSeq(list, ",") {
		if h = strings.TrimSpace(h); h == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port)
		}
		addrs = append(addrs, h)
	}
	return addrs
}

func database(path, param string) (int, error) {
	s := strings.Trim(path, "/")
	if s == "" {
		s = param
	}
	if s == "" {
		return 0, nil
	}
	db, err := strconv.Atoi(s)
	if err != nil || db < 0 {
		return 0, fmt.Errorf("redis URL has database %q; it must be a number", s)
	}
	return db, nil
}

func tlsConfig(o *redis.UniversalOptions, caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.MasterName == "" && !o.IsClusterMode {
		c.ServerName, _, _ = net.SplitHostPort(o.Addrs[0])
	}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("redis URL: ca_file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("redis URL: ca_file holds no PEM certificate")
	}
	return c, nil
}

// impatient makes a client whose commands end with their context: a backend
// that has just taken a payment must not hang.
func impatient(o *redis.UniversalOptions, confirm Confirm) redis.UniversalClient {
	o.ContextTimeoutEnabled = true
	o.MaxRetries = 3
	o.MinRetryBackoff, o.MaxRetryBackoff = 8*time.Millisecond, 256*time.Millisecond
	o.DialTimeout = 2 * time.Second
	o.ReadTimeout, o.WriteTimeout = 2*time.Second, 2*time.Second
	if confirm.Wanted() { // the server answers only after waiting for replicas, then for disks
		o.ReadTimeout += confirm.Longest()
	}
	return redis.NewUniversalClient(o)
}
