// Package config turns flags, environment variables and the YAML file into one
// validated struct. It is the only place that reads secrets from where they are
// kept.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/worker"
)

// Config is everything that can be set. Its fields are bound to flags and
// variables by [Settings].
type Config struct {
	RedisURL     string
	RedisURLFile string

	RedisPool, RedisIdle                  int
	RedisIdleTimeout, RedisLoadingTimeout time.Duration

	PayloadKeyFile   string
	PayloadPlaintext bool

	ECPayURL string

	ConfirmReplicas int
	ConfirmDisk     bool

	MerchantID, MerchantIDFile string
	PlatformID, PlatformIDFile string
	HashKeyFile, HashIVFile    string
	File                       string
	TsrIsRelateNumber          bool
	RetriggerScheduled         bool
	FetchInvoice               bool

	Concurrency, MerchantInFlight         int
	MerchantInterval                      time.Duration
	BackoffBase, BackoffMax               time.Duration
	MaxAttempts                           int
	MaxAge                                time.Duration
	Fence, NotFoundGrace                  time.Duration
	BanPause                              time.Duration
	Egress                                string
	EgressRate                            int
	HTTPTimeout, TaskTimeout, ShutdownMax time.Duration
	Retention, FinishTTL                  time.Duration
	OutcomeRetention                      time.Duration
	OutboxURL, OutboxURLFile              string
	OutboxPoll                            time.Duration
	OutboxListen                          bool
	AdminAddr                             string
	MetricsByMerchant                     bool
	LogLevel, LogFormat                   string

	// Env looks up the variables that hold secrets and have no flag.
	Env func(string) (string, bool)
}

// Hint is an error with advice for the person at the terminal.
type Hint struct {
	Err  error
	Text string
}

// Error implements error.
func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap returns the error without the advice.
func (h *Hint) Unwrap() error { return h.Err }

func hint(err error, format string, args ...any) error {
	return &Hint{err, fmt.Sprintf(format, args...)}
}

// wrong is an error about a value, and spell a sentence about one: durations in them are
// written as people write them.
func wrong(format string, args ...any) error {
	return fmt.Errorf(format, clean.Durations(args)...)
}

func spell(format string, args ...any) string {
	return fmt.Sprintf(format, clean.Durations(args)...)
}

// ResolveRedisURL returns the URL, from its file where one is named.
func (c *Config) ResolveRedisURL() (string, error) {
	return orFile(c.RedisURL, "ECPAYQ_REDIS_URL_FILE", c.RedisURLFile)
}

// CheckRedisURL reports what is wrong with the Redis URL.
func (c *Config) CheckRedisURL() error {
	u, err := c.ResolveRedisURL()
	if err != nil {
		return err
	}
	if _, err := redisx.ParseURL(u); errors.Is(err, redisx.ErrURLEncoding) {
		return fmt.Errorf("ECPAYQ_REDIS_URL: %w", err) // it has a hint in two languages
	} else if err != nil {
		return hint(fmt.Errorf("ECPAYQ_REDIS_URL: %w", err), `set it like "redis://127.0.0.1:6379/0"`)
	}
	return nil
}

// minRedisPool leaves some beside those that wait for tasks, one for each queue.
const minRedisPool = 16

// CheckConnections reports what is wrong with the connections to Redis.
func (c *Config) CheckConnections() error {
	switch {
	case c.RedisPool < minRedisPool:
		return wrong("ECPAYQ_REDIS_POOL is %d; it must be at least %d, since each queue takes one to wait for tasks", c.RedisPool, minRedisPool)
	case c.RedisIdle < 1:
		return wrong("ECPAYQ_REDIS_IDLE is %d; it must be at least 1", c.RedisIdle)
	case c.RedisIdleTimeout <= 0:
		return wrong("ECPAYQ_REDIS_IDLE_TIMEOUT is %s; it must be more than 0", c.RedisIdleTimeout)
	case c.RedisLoadingTimeout < 0:
		return wrong("ECPAYQ_REDIS_LOADING_TIMEOUT is %s; it must not be negative, and 0s is not to wait", c.RedisLoadingTimeout)
	}
	return nil
}

// CheckMerchantInterval reports what is wrong with the interval.
func (c *Config) CheckMerchantInterval() error {
	if c.MerchantInterval < 0 {
		return wrong("ECPAYQ_MERCHANT_INTERVAL is %s; it must not be negative", c.MerchantInterval)
	}
	return nil
}

// CheckRetention reports what is wrong with the retention.
func (c *Config) CheckRetention() error {
	if c.Retention <= 0 {
		return wrong("ECPAYQ_RETENTION is %s; it must be more than 0", c.Retention)
	}
	return WholeSeconds("ECPAYQ_RETENTION", c.Retention)
}

func (c *Config) checkOutcomeRetention() error {
	if c.OutcomeRetention < time.Minute {
		return wrong("ECPAYQ_OUTCOME_RETENTION is %s; it must be at least 1m, and is 168h by default", c.OutcomeRetention)
	}
	return nil
}

// CheckFinishTTL reports what is wrong with the time of finish markers.
func (c *Config) CheckFinishTTL() error {
	if c.FinishTTL <= 0 {
		return wrong("ECPAYQ_FINISH_TTL is %s; it must be more than 0", c.FinishTTL)
	}
	return nil
}

