package redisx

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

// RunConfirmed runs a script and waits on the same connection until replicas and disk have what
// it wrote: on another one of the pool, WAIT would return at once and prove nothing. The script
// must write something for that, return a list, and be one that may be executed twice. The
// answer is valid also beside [ErrNotConfirmed]; where its first value is 0, nothing is waited
// for. On a cluster, the first key decides which server runs it.
func (s Script[K, A, R]) RunConfirmed(ctx context.Context, rdb redis.UniversalClient, c Confirm, k K, a A) (answer R, err error) {
	if !c.Wanted() {
		return s.Run(ctx, rdb, k, a)
	}
	keys, args := s.keys(k), s.args(a)
	master, err := TopologyOf(rdb).MasterOf(ctx, keys[0])
	if err != nil {
		return answer, fmt.Errorf("%w: %w", ErrNotConfirmed, err)
	}
	conn := master.Conn()
	defer conn.Close()
	wrote, replicas, disks, err := c.pipe(ctx, conn, func(p redis.Pipeliner) *redis.Cmd { return s.made().script.Eval(ctx, p, keys, args...) })
	list, werr := wrote.Slice()
	if werr != nil {
		return answer, errors.Join(werr, err)
	}
	if answer, err = answerOf[R](wrote); err != nil || len(list) == 0 || list[0] == int64(0) {
		return answer, err
	}
	return answer, c.judge(ctx, conn, replicas, disks)
}

// pipe sends a script and what is to be waited for after it.
func (c Confirm) pipe(
	ctx context.Context, conn *redis.Conn, script func(redis.Pipeliner) *redis.Cmd,
) (wrote, replicas, disks *redis.Cmd, err error) {
	timeout := c.timeout().Milliseconds()
	_, err = conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		wrote = script(p)
		if c.Replicas > 0 {
			replicas = p.Do(ctx, "WAIT", c.Replicas, timeout)
		}
		if c.Disk {
			disks = p.Do(ctx, "WAITAOF", 1, c.Replicas, timeout)
		}
		return nil
	})
	return wrote, replicas, disks, err
}

// judge says whether what was waited for came.
func (c Confirm) judge(ctx context.Context, conn *redis.Conn, replicas, disks *redis.Cmd) error {
	if replicas != nil {
		have, err := replicas.Int()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotConfirmed, err)
		}
		if have < c.Replicas {
			return fmt.Errorf("%w: %d of %d replicas have it", ErrNotConfirmed, have, c.Replicas)
		}
	}
	if disks != nil {
		return c.onDisk(ctx, conn, disks)
	}
	return nil
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
	return fmt.Errorf("%w: this Redis has no WAITAOF (7.2), and appendfsync always is not set, or not known to this user (CONFIG GET)",
		ErrNotConfirmed)
}
