package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Confirm asks for more than Redis' own word that something is stored. Its zero
// value asks for nothing.
type Confirm struct {
	// Replicas is how many replicas must have it; 0 asks for none.
	Replicas int
	// Disk asks that the append-only file holding it is on the disk of the master,
	// and of as many replicas as Replicas says. It needs Redis 7.2 (WAITAOF), or for
	// the master alone appendfsync always and a user that may CONFIG GET, which is one
	// that can read the administrator's password.
	Disk bool
	// Timeout is how long to wait for it. Defaults to 1 s.
	Timeout time.Duration
}

// Wanted reports whether anything is asked for.
func (c Confirm) Wanted() bool { return c.Replicas > 0 || c.Disk }

// Longest is how long an answer may take.
func (c Confirm) Longest() time.Duration {
	var d time.Duration
	if c.Replicas > 0 {
		d += c.timeout()
	}
	if c.Disk {
		d += c.timeout()
	}
	return d
}

func (c Confirm) timeout() time.Duration {
	if c.Timeout == 0 {
		return time.Second
	}
	return c.Timeout
}

// ErrNotConfirmed means that something is stored, but not yet on as many replicas
// or disks as asked for.
var ErrNotConfirmed = errors.New("stored but not confirmed")

// Run runs a script that returns a list of integers, and waits on the same
// connection until replicas and disk have what it wrote: on another one of the
// pool, WAIT would return at once and prove nothing. The script must write
// something for that, and may be executed twice. The integers are valid also
// beside [ErrNotConfirmed]; where the first is 0, nothing is waited for.
func (c Confirm) Run(ctx context.Context, rdb redis.UniversalClient, s *redis.Script, keys []string, args ...any) ([]int64, error) {
	if !c.Wanted() {
		return s.Run(ctx, rdb, keys, args...).Int64Slice()
	}
	master, err := masterOf(ctx, rdb, keys[0])
	if err != nil {
		return nil, err
	}
	conn := master.Conn()
	defer conn.Close()
	timeout := c.timeout().Milliseconds()
	var wrote, replicas, disks *redis.Cmd
	_, err = conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		wrote = s.Eval(ctx, p, keys, args...)
		if c.Replicas > 0 {
			replicas = p.Do(ctx, "WAIT", c.Replicas, timeout)
		}
		if c.Disk {
			disks = p.Do(ctx, "WAITAOF", 1, c.Replicas, timeout)
		}
		return nil
	})
	n, werr := wrote.Int64Slice()
	if werr != nil {
		return nil, errors.Join(werr, err)
	}
	if len(n) == 0 || n[0] == 0 {
		return n, nil
	}
	if replicas != nil {
		have, err := replicas.Int()
		if err != nil {
			return n, fmt.Errorf("%w: %w", ErrNotConfirmed, err)
		}
		if have < c.Replicas {
			return n, fmt.Errorf("%w: %d of %d replicas have it", ErrNotConfirmed, have, c.Replicas)
		}
	}
	if disks != nil {
		return n, c.onDisk(ctx, conn, disks)
	}
	return n, nil
}

// onDisk judges WAITAOF's answer: how many local and replica files were synced.
func (c Confirm) onDisk(ctx context.Context, conn *redis.Conn, answer *redis.Cmd) error {
	n, err := answer.Int64Slice()
	switch {
	case err == nil && len(n) == 2 && n[0] >= 1 && int(n[1]) >= c.Replicas:
		return nil
	case err == nil && len(n) == 2:
		return fmt.Errorf("%w: on the disk of %d master and %d of %d replicas", ErrNotConfirmed, n[0], n[1], c.Replicas)
	case err == nil:
		return fmt.Errorf("%w: WAITAOF answered oddly", ErrNotConfirmed)
	case !strings.Contains(err.Error(), "unknown command"):
		return fmt.Errorf("%w: %w", ErrNotConfirmed, err) // for example: appendonly is off
	}
	// Redis before 7.2. With appendfsync always, what is answered is on disk.
	v, err := conn.ConfigGet(ctx, "append*").Result()
	if err == nil && v["appendonly"] == "yes" && v["appendfsync"] == "always" && c.Replicas == 0 {
		return nil
	}
	return fmt.Errorf("%w: this Redis has no WAITAOF (7.2), and appendfsync always is not set, or not known to this user (CONFIG GET)", ErrNotConfirmed)
}

// masterOf returns the client of the one server that has a key's slot.
func masterOf(ctx context.Context, rdb redis.UniversalClient, key string) (*redis.Client, error) {
	switch rdb := rdb.(type) {
	case *redis.Client:
		return rdb, nil
	case *redis.ClusterClient:
		return rdb.MasterForKey(ctx, key)
	default:
		return nil, fmt.Errorf("%w: Confirm needs a *redis.Client or *redis.ClusterClient, not %T", ErrNotConfirmed, rdb)
	}
}
