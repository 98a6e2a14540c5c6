package enqueue

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
)

// benchServer is a Redis of the benchmark's own, and a client of each kind: ours
// and asynq's, over connections of the same settings.
func benchServer(b *testing.B, fsync string) (*redistest.Server, *Client, *asynq.Client) {
	b.Helper()
	srv, err := redistest.Start(b.Context(),
		redistest.Options{AppendFsync: fsync, Args: []string{"--save", "", "--auto-aof-rewrite-percentage", "0"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Stop() })
	c, err := New(Config{RedisURL: srv.URL(), Interval: tasks.Every(0)}) // all pending, as with asynq's client
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	o, err := ParseRedisURL(srv.URL())
	if err != nil {
		b.Fatal(err)
	}
	rdb := impatient(o, Confirm{})
	b.Cleanup(func() { _ = rdb.Close() })
	return srv, c, asynq.NewClientFromRedisClient(rdb)
}

// plainly enqueues as a good engineer would with asynq alone: the same type, payload
// and options.
func plainly(ctx context.Context, c *asynq.Client, tsr string) error {
	p := trigger(tsr)
	body, err := tasks.Encode(&p)
	if err != nil {
		return err
	}
	_, err = c.EnqueueContext(ctx, asynq.NewTask("b2c:trigger_issue", body,
		asynq.TaskID("b2c.trigger_issue.2000132."+tsr), asynq.Queue("trigger_issue"),
		asynq.MaxRetry(asynqx.MaxRetry), asynq.Timeout(asynqx.Timeout), asynq.Retention(tasks.DefaultRetention)))
	return err
}

// rounds is how many runs of each kind are alternated; the figures are medians.
const rounds = 7

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// sideBySide alternates runs of two ways to enqueue, on an empty Redis each, and
// reports the rates and the median of the ratios of neighbouring runs.
func sideBySide(
	b *testing.B, srv *redistest.Server,
	plainName string, plainN int, plain func(n int) error,
	oursName string, oursN int, ours func(n int) error,
) {
	b.Helper()
	rdb := srv.Client()
	rate := func(n int, f func(int) error) float64 {
		if err := rdb.FlushAll(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := f(n); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		pending, scheduled := rdb.LLen(b.Context(), "asynq:{trigger_issue}:pending").Val(),
			rdb.ZCard(b.Context(), "asynq:{trigger_issue}:scheduled").Val()
		if stored := pending + scheduled; stored != int64(n) {
			b.Fatalf("%d stored, want %d", stored, n)
		}
		return float64(n) / took.Seconds()
	}
	var p, o, ratios []float64
	for b.Loop() {
		for range rounds {
			p, o = append(p, rate(plainN, plain)), append(o, rate(oursN, ours))
			ratios = append(ratios, o[len(o)-1]/p[len(p)-1])
		}
	}
	b.ReportMetric(median(p), plainName+"/s")
	b.ReportMetric(median(o), oursName+"/s")
	b.ReportMetric(median(ratios), "x")
	b.ReportMetric(0, "ns/op")
}

func numbered(n int) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for i := range n {
			p := trigger(fmt.Sprintf("ORDER%08d", i))
			if !yield(Item{Payload: &p}) {
				return
			}
		}
	}
}

// BenchmarkBatch: go test ./enqueue -run '^$' -bench Batch -benchtime 1x
func BenchmarkBatch(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		b.Run("fsync "+fsync, func(b *testing.B) {
			srv, c, plain := benchServer(b, fsync)
			ctx := b.Context()
			sideBySide(b, srv,
				"plain", 10_000, func(n int) error {
					for i := range n {
						if err := plainly(ctx, plain, fmt.Sprintf("ORDER%08d", i)); err != nil {
							return err
						}
					}
					return nil
				},
				"batch", 100_000, func(n int) error {
					for r := range c.Batch(ctx, numbered(n)) {
						if r.Err != nil || r.Receipt.Duplicate {
							return fmt.Errorf("%+v", r)
						}
					}
					return nil
				})
		})
	}
}

// BenchmarkBatchAgain runs a batch that is stored already, as after an interruption:
// go test ./enqueue -run '^$' -bench BatchAgain -benchtime 1x
func BenchmarkBatchAgain(b *testing.B) {
	_, c, _ := benchServer(b, "everysec")
	const n = 20_000
	for range c.Batch(b.Context(), numbered(n)) {
	}
	start, did := time.Now(), 0
	for b.Loop() {
		for r := range c.Batch(b.Context(), numbered(n)) {
			if r.Err != nil || !r.Receipt.Duplicate {
				b.Fatalf("%+v", r)
			}
			did++
		}
	}
	b.ReportMetric(float64(did)/time.Since(start).Seconds(), "duplicates/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSingle: go test ./enqueue -run '^$' -bench Single -benchtime 1x
func BenchmarkSingle(b *testing.B) {
	for _, goroutines := range []int{1, 16} {
		b.Run(fmt.Sprintf("goroutines %d", goroutines), func(b *testing.B) {
			srv, c, plain := benchServer(b, "everysec")
			ctx := b.Context()
			spread := func(f func(tsr string) error) func(int) error {
				return func(n int) error {
					var next atomic.Int64
					var wg sync.WaitGroup
					errs := make(chan error, goroutines)
					for range goroutines {
						wg.Go(func() {
							for i := next.Add(1); i <= int64(n); i = next.Add(1) {
								if err := f(fmt.Sprintf("ORDER%08d", i)); err != nil {
									errs <- err
									return
								}
							}
						})
					}
					wg.Wait()
					close(errs)
					return <-errs
				}
			}
			n := 10_000
			if goroutines > 1 {
				n = 40_000
			}
			sideBySide(b, srv,
				"plain", n, spread(func(tsr string) error { return plainly(ctx, plain, tsr) }),
				"single", n, spread(func(tsr string) error {
					r, err := c.TriggerIssue(ctx, trigger(tsr))
					if err == nil && r.Duplicate {
						err = fmt.Errorf("%+v", r)
					}
					return err
				}))
		})
	}
}
