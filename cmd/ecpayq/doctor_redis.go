package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const doctorTimeout = 5 * time.Second

// checkRedis looks at Redis. The client is for further questions; it is nil when none
// would be answered.
func (p *program) checkRedis(ctx context.Context) (usable redis.UniversalClient, done func(), report []finding) {
	unusable := func(err error) []finding { return []finding{redisFailed(err)} }
	done = func() {}
	if err := p.cfg.CheckRedisURL(); err != nil {
		return nil, done, unusable(err)
	}
	u, err := p.cfg.ResolveRedisURL()
	if err != nil {
		return nil, done, unusable(err)
	}
	o, err := enqueue.ParseRedisURL(u)
	if err != nil {
		return nil, done, unusable(err)
	}
	o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.ContextTimeoutEnabled = -1, 2*time.Second, 2*time.Second, true
	rdb := redis.NewUniversalClient(o)
	done = func() { _ = rdb.Close() }
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	d, err := app.ReadDurability(ctx, rdb)
	if err != nil {
		return nil, done, unusable(redishealth.Diagnose(ctx, rdb, err))
	}
	if d.TooOld() {
		return nil, done, []finding{{"redis", statusFailed, "version " + d.Version + " is older than " + app.MinRedis,
			"upgrade Redis to " + app.MinRedis + " or newer", "請將 Redis 升級至 " + app.MinRedis + " 或更新版本"}}
	}
	if err := redishealth.Ask(ctx, rdb); err != nil {
		report = []finding{redisFailed(fmt.Errorf("it answers, but workers cannot use it: %w", err))}
	} else {
		report = []finding{{Check: "redis", Status: statusOK, Detail: "usable, version " + d.Version}}
	}
	report = append(report, durabilityFinding(d), memoryFinding(ctx, rdb))
	before := time.Now()
	at, err := rdb.Time(ctx).Result()
	if err != nil {
		return rdb, done, append(report, finding{Check: "clock against redis", Status: statusWarning, Detail: "redis TIME: " + err.Error()})
	}
	return rdb, done, append(report, clockFinding("clock against redis", at.Sub(before.Add(time.Since(before)/2).Round(0))))
}

// redisFailed is the finding that Redis cannot be used.
func redisFailed(err error) finding {
	var wrong *config.Hint
	if errors.As(err, &wrong) {
		return failed("redis", err)
	}
	h := redishealth.HintFor(err)
	if h == (record.Text{}) {
		h = redishealth.General()
	}
	return found("redis", statusFailed, err.Error(), h)
}

func durabilityFinding(d app.Durability) finding {
	f := finding{Check: "redis durability", Status: statusOK, Detail: "appendonly yes, appendfsync always, noeviction"}
	switch problems, unknown := d.Problems(), d.Unknown(); {
	case len(problems) > 0:
		f.Status, f.Detail, f.Hint, f.HintZH = statusWarning, strings.Join(problems, "; "), "use deploy/redis.conf", "請使用 deploy/redis.conf"
	case len(unknown) > 0:
		f.Status, f.Detail = statusWarning, strings.Join(unknown, ", ")+": not known, Redis does not tell this user"
		f.Hint = "ask as an administrator of Redis: redis-cli CONFIG GET " + unknown[0] + "; deploy/redis.conf has what it should be"
		f.HintZH = "請以 Redis 管理者執行 redis-cli CONFIG GET " + unknown[0] + "；應有的值在 deploy/redis.conf"
	}
	return f
}

func memoryFinding(ctx context.Context, rdb redis.UniversalClient) finding {
	f := finding{Check: "redis memory", Status: statusOK}
	m, err := redishealth.ReadMemory(ctx, rdb)
	switch {
	case err != nil:
		f.Status, f.Detail = statusWarning, err.Error()
	case m.Max == 0:
		f.Detail = redishealth.Bytes(m.Used) + " used, maxmemory is not set"
	default:
		f.Detail = fmt.Sprintf("%s of %s used (%d %%)", redishealth.Bytes(m.Used), redishealth.Bytes(m.Max), m.Percent())
		if m.Short() {
			f.Status = statusWarning
			f.Hint = "raise maxmemory before Redis refuses tasks and marks; deploy/RUNBOOK.md has EcpayqRedisMemoryHigh"
			f.HintZH = "請在 Redis 拒絕任務與標記之前調高 maxmemory；參見 deploy/RUNBOOK.md 的 EcpayqRedisMemoryHigh"
		}
	}
	return f
}

// clockFinding judges an offset: ECPay's window is 10 minutes.
func clockFinding(check string, offset time.Duration) finding {
	side := "ahead of"
	if offset < 0 {
		side = "behind"
	}
	f := finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("%s %s ours", offset.Abs().Round(time.Millisecond), side)}
	switch {
	case offset.Abs() > 5*time.Minute:
		f.Status, f.Hint, f.HintZH = statusFailed, "ECPay refuses timestamps that are 10 minutes off; set up NTP", "綠界拒絕相差 10 分鐘以上的時間戳記；請設定 NTP"
	case offset.Abs() > 5*time.Second:
		f.Status, f.Hint, f.HintZH = statusWarning, "set up NTP", "請設定 NTP"
	}
	return f
}
