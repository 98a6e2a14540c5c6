package redisx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseURL reads one URL form for every way Redis is run; enqueue.ParseRedisURL, the same for
// other programs, describes it. Errors never quote the password.
func ParseURL(s string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil && strings.Contains(s, "@"), err == nil && u.Fragment != "",
		err == nil && u.User == nil && u.Scheme != "unix" && strings.Contains(u.Path, "@"):
		return nil, ErrURLEncoding
	case err != nil:
		return nil, errors.New(`redis URL is malformed; it looks like "redis://127.0.0.1:6379/0"`)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, ErrURLEncoding
	}
	if err := checkURLOptions(u.Scheme, q); err != nil {
		return nil, err
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
	return o, nil
}

// ErrURLEncoding means that a Redis URL cannot be taken apart, most likely because of
// a character of its password.
var ErrURLEncoding = errors.New("redis URL is malformed: its user or password has a character that must be percent-encoded")

// urlOptions are the options of a Redis URL, and the schemes that each applies to.
var urlOptions = []struct {
	name    string
	schemes []string
}{
	{"master", []string{"redis-sentinel", "rediss-sentinel"}},
	{"sentinel_username", []string{"redis-sentinel", "rediss-sentinel"}},
	{"sentinel_password", []string{"redis-sentinel", "rediss-sentinel"}},
	{"ca_file", []string{"rediss", "rediss-sentinel", "rediss-cluster"}},
	{"db", []string{"redis", "rediss", "unix", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"}},
}

// wordOfOption tells a misspelt option from what may be a piece of a password.
var wordOfOption = regexp.MustCompile(`^[a-z_]{1,20}$`)

func checkURLOptions(scheme string, q url.Values) error {
	var known []string
	for _, o := range urlOptions {
		known = append(known, o.name)
		switch {
		case !q.Has(o.name):
		case !slices.Contains(o.schemes, scheme):
			return fmt.Errorf("redis URL has the option %s, which applies to %s:// only", o.name, strings.Join(o.schemes, "://, "))
		case len(q[o.name]) > 1:
			return fmt.Errorf("redis URL has the option %s twice", o.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if slices.Contains(known, name) {
			continue
		}
		if wordOfOption.MatchString(name) {
			name = strconv.Quote(name)
		} else {
			name = "that is unknown"
		}
		return fmt.Errorf("redis URL has an option %s; options are %s", name, strings.Join(known, ", "))
	}
	return nil
}

func take(q url.Values, name, def string) string {
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
	if s != "" && param != "" {
		return 0, errors.New("redis URL names a database twice: after the host, and as db")
	}
	s += param
	if s == "" {
		return 0, nil
	}
	db, err := strconv.ParseUint(s, 10, 31) // with no sign
	if err != nil {
		return 0, fmt.Errorf("redis URL has database %q; it must be a number", s)
	}
	return int(db), nil
}

func tlsConfig(o *redis.UniversalOptions, caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.MasterName == "" && !o.IsClusterMode {
		c.ServerName, _, _ = net.SplitHostPort(o.Addrs[0])
	}
	if caFile == "" {
		return c, nil
	}
	var err error
	if c.RootCAs, err = Authorities(caFile); err != nil {
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	return c, nil
}
