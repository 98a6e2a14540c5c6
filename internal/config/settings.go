package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker"
)

// Role says which program reads a setting.
type Role string

// Readers look at tasks, producers also enqueue; workers have the settings of
// both and their own.
const (
	Reader   Role = "reader"
	Producer Role = "producer"
	Worker   Role = "worker"
)

// Setting is one row of the configuration table.
type Setting struct {
	// Flag is the name on the command line, empty for what must not stand there.
	Flag string
	// Env is the environment variable.
	Env string
	// Default is shown and used when neither is given.
	Default string
	Role    Role
	Usage   string

	// target returns the field: *string, *int, *bool or *time.Duration.
	target func(*Config) any
}

// Settings is the configuration table: every variable, in the order of the
// documentation.
func Settings() []Setting {
	return slices.Concat(producerSettings(), connectionSettings(), merchantSettings(), paceSettings(), attemptSettings(),
		outboxSettings(), processSettings())
}

// producerSettings are what a producer reads too: where Redis is, and how tasks are stored.
func producerSettings() []Setting {
	return []Setting{
		{"redis-url", "ECPAYQ_REDIS_URL", "redis://127.0.0.1:6379/0", Producer,
			"where Redis is: redis://, rediss://, unix://, redis-sentinel://, redis-cluster://", func(c *Config) any { return &c.RedisURL }},
		{"redis-url-file", "ECPAYQ_REDIS_URL_FILE", "", Producer,
			"file that holds the Redis URL, for one with a password", func(c *Config) any { return &c.RedisURLFile }},
		{"retention", "ECPAYQ_RETENTION", clean.Duration(tasks.DefaultRetention), Producer,
			"how long asynq keeps a finished task, in whole seconds", func(c *Config) any { return &c.Retention }},
		{
			"confirm-replicas", "ECPAYQ_CONFIRM_REPLICAS", "0", Producer,
			"replicas that must have a task before enqueue succeeds, and a mark before its write is sent (WAIT)",
			func(c *Config) any { return &c.ConfirmReplicas },
		},
		{
			"confirm-disk", "ECPAYQ_CONFIRM_DISK", "false", Producer,
			"enqueue succeeds only when the task is on disk, and a write is sent only when its mark is (WAITAOF, Redis 7.2)",
			func(c *Config) any { return &c.ConfirmDisk },
		},
		{
			"merchant-interval", "ECPAYQ_MERCHANT_INTERVAL", clean.Duration(tasks.DefaultInterval), Producer,
			"least time between two requests of a merchant, by all workers together; a backlog is spread along it (0s: none)",
			func(c *Config) any { return &c.MerchantInterval },
		},
		{"payload-key-file", "ECPAYQ_PAYLOAD_KEY_FILE", "", Producer,
			"file of the keys that seal data of buyers in Redis: the first seals, all open; ecpayq keys rotate makes it",
			func(c *Config) any { return &c.PayloadKeyFile }},
		{"payload-plaintext", "ECPAYQ_PAYLOAD_PLAINTEXT", "false", Producer,
			"store data of buyers readable in Redis, where there is no key", func(c *Config) any { return &c.PayloadPlaintext }},
	}
}

// connectionSettings bound a worker's connections to Redis.
func connectionSettings() []Setting {
	return []Setting{
		{"redis-pool", "ECPAYQ_REDIS_POOL", strconv.Itoa(redisx.DefaultPool), Worker,
			"connections to Redis at most, of each of a worker's two clients; of the dashboard's one", func(c *Config) any { return &c.RedisPool }},
		{"redis-idle", "ECPAYQ_REDIS_IDLE", strconv.Itoa(redisx.DefaultIdle), Worker,
			"connections of each that stay open while they are not used", func(c *Config) any { return &c.RedisIdle }},
		{"redis-idle-timeout", "ECPAYQ_REDIS_IDLE_TIMEOUT", clean.Duration(redisx.DefaultIdleTimeout), Worker,
			"a connection that was idle for longer is closed rather than used again", func(c *Config) any { return &c.RedisIdleTimeout }},
		{"redis-loading-timeout", "ECPAYQ_REDIS_LOADING_TIMEOUT", "10m", Worker,
			"how long the start waits for a Redis that is loading its data (0s: not at all)", func(c *Config) any { return &c.RedisLoadingTimeout }},
	}
}

