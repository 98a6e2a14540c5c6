package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redishealth"
)

// redisMemory is how full Redis is, as every page shows it.
type redisMemory struct{ redishealth.Memory }

// UsedText is the memory in use, like 12.3 MiB.
func (m redisMemory) UsedText() string { return redishealth.Bytes(m.Used) }

// MaxText is maxmemory, empty for no limit.
func (m redisMemory) MaxText() string {
	if m.Max == 0 {
		return ""
	}
	return redishealth.Bytes(m.Max)
}

const (
	memoryAge     = 10 * time.Second // how long it is shown before Redis is asked again
	memoryTimeout = 500 * time.Millisecond
)

// memoryReader asks Redis now and then; no page waits long for it.
type memoryReader struct {
	rdb redis.UniversalClient

	mu   sync.Mutex
	at   time.Time
	last *redisMemory // nil for not known
}

func (r *memoryReader) read(ctx context.Context) *redisMemory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < memoryAge {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
	defer cancel()
	r.last = nil
	if m, err := redishealth.ReadMemory(ctx, r.rdb); err == nil {
		r.last = &redisMemory{m}
	}
	r.at = time.Now()
	return r.last
}
