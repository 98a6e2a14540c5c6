package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/ecpayq/ecpayq/tasks"
)

// This file is the other side of the outbox: River, a queue that has its jobs in PostgreSQL
// itself, into which a shop inserts them with its order.

// riverQueue names it, with its version except in a test program.
var riverQueue = strings.TrimSpace("River " + moduleVersion("github.com/riverqueue/river"))

// What River is given. Of 1,000 to 10,000 workers, pauses of 1 to 20 ms, 4 to 20 connections and two
// clients side by side none was faster; by default it pauses 100 ms between two fetches.
const (
	riverWorkers = 1_000
	riverPause   = 5 * time.Millisecond
	riverConns   = 10
)

// riverJob is an intent as a job.
type riverJob struct{ *tasks.B2CTriggerIssue }

// Kind implements river.JobArgs.
func (riverJob) Kind() string { return plainType }

// riverWorker carries jobs to ECPay as a plain handler does, or does nothing without one.
type riverWorker struct {
	river.WorkerDefaults[riverJob]
	plain *plainHandler
}

// Work implements river.Worker.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverJob]) error {
	if w.plain == nil {
		return nil
	}
	return w.plain.trigger(ctx, job.Args.B2CTriggerIssue)
}

// startRiver works jobs in this process: they go to ECPay where there is one, else nothing is done.
func startRiver(o order) (ready, func(), error) {
	w := &riverWorker{}
	if o.ECPayURL != "" {
		var err error
		if w.plain, err = newPlainHandler(o); err != nil {
			return ready{}, nil, err
		}
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	cfg := &river.Config{Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}}}
	ctx := context.Background()
	r, err := openRiver(ctx, o.DatabaseURL, cfg)
	if err != nil {
		return ready{}, nil, err
	}
	if err := r.client.Start(ctx); err != nil {
		return ready{}, nil, errors.Join(err, r.Close())
	}
	return ready{}, func() {
		short, cancel := context.WithTimeout(ctx, partStop/2)
		defer cancel()
		_ = r.client.StopAndCancel(short)
		_ = r.Close()
	}, nil
}

// riverJobs are the jobs of a shop. It implements outbox.
type riverJobs struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
	last   int64
}

func openRiver(ctx context.Context, url string, cfg *river.Config) (*riverJobs, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = riverConns
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, err
	}
	cfg.FetchCooldown, cfg.FetchPollInterval = riverPause, riverPause
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	client, err := river.NewClient(riverpgxv5.New(pool), cfg)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &riverJobs{pool: pool, client: client}, nil
}

// newRiverJobs makes River's tables in a database.
func newRiverJobs(ctx context.Context, s shop) (outbox, error) {
	r, err := openRiver(ctx, s.url, &river.Config{})
	if err != nil {
		return nil, err
	}
	m, err := rivermigrate.New(riverpgxv5.New(r.pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *riverJobs) fill(ctx context.Context, n int) error {
	jobs := make([]river.InsertManyParams, 0, n)
	for i := range backlog(n) {
		jobs = append(jobs, river.InsertManyParams{Args: riverJob{intent(i)}})
	}
	if err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		_, err := r.client.InsertManyTx(ctx, tx, jobs)
		return err
	}); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	return r.pool.QueryRow(ctx, "SELECT max(id) FROM river_job").Scan(&r.last)
}

func (r *riverJobs) commit(ctx context.Context, i int) error {
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		_, err := r.client.InsertTx(ctx, tx, riverJob{intent(i)}, nil)
		return err
	})
}

func (r *riverJobs) drained(ctx context.Context) (bool, error) {
	left := 0
	const count = "SELECT count(*) FROM river_job WHERE state <> 'completed'"
	if err := r.pool.QueryRow(ctx, count+" AND id = $1", r.last).Scan(&left); err != nil || left > 0 {
		return false, err
	}
	err := r.pool.QueryRow(ctx, count).Scan(&left)
	return left == 0, err
}

// Close implements io.Closer.
func (r *riverJobs) Close() error {
	r.pool.Close()
	return nil
}