// BaseURL returns where ECPay is.
func (c *Config) BaseURL() (*url.URL, error) {
	u, err := ecpay.ParseBaseURL(c.ECPayURL)
	if err != nil {
		return nil, hint(fmt.Errorf("ECPAYQ_ECPAY_URL: %w", err), `set it to "stage", to "production" or to an https URL`)
	}
	return u, nil
}

// Validate checks what a worker needs, except the merchants (see [Config.Merchants]).
func (c *Config) Validate() error {
	var errs []error
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			errs = append(errs, wrong("%s is %s; it must be more than 0", name, d))
		}
	}
	for name, d := range map[string]time.Duration{
		"ECPAYQ_BACKOFF_BASE": c.BackoffBase, "ECPAYQ_BACKOFF_MAX": c.BackoffMax, "ECPAYQ_MAX_AGE": c.MaxAge,
		"ECPAYQ_FENCE": c.Fence, "ECPAYQ_BAN_PAUSE": c.BanPause,
		"ECPAYQ_HTTP_TIMEOUT": c.HTTPTimeout, "ECPAYQ_TASK_TIMEOUT": c.TaskTimeout, "ECPAYQ_SHUTDOWN_TIMEOUT": c.ShutdownMax,
	} {
		positive(name, d)
	}
	relation := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, wrong(format, args...))
		}
	}
	errs = append(errs, c.CheckMerchantInterval(), c.CheckRetention(), c.CheckFinishTTL(), c.checkOutcomeRetention(), c.CheckConnections(),
		c.CheckOutboxPoll())
	relation(c.NotFoundGrace >= 0, "ECPAYQ_NOT_FOUND_GRACE is %s; it must not be negative, and 0s is none", c.NotFoundGrace)
	relation(c.Concurrency > 0, "ECPAYQ_CONCURRENCY is %d; it must be at least 1", c.Concurrency)
	relation(c.MerchantInFlight > 0, "ECPAYQ_MERCHANT_IN_FLIGHT is %d; it must be at least 1", c.MerchantInFlight)
	relation(c.EgressRate >= 0, "ECPAYQ_EGRESS_RATE is %d; it must not be negative, and 0 is no limit", c.EgressRate)
	relation(egressName.MatchString(c.Egress),
		"ECPAYQ_EGRESS is %q; it must be 1 to 64 letters, digits, dots, hyphens and underscores", c.Egress)
	relation(c.MaxAttempts > 0, "ECPAYQ_MAX_ATTEMPTS is %d; it must be at least 1", c.MaxAttempts)
	relation(c.BackoffBase <= c.BackoffMax, "ECPAYQ_BACKOFF_BASE %s must not be more than ECPAYQ_BACKOFF_MAX %s", c.BackoffBase, c.BackoffMax)
	relation(c.HTTPTimeout < c.TaskTimeout, "ECPAYQ_HTTP_TIMEOUT %s must be less than ECPAYQ_TASK_TIMEOUT %s", c.HTTPTimeout, c.TaskTimeout)
	relation(c.TaskTimeout < c.ShutdownMax,
		"ECPAYQ_TASK_TIMEOUT %s must be less than ECPAYQ_SHUTDOWN_TIMEOUT %s", c.TaskTimeout, c.ShutdownMax)
	relation(c.TaskTimeout <= maxTaskTimeout,
		"ECPAYQ_TASK_TIMEOUT %s must be at most %s: asynq may run a task again after that", c.TaskTimeout, maxTaskTimeout)
	relation(c.Retention <= c.FinishTTL, "ECPAYQ_RETENTION %s must not be more than ECPAYQ_FINISH_TTL %s", c.Retention, c.FinishTTL)
	if _, err := c.BaseURL(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.CheckRedisURL(), c.checkLog())
	return errors.Join(errs...)
}

var egressName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

const maxTaskTimeout = 60 * time.Second

// ecpayWindow is how long after its timestamp ECPay takes a request (every
// operation's page).
const ecpayWindow = 10 * time.Minute

// Warnings lists values that are valid, and give up what is promised.
func (c *Config) Warnings() []string {
	var list []string
	if least := ecpayWindow + c.TaskTimeout; c.Fence < least {
		list = append(list, spell("ECPAYQ_FENCE %s is less than ECPay's 10 minutes and ECPAYQ_TASK_TIMEOUT, %s: a "+
			"write that was not answered may land after it was sent again", c.Fence, least))
	}
	if most := c.TaskTimeout / 4; c.MerchantInterval > most {
		list = append(list, spell("ECPAYQ_MERCHANT_INTERVAL %s is more than a quarter of ECPAYQ_TASK_TIMEOUT, %s: an "+
			"attempt that needs two requests may have no time for the second, and begin anew again and again", c.MerchantInterval, most))
	}
	return list
}

func (c *Config) checkLog() error {
	if c.LogFormat != "json" && c.LogFormat != "console" {
		return wrong("ECPAYQ_LOG_FORMAT is %q; it must be json or console", c.LogFormat)
	}
	return nil
}

// Policy returns the worker's budget and pauses.
func (c *Config) Policy() worker.Policy {
	grace := c.NotFoundGrace
	if grace == 0 {
		grace = -1 // 0 is a default there
	}
	return worker.Policy{
		BackoffBase: c.BackoffBase, BackoffMax: c.BackoffMax, MaxAttempts: c.MaxAttempts, MaxAge: c.MaxAge,
		NotFoundGrace: grace, Fence: c.Fence, BanPause: c.BanPause, Interval: c.MerchantInterval, InFlight: c.MerchantInFlight,
	}
}