// merchantSettings say where ECPay is, and whose invoices these are.
func merchantSettings() []Setting {
	return []Setting{
		{"ecpay-url", "ECPAYQ_ECPAY_URL", "stage", Worker,
			"stage, production or a base URL (plain http to loopback only)", func(c *Config) any { return &c.ECPayURL }},
		{"merchant-id", "ECPAYQ_MERCHANT_ID", "", Worker, "MerchantID of the one merchant", func(c *Config) any { return &c.MerchantID }},
		{"merchant-id-file", "ECPAYQ_MERCHANT_ID_FILE", "", Worker,
			"file that holds the MerchantID", func(c *Config) any { return &c.MerchantIDFile }},
		{"", "ECPAYQ_HASH_KEY", "", Worker, "HashKey of the one merchant, 16 bytes; better by file", nil},
		{"hash-key-file", "ECPAYQ_HASH_KEY_FILE", "", Worker, "file that holds the HashKey", func(c *Config) any { return &c.HashKeyFile }},
		{"", "ECPAYQ_HASH_IV", "", Worker, "HashIV of the one merchant, 16 bytes; better by file", nil},
		{"hash-iv-file", "ECPAYQ_HASH_IV_FILE", "", Worker, "file that holds the HashIV", func(c *Config) any { return &c.HashIVFile }},
		{"platform-id", "ECPAYQ_PLATFORM_ID", "", Worker,
			"PlatformID that is sent along, for a sub-merchant of a platform", func(c *Config) any { return &c.PlatformID }},
		{"platform-id-file", "ECPAYQ_PLATFORM_ID_FILE", "", Worker,
			"file that holds the PlatformID", func(c *Config) any { return &c.PlatformIDFile }},
		{"config", "ECPAYQ_CONFIG", "", Worker,
			"YAML file: many merchants, extra codes; SIGHUP reads the merchants again", func(c *Config) any { return &c.File }},
		{"tsr-is-relate-number", "ECPAYQ_TSR_IS_RELATE_NUMBER", "false", Worker,
			"the shop uses one number as Tsr and RelateNumber, so ask by it", func(c *Config) any { return &c.TsrIsRelateNumber }},
		{"retrigger-scheduled", "ECPAYQ_RETRIGGER_SCHEDULED", "false", Worker,
			"trigger once more when nothing can tell whether an invoice is scheduled", func(c *Config) any { return &c.RetriggerScheduled }},
		{"fetch-invoice", "ECPAYQ_FETCH_INVOICE", "true", Worker,
			"ask ECPay for the number of an invoice that a trigger or a delay had issued (false: not)",
			func(c *Config) any { return &c.FetchInvoice }},
	}
}

// paceSettings bound what is sent to ECPay at once, and by which address.
func paceSettings() []Setting {
	return []Setting{
		{"concurrency", "ECPAYQ_CONCURRENCY", strconv.Itoa(worker.DefaultConcurrency), Worker,
			"requests to ECPay at once, per process", func(c *Config) any { return &c.Concurrency }},
		{"merchant-in-flight", "ECPAYQ_MERCHANT_IN_FLIGHT", strconv.Itoa(worker.DefaultInFlight), Worker,
			"requests of a merchant at once, by all workers together", func(c *Config) any { return &c.MerchantInFlight }},
		{
			"egress", "ECPAYQ_EGRESS", worker.DefaultEgress, Worker,
			"name of the address by which requests leave; workers of one name pause together when ECPay bans it",
			func(c *Config) any { return &c.Egress },
		},
		{"egress-rate", "ECPAYQ_EGRESS_RATE", "0", Worker,
			"requests in a second by that address, by all workers together (0: no limit)", func(c *Config) any { return &c.EgressRate }},
		{"ban-pause", "ECPAYQ_BAN_PAUSE", clean.Duration(worker.DefaultBanPause), Worker,
			"pause after HTTP 403 when ECPay names none", func(c *Config) any { return &c.BanPause }},
	}
}

