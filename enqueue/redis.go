package enqueue

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
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
// Options, after a question mark: master (Sentinel: the master's name, default
// "mymaster"), sentinel_username and sentinel_password (what Sentinels ask for; user
// and password of the URL are those of Redis itself), ca_file (TLS: PEM file of the
// certificate authority, instead of the system's), db (in place of the path). An
// option that is unknown, is given twice or does not apply is an error. Errors never
// quote the password.
func ParseRedisURL(s string) (*redis.UniversalOptions, error) { return redisx.ParseURL(s) }

// ErrURLEncoding means that a Redis URL cannot be taken apart, most likely because of
// a character of its password.
var ErrURLEncoding = redisx.ErrURLEncoding

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
