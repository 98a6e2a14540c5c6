package redishealth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// Memory is how full a Redis is, in bytes; of a cluster the fullest master.
type Memory struct {
	Used int64
	// Max is maxmemory, 0 for no limit.
	Max int64
}

// NearFull is the part of maxmemory from which on it is said to be short, in percent.
// EcpayqRedisMemoryHigh has the same.
const NearFull = 80

// ErrHidden means that Redis does not tell (INFO is refused or has no memory).
var ErrHidden = errors.New("redis does not tell its memory")

// ReadMemory asks a Redis, or every master of a cluster.
func ReadMemory(ctx context.Context, rdb redis.UniversalClient) (Memory, error) {
	if !redisx.TopologyOf(rdb).Cluster() {
		return readMemory(ctx, rdb)
	}
	var mu sync.Mutex
	var worst *Memory
	err := redisx.ForEachMaster(ctx, rdb, func(ctx context.Context, node redis.Cmdable) error {
		m, err := readMemory(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && (worst == nil || m.fuller(*worst)) {
			worst = &m
		}
		return err
	})
	if err != nil || worst == nil {
		return Memory{}, errors.Join(ErrHidden, err)
	}
	return *worst, nil
}

func readMemory(ctx context.Context, node redis.Cmdable) (Memory, error) {
	text, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return Memory{}, fmt.Errorf("%w: %w", ErrHidden, err)
	}
	var m Memory
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "used_memory":
			m.Used, _ = strconv.ParseInt(value, 10, 64)
		case "maxmemory":
			m.Max, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	if m.Used == 0 {
		return Memory{}, ErrHidden
	}
	return m, nil
}

// Percent is the part of maxmemory that is used, 0 without a limit.
func (m Memory) Percent() int {
	if m.Max <= 0 {
		return 0
	}
	return int(m.Used * 100 / m.Max)
}

// Short reports whether little is left.
func (m Memory) Short() bool { return m.Percent() >= NearFull }

func (m Memory) fuller(o Memory) bool {
	if m.Percent() != o.Percent() {
		return m.Percent() > o.Percent()
	}
	return m.Used > o.Used
}

// Bytes writes a number of bytes for people, like 12.3 MiB.
func Bytes(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
