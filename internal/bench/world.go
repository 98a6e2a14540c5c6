package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// queue is where all tasks of the bench are.
const queue = "trigger_issue"

// concurrency is that of every worker: ecpayq's default.
const concurrency = 32

// Ways in which Redis writes its AOF.
const (
	everysec = "everysec"
	always   = "always"
)

// world is what one run takes place in.
type world struct {
	lab   *lab
	redis *redistest.Server
	rdb   *redis.Client // for our own questions
	fake  *part
	ecpay control

	cleanups []func() error
}

// newWorld starts a Redis and a fake ECPay. The AOF is not rewritten meanwhile:
// that would fall on one run and not on another.
func (l *lab) newWorld(ctx context.Context, fsync string) (w *world, err error) {
	w = &world{lab: l}
	defer func(started *world) {
		if err != nil {
			err = errors.Join(err, started.close())
		}
	}(w)
	w.redis, err = redistest.Start(ctx, redistest.Options{AppendFsync: fsync, Args: []string{"--auto-aof-rewrite-percentage", "0"}})
	if err != nil {
		return w, err
	}
	w.cleanups = append(w.cleanups, w.redis.Stop)
	w.rdb = w.redis.Client()
	w.cleanups = append(w.cleanups, w.rdb.Close)
	if w.fake, err = l.start(ctx, partFake, order{}); err != nil {
		return w, err
	}
	w.cleanups = append(w.cleanups, w.fake.stop)
	w.ecpay = control{w.fake.URL}
	return w, nil
}

// close ends everything that this world started.
func (w *world) close() error {
	var errs []error
	for len(w.cleanups) > 0 {
		last := w.cleanups[len(w.cleanups)-1]
		w.cleanups = w.cleanups[:len(w.cleanups)-1]
		errs = append(errs, last())
	}
	return errors.Join(errs...)
}

// in runs f in a world of its own.
func (l *lab) in(ctx context.Context, fsync string, f func(*world) (map[string]float64, error)) (_ map[string]float64, err error) {
	w, err := l.newWorld(ctx, fsync)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	return f(w)
}

// side is one of the two that are compared.
type side struct {
	part     string
	producer func(redisURL string) (producer, error)
	servers  int // 0 for as many as ecpayq runs by itself
	check    time.Duration
}

var (
	ourSide   = side{part: partOurs, producer: func(url string) (producer, error) { return newOurProducer(url) }}
	plainSide = side{part: partPlain, producer: newPlainProducer, servers: 1}
)

// order is what a worker of the side is told.
func (w *world) order(s side) order {
	return order{RedisURL: w.redis.URL(), ECPayURL: w.fake.URL, Concurrency: concurrency, Servers: s.servers, CheckInterval: s.check}
}

// fill enqueues the intents [from, to) from several goroutines, and makes sure
// that they are there.
func (w *world) fill(ctx context.Context, s side, from, to, goroutines int) (time.Duration, error) {
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return 0, err
	}
	defer p.Close()
	return w.fillBy(ctx, p, from, to, goroutines)
}

func (w *world) fillBy(ctx context.Context, p producer, from, to, goroutines int) (time.Duration, error) {
	before, err := w.pending(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := inOrder(ctx, to-from, goroutines, func(k int) error { return p.enqueue(ctx, from+k, time.Time{}) }); err != nil {
		return 0, err
	}
	took := time.Since(start)
	after, err := w.pending(ctx)
	if err == nil && after-before != to-from {
		err = fmt.Errorf("%d tasks are pending, want %d", after-before, to-from)
	}
	return took, err
}

// inOrder calls f with 0 to n-1 from several goroutines.
func inOrder(ctx context.Context, n, goroutines int, f func(k int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for ctx.Err() == nil {
				k := int(next.Add(1) - 1)
				if k >= n {
					return
				}
				if err := f(k); err != nil {
					cancel(fmt.Errorf("enqueue: %w", err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (w *world) pending(ctx context.Context) (int, error) {
	n, err := w.rdb.LLen(ctx, asynqx.Key(queue, asynqx.Pending)).Result()
	return int(n), err
}

func (w *world) completed(ctx context.Context) (int, error) {
	n, err := w.rdb.ZCard(ctx, asynqx.Key(queue, asynqx.Completed)).Result()
	return int(n), err
}

// patience is how long a run waits for tasks before it gives up.
const patience = 2 * time.Minute

// await waits until n tasks are completed.
func (w *world) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := 0
	for {
		var err error
		if done, err = w.completed(ctx); err == nil && done >= n {
			return nil
		}
		if err == nil {
			err = redistest.Sleep(ctx, 10*time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("%d of %d tasks are completed: %w", done, n, err)
		}
	}
}

// infoField returns one value of Redis' INFO.
func infoField(ctx context.Context, rdb *redis.Client, section, name string) (string, error) {
	text, err := rdb.Info(ctx, section).Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("redis INFO %s has no %s", section, name)
}

// info is infoField as a number.
func (w *world) info(ctx context.Context, section, name string) (float64, error) {
	v, err := infoField(ctx, w.rdb, section, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(v, 64)
}

// redisCPU is the processor time that Redis has used, in seconds.
func (w *world) redisCPU(ctx context.Context) (float64, error) {
	user, err := w.info(ctx, "cpu", "used_cpu_user")
	if err != nil {
		return 0, err
	}
	sys, err := w.info(ctx, "cpu", "used_cpu_sys")
	return user + sys, err
}
