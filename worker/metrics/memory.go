package metrics

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}

// Purposes are the values of the label of ecpayq_redis_memory_bytes.
func Purposes() []string {
	return []string{purposeTasks, purposeQueues, purposeRecords, purposeMarkers,
		purposePace, purposeLedger, purposeAudit, purposeSchedules, purposeOutcomes, purposeWebhooks, purposeAPI, purposeAsynq, other}
}

const (
	purposeTasks     = "tasks"          // asynq's tasks
	purposeQueues    = "queues"         // asynq's lists of them
	purposeAsynq     = "asynq"          // what else asynq keeps
	purposeRecords   = "records"        // ours of a task, a dead letter's payload included
	purposeMarkers   = "finish_markers" // by which a second enqueue is recognised
	purposePace      = "pace"           // pace, pauses, locks and barriers; where the outbox stands
	purposeLedger    = "ledger"         // indexes of dead letters
	purposeAudit     = "audit"
	purposeSchedules = "schedules"
	purposeOutcomes  = "outcomes" // how tasks ended
	purposeWebhooks  = "webhooks" // deliveries of outcomes, in asynq and ours
	purposeAPI       = "api"      // Idempotency-Keys
)

// purposeOf reads it from a key's name.
func purposeOf(key string) string {
	tag, rest, tagged := strings.Cut(key, "}")
	_, _, isTask := asynqx.ParseTaskKey(key)
	switch {
	case tagged && strings.Contains(tag, "{webhook:"):
		return purposeWebhooks
	case isTask:
		return purposeTasks
	case asynqx.Owns(key):
		return purposeAsynq
	case !strings.HasPrefix(key, "ecpayq:") || !tagged:
		return other
	case strings.HasPrefix(key, record.AuditKey):
		return purposeAudit
	case strings.HasSuffix(tag, "{schedule"): // a name that people give follows
		return purposeSchedules
	case strings.HasSuffix(tag, "{replication"), strings.HasSuffix(tag, "{outbox"):
		return purposePace
	case strings.Contains(tag, "{idempotency:"):
		return purposeAPI
	case strings.HasSuffix(tag, "{outcomes"):
		return purposeOutcomes
	}
	word, _, _ := strings.Cut(strings.TrimPrefix(rest, ":"), ":")
	switch word {
	case "task":
		return purposeRecords
	case "done":
		return purposeMarkers
	case "pace", "flight", "lock", "held", "seen", "denied", "state", "forbidden", "unavailable", "barrier", "probe", "replication":
		return purposePace
	case "dead", "owners", "unsure", "sweep", "scan", "tally":
		return purposeLedger
	case "outcomes":
		return purposeOutcomes
	}
	return other
}

// memory estimates what the memory of Redis is used for. The few keys that grow
// with the number of tasks are measured; of the many small ones a random sample
// stands for all.
type memory struct {
	rdb    redis.UniversalClient
	queues []string
	now    func() time.Time

	mu   sync.Mutex
	at   time.Time
	last map[string]float64
}

const (
	memoryEvery  = time.Minute
	memorySample = 300 // keys of each server
)

// read returns the bytes by purpose, at most a minute old; nil when that is not
// known.
func (m *memory) read(ctx context.Context) map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.now(); m.at.IsZero() || now.Sub(m.at).Abs() >= memoryEvery {
		m.last = nil
		if bytes, err := m.estimate(ctx); err == nil {
			m.last, m.at = bytes, now
		}
	}
	return m.last
}

func (m *memory) estimate(ctx context.Context) (map[string]float64, error) {
	bytes := map[string]float64{}
	for _, p := range Purposes() {
		bytes[p] = 0
	}
	known, err := m.measured(ctx)
	if err != nil {
		return nil, err
	}
	pipe := m.rdb.Pipeline()
	sizes := map[string]*redis.IntCmd{}
	for key := range known {
		sizes[key] = pipe.MemoryUsage(ctx, key)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, err
	}
	for key, size := range sizes {
		bytes[known[key]] += float64(size.Val())
	}
	var mu sync.Mutex
	err = redisx.ForEachMaster(ctx, m.rdb, func(ctx context.Context, node redis.Cmdable) error {
		part, err := sample(ctx, node, known)
		mu.Lock()
		defer mu.Unlock()
		for purpose, n := range part {
			bytes[purpose] += n
		}
		return err
	})
	return bytes, err
}

// memoryFeeds is of how many merchants the outcomes are measured; those of more are in the sample.
const memoryFeeds = 200

// measured are the keys that grow with the number of tasks, by their purpose.
func (m *memory) measured(ctx context.Context) (map[string]string, error) {
	keys := map[string]string{record.OwnersKey: purposeLedger, record.UnsureKey: purposeLedger, record.AuditKey: purposeAudit}
	for _, q := range m.queues {
		for _, name := range []string{"pending", "active", "lease", "scheduled", "retry", "archived", "completed"} {
			keys[asynqx.Key(q, name)] = purposeQueues
		}
	}
	owners, err := m.rdb.SRandMemberN(ctx, record.OutcomeOwnersKey, memoryFeeds).Result()
	if err != nil {
		return nil, fmt.Errorf("list owners of outcomes: %w", err)
	}
	for _, o := range owners {
		keys[record.OwnerOutcomesKey(o)] = purposeOutcomes
	}
	return keys, nil
}

// sample estimates one server: a key that was drawn stands for all/drawn keys. One
// that is measured, or another program's, stands for nothing.
func sample(ctx context.Context, node redis.Cmdable, measured map[string]string) (map[string]float64, error) {
	pipe := node.Pipeline()
	all := pipe.DBSize(ctx)
	drawn := make([]*redis.StringCmd, memorySample)
	for i := range drawn {
		drawn[i] = pipe.RandomKey(ctx)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("draw keys: %w", err)
	}
	if all.Val() == 0 {
		return nil, nil
	}
	pipe = node.Pipeline()
	type size struct {
		purpose string
		bytes   *redis.IntCmd
	}
	var sizes []size
	for _, d := range drawn {
		key := d.Val()
		ours := asynqx.Owns(key) || strings.HasPrefix(key, "ecpayq:") // others may be refused
		if ours && measured[key] == "" {
			sizes = append(sizes, size{purposeOf(key), pipe.MemoryUsage(ctx, key)})
		}
	}
	if len(sizes) == 0 {
		return nil, nil
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("measure keys: %w", err)
	}
	bytes := map[string]float64{}
	for _, s := range sizes {
		bytes[s.purpose] += float64(s.bytes.Val()) * float64(all.Val()) / memorySample
	}
	return bytes, nil
}