// attemptSettings are a task's budget, its pauses and its timeouts.
func attemptSettings() []Setting {
	return []Setting{
		{"backoff-base", "ECPAYQ_BACKOFF_BASE", clean.Duration(worker.DefaultBackoffBase), Worker,
			"ceiling of the first random pause between attempts; doubles", func(c *Config) any { return &c.BackoffBase }},
		{"backoff-max", "ECPAYQ_BACKOFF_MAX", clean.Duration(worker.DefaultBackoffMax),
			Worker, "longest ceiling of that pause", func(c *Config) any { return &c.BackoffMax }},
		{"max-attempts", "ECPAYQ_MAX_ATTEMPTS", strconv.Itoa(worker.DefaultMaxAttempts), Worker,
			"attempts whose outcome is unknown", func(c *Config) any { return &c.MaxAttempts }},
		{"max-age", "ECPAYQ_MAX_AGE", clean.Duration(worker.DefaultMaxAge), Worker,
			"age at which all other retries end", func(c *Config) any { return &c.MaxAge }},
		{"fence", "ECPAYQ_FENCE", clean.Duration(worker.DefaultFence), Worker,
			"how long an unanswered write may still land at ECPay", func(c *Config) any { return &c.Fence }},
		{"not-found-grace", "ECPAYQ_NOT_FOUND_GRACE", clean.Duration(worker.DefaultNotFoundGrace), Worker,
			"how long a trigger waits for its staging (0s: not at all)", func(c *Config) any { return &c.NotFoundGrace }},
		{"http-timeout", "ECPAYQ_HTTP_TIMEOUT", clean.Duration(ecpay.DefaultTimeout), Worker,
			"one HTTP exchange; less than the task timeout", func(c *Config) any { return &c.HTTPTimeout }},
		{"task-timeout", "ECPAYQ_TASK_TIMEOUT", clean.Duration(worker.DefaultTaskTimeout), Worker,
			"one attempt; less than the shutdown timeout, at most 60s", func(c *Config) any { return &c.TaskTimeout }},
		{"shutdown-timeout", "ECPAYQ_SHUTDOWN_TIMEOUT", fmt.Sprintf("%.0fs", worker.DefaultShutdownTimeout.Seconds()), Worker,
			"wait for attempts on SIGTERM; the process ends 10s later at the latest", func(c *Config) any { return &c.ShutdownMax }},
		{"finish-ttl", "ECPAYQ_FINISH_TTL", clean.Duration(tasks.DefaultFinishTTL), Worker,
			"how long a finished write is recognised", func(c *Config) any { return &c.FinishTTL }},
		{"outcome-retention", "ECPAYQ_OUTCOME_RETENTION", clean.Duration(tasks.DefaultOutcomeRetention), Worker,
			"how long the end of a task stays in the feed of outcomes, at least", func(c *Config) any { return &c.OutcomeRetention }},
	}
}

// processSettings are about the process itself.
func outboxSettings() []Setting {
	return []Setting{
		{"outbox-url", "ECPAYQ_OUTBOX_URL", "", Worker,
			"database whose table ecpayq_outbox is relayed: postgres:// or mysql://, which is MariaDB too; none without it",
			func(c *Config) any { return &c.OutboxURL }},
		{"outbox-url-file", "ECPAYQ_OUTBOX_URL_FILE", "", Worker,
			"file that holds that URL, for one with a password", func(c *Config) any { return &c.OutboxURLFile }},
		{"outbox-poll", "ECPAYQ_OUTBOX_POLL", clean.Duration(relay.DefaultPoll), Worker,
			"pause between two looks at an empty table", func(c *Config) any { return &c.OutboxPoll }},
		{"outbox-listen", "ECPAYQ_OUTBOX_LISTEN", "false", Worker,
			"wait for NOTIFY of PostgreSQL too, on a connection of its own, not through PgBouncer", func(c *Config) any { return &c.OutboxListen }},
	}
}

