package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/worker"
)

// redisClients are the clients of a worker, of different patience.
type redisClients struct {
	// asynq's client keeps trying for many seconds: a completion that cannot be
	// written is a task that runs twice.
	asynq redis.UniversalClient
	// gate's client repeats a command once; its caller decides about more.
	gate redis.UniversalClient
}

// Connections bound those of one client to one Redis node, beside one for each subscription. A zero field
// is its default.
type Connections struct {
	// Pool is how many there are at most. Defaults to [redisx.DefaultPool].
	Pool int
	// Idle is how many stay open while none is used. Defaults to [redisx.DefaultIdle].
	Idle int
	// IdleTimeout is how long one is idle at most before it is used again; it is closed instead.
	// Defaults to [redisx.DefaultIdleTimeout].
	IdleTimeout time.Duration
}

// set gives them to a client.
func (c Connections) set(o *redis.UniversalOptions) {
	o.PoolSize = cmp.Or(c.Pool, redisx.DefaultPool)
	o.PipelinePoolSize = -1 // by default pipelines have 10 connections more, with 256 KiB of buffers each
	o.MaxIdleConns = min(cmp.Or(c.Idle, redisx.DefaultIdle), o.PoolSize)
	o.ConnMaxIdleTime = cmp.Or(c.IdleTimeout, redisx.DefaultIdleTimeout)
}

// openRedis opens the clients; confirm is what the gate waits for.
func openRedis(url string, confirm redisx.Confirm, connections Connections) (*redisClients, error) {
	open := func(tune func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
		o, err := enqueue.ParseRedisURL(url)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled = true
		o.DialTimeout = 5 * time.Second
		connections.set(o)
		// A task is under 1 KiB. By default each connection has 64 KiB of buffers.
		o.ReadBufferSize, o.WriteBufferSize = 4<<10, 4<<10
		tune(o)
		return redis.NewUniversalClient(o), nil
	}
	var c redisClients
	var err error
	if c.asynq, err = open(func(o *redis.UniversalOptions) {
		o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 20, 50*time.Millisecond, time.Second
	}); err != nil {
		return nil, err
	}
	c.gate, err = open(func(o *redis.UniversalOptions) {
		o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 1, 10*time.Millisecond, 50*time.Millisecond
		o.ReadTimeout, o.WriteTimeout = 2*time.Second+confirm.Longest(), 2*time.Second
	})
	return &c, err
}

func (c *redisClients) close() error { return errors.Join(c.asynq.Close(), c.gate.Close()) }

// promptRedis are the options of a client for which somebody waits.
func promptRedis(url string) (*redis.UniversalOptions, error) {
	o, err := enqueue.ParseRedisURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.DialTimeout = 2 * time.Second
	return o, nil
}

// UseLogger sends the lines that go-redis writes by itself to log. The setting
// is one for the process, so it belongs to main.
func UseLogger(log zerolog.Logger) { redis.SetLogger(redisLogger{log.Hook(worker.QuietHook())}) }

type redisLogger struct{ log zerolog.Logger }

// Printf implements go-redis' logger.
func (l redisLogger) Printf(_ context.Context, format string, args ...any) {
	l.log.Warn().Str("component", "redis").Msgf(strings.TrimSpace(format), args...)
}

// MinRedis is the oldest Redis that works: asynq's archive needs ZRANGE BYSCORE.
const MinRedis = "6.2"

// ErrRedisTooOld is wrapped by the error about a Redis older than [MinRedis].
var ErrRedisTooOld = errors.New("redis is older than " + MinRedis)

// Durability is how a Redis is configured to keep what it was given. A field is
// empty where Redis does not tell.
type Durability struct {
	Version     string
	AppendOnly  string
	AppendFsync string
	Policy      string
}

// Problems lists what is not as it should be, for people.
func (d Durability) Problems() []string {
	var p []string
	switch {
	case d.AppendOnly != "" && d.AppendOnly != "yes":
		p = append(p, "appendonly is "+d.AppendOnly+": a restart of Redis loses tasks; set it to yes")
	case d.AppendFsync != "" && d.AppendFsync != "always":
		p = append(p, "appendfsync is "+d.AppendFsync+": a power loss loses about a second; set it to always")
	}
	if d.Policy != "" && d.Policy != "noeviction" {
		p = append(p, "maxmemory-policy is "+d.Policy+": Redis may drop tasks when memory is short; set it to noeviction")
	}
	return p
}

// Unknown names the settings that Redis does not tell.
func (d Durability) Unknown() []string {
	var names []string
	for _, s := range [][2]string{{"appendonly", d.AppendOnly}, {"appendfsync", d.AppendFsync}, {"maxmemory-policy", d.Policy}} {
		if s[1] == "" {
			names = append(names, s[0])
		}
	}
	return names
}

// ReadDurability asks one Redis node. What INFO does not tell is asked by CONFIG GET
// as the default user only, see [redisx.Topology.MayAskConfig].
func ReadDurability(ctx context.Context, rdb redis.UniversalClient) (Durability, error) {
	var d Durability
	if err := rdb.Ping(ctx).Err(); err != nil { // also a wrong password
		return d, err
	}
	info, err := rdb.Info(ctx).Result()
	var refused redis.Error
	if err != nil && !errors.As(err, &refused) { // refused: reachable, but it does not tell
		return d, err
	}
	for line := range strings.Lines(info) {
		switch name, v, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "redis_version":
			d.Version = v
		case "aof_enabled":
			d.AppendOnly = map[string]string{"0": "no", "1": "yes"}[v]
		case "maxmemory_policy":
			d.Policy = v
		}
	}
	if redisx.TopologyOf(rdb).MayAskConfig() {
		v, err := rdb.ConfigGet(ctx, "appendfsync").Result()
		if err != nil && !errors.As(err, &refused) {
			return d, err
		}
		d.AppendFsync = v["appendfsync"]
	}
	return d, nil
}

// TooOld reports whether the version is older than [MinRedis].
func (d Durability) TooOld() bool {
	parts := strings.SplitN(d.Version+".0.0", ".", 3)
	major, _ := strconv.Atoi(parts[0])
	minor, _ := strconv.Atoi(parts[1])
	return d.Version != "" && (major < 6 || major == 6 && minor < 2)
}

// checkRedis refuses a Redis that cannot work and says plainly when one is not
// durable.
func checkRedis(ctx context.Context, rdb redis.UniversalClient, log zerolog.Logger) error {
	d, err := ReadDurability(ctx, rdb)
	if err != nil {
		return fmt.Errorf("%w: %w", enqueue.ErrRedis, err)
	}
	if d.TooOld() {
		return fmt.Errorf("%w: it is %s", ErrRedisTooOld, d.Version)
	}
	if unknown := d.Unknown(); len(unknown) > 0 {
		log.Warn().Str("redis", d.Version).
			Msg("redis does not tell whether it is durable: " + strings.Join(unknown, ", ") + " not known to this user; look as an administrator")
	}
	for _, p := range d.Problems() {
		log.Warn().Str("redis", d.Version).Msg("redis is not durable: " + p)
	}
	return checkUsable(ctx, rdb, log)
}

// checkUsable refuses a Redis that workers cannot use before somebody changes what they
// are told of it. One that is full, or a replica during a failover, may be usable again
// soon, and a worker that runs helps: it completes tasks and clears away finished ones.
func checkUsable(ctx context.Context, rdb redis.UniversalClient, log zerolog.Logger) error {
	err := redishealth.Ask(ctx, rdb)
	if err == nil {
		return nil
	}
	reason := redishealth.ReasonOf(err)
	if !reason.Passes() {
		return fmt.Errorf("%w: %w", enqueue.ErrRedis, err)
	}
	hint := redishealth.HintFor(err)
	log.Error().Err(err).Str("reason", string(reason)).Str("hint", hint.En).Str("hint_zh", hint.Zh).
		Msg("redis takes no writes; the worker is not ready until it does")
	return nil
}