func processSettings() []Setting {
	return []Setting{
		{"admin-addr", "ECPAYQ_ADMIN_ADDR", "127.0.0.1:8989", Worker,
			"address of /livez, /readyz and /metrics", func(c *Config) any { return &c.AdminAddr }},
		{"metrics-by-merchant", "ECPAYQ_METRICS_BY_MERCHANT", "false", Worker,
			"add series with a MerchantID to /metrics, some for each merchant", func(c *Config) any { return &c.MetricsByMerchant }},
		{"log-level", "ECPAYQ_LOG_LEVEL", "info", Worker, "debug, info, warn or error", func(c *Config) any { return &c.LogLevel }},
		{"log-format", "ECPAYQ_LOG_FORMAT", "json", Worker, "json or console", func(c *Config) any { return &c.LogFormat }},
	}
}

// Flags binds the settings of a role to flags whose values go to c. A worker
// has those of a producer too.
func (c *Config) Flags(role Role) []cli.Flag {
	var flags []cli.Flag
	for _, s := range Settings() {
		if s.Flag == "" || !role.reads(s) {
			continue
		}
		flags = append(flags, s.flag(c))
	}
	return flags
}

// reads reports whether programs of the role have the setting.
func (r Role) reads(s Setting) bool {
	switch r {
	case Worker:
		return true
	case Producer:
		return s.Role == Producer
	default:
		return s.Env == "ECPAYQ_REDIS_URL" || s.Env == "ECPAYQ_REDIS_URL_FILE"
	}
}

// FlagOf binds one setting.
func (c *Config) FlagOf(env string) cli.Flag {
	for _, s := range Settings() {
		if s.Env == env {
			return s.flag(c)
		}
	}
	panic("no setting " + env) // a programming error, found by any test of the command line
}

func (s Setting) flag(c *Config) cli.Flag {
	sources := cli.NewValueSourceChain(&envSource{name: s.Env, lookup: c.Env})
	switch p := s.target(c).(type) {
	case *string:
		return &cli.StringFlag{Name: s.Flag, Usage: s.Usage, Value: s.Default, Destination: p, Sources: sources}
	case *int:
		return &IntFlag{Name: s.Flag, Usage: s.Usage, Value: mustInt(s.Default), Destination: p, Sources: sources}
	case *bool:
		f := &BoolFlag{Name: s.Flag, Usage: s.Usage, Value: s.Default == "true", Destination: p, Sources: sources}
		if f.Value {
			f.DefaultText = s.Default
		}
		return f
	case *time.Duration:
		d, err := ParseDuration(s.Default)
		if err != nil {
			panic(err)
		}
		return &DurationFlag{Name: s.Flag, Usage: s.Usage, Value: d, Destination: p, Sources: sources}
	default:
		panic(fmt.Sprintf("%s: no flag for %T", s.Env, p))
	}
}

func mustInt(s string) int {
	n, err := parseNumber(s)
	if err != nil {
		panic(err)
	}
	return n
}

// envSource is an environment variable looked up through a function, so that
// the command line can be run with any environment. An empty variable counts as
// not set: compose files pass such on.
type envSource struct {
	name   string
	lookup func(string) (string, bool)
	used   bool
}

// Lookup implements [cli.ValueSource].
func (e *envSource) Lookup() (string, bool) {
	v, ok := e.lookup(e.name)
	e.used = ok && v != ""
	return v, e.used
}

// String implements [cli.ValueSource].
func (e *envSource) String() string { return fmt.Sprintf("environment variable %q", e.name) }

// GoString implements [cli.ValueSource].
func (e *envSource) GoString() string { return fmt.Sprintf("&envSource{%q}", e.name) }

// Key implements [cli.EnvValueSource], so that help shows the variable.
func (e *envSource) Key() string { return e.name }

// IsFromEnv implements [cli.EnvValueSource].
func (e *envSource) IsFromEnv() bool { return true }

// EnvFlag returns the source of one variable, for flags that are no settings.
func (c *Config) EnvFlag(env string) cli.ValueSourceChain {
	return cli.NewValueSourceChain(&envSource{name: env, lookup: c.Env})
}

// FromVariable reports whether a flag has the value of its variable, see
// [Config.EnvFlag]: cli looks there only for a flag that the command line does not give.
func FromVariable(f *cli.StringFlag) bool {
	for _, source := range f.Sources.Chain {
		if e, ok := source.(*envSource); ok && e.used {
			return true
		}
	}
	return false
}
