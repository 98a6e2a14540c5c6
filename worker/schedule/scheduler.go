package schedule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// Config configures a [Scheduler].
type Config struct {
	// Redis is used and never closed.
	Redis  redis.UniversalClient
	Ledger *deadletter.Ledger
	// Entries have different names.
	Entries []Entry
	// Reconcile does the work of the entries with [Reconcile], which fail without it. Its report has the number of findings in
	// Left, and of merchants that could not be compared in Failed. It is to end soon after ctx.
	Reconcile func(ctx context.Context, e Entry, slot time.Time) (Report, error)
	// Lease is how long a claim lasts without a sign of life: after it another worker
	// takes over. Defaults to 30 s.
	Lease time.Duration
	// Pause is the least time between two replays of a run, on top of the pace of each
	// merchant, along which replayed tasks are given times. Defaults to 20 ms.
	Pause time.Duration
	// Now is the clock of the fleet. Defaults to Redis' TIME.
	Now    func(context.Context) (time.Time, error)
	Logger zerolog.Logger
	// Observe is called at the end of each run of this process.
	Observe func(Run)
}

// Run is what came of one slot.
type Run struct {
	Name string
	Slot time.Time
	Report
}

// Report counts what a run did.
type Report struct {
	Replayed int `json:"replayed"`
	// Left are those that a person must decide about, or whose kind is not named; of a [Reconcile] the findings.
	Left int `json:"left"`
	// Failed could not be replayed, or are merchants that could not be compared; the log says why.
	Failed int `json:"failed"`
}

// Scheduler fires schedules. Every worker has one.
type Scheduler struct {
	cfg Config

	mu     sync.Mutex
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewScheduler returns a Scheduler that does not run yet.
func NewScheduler(cfg Config) *Scheduler {
	if cfg.Lease == 0 {
		cfg.Lease = 30 * time.Second
	}
	if cfg.Pause == 0 {
		cfg.Pause = 20 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = func(ctx context.Context) (time.Time, error) { return cfg.Redis.Time(ctx).Result() }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Run) {}
	}
	return &Scheduler{cfg: cfg}
}

// Start fires in the background until Stop.
func (s *Scheduler) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, e := range s.cfg.Entries {
		s.wg.Go(func() { s.loop(ctx, e) })
	}
}

// Stop ends runs between two replays, so that another worker goes on with them, and
// waits for that. It may be called more than once and before Start.
func (s *Scheduler) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
		s.wg.Wait()
	}
}

const (
	// soon is when to look again at a slot that somebody else has, or after an error.
	soon = 5 * time.Second
	// seldom bounds the time between looks: clocks may be set.
	seldom = 15 * time.Second
)

func (s *Scheduler) loop(ctx context.Context, e Entry) {
	failed := false
	for {
		wait, err := s.Tick(ctx, e)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failed { // one line for each time that Redis is away
			s.cfg.Logger.Warn().Err(err).Str("schedule", e.Name).Msg("schedule did not get to its end; it goes on later")
		}
		failed = err != nil
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// Tick looks once whether a slot is due, fires it if nobody else has, and returns
// when to look again.
//
// What a crash leaves: before the claim, nothing. After it, the claim ends and the
// next look of any worker takes the same slot; what was replayed is not in the
// ledger's list any more, or refuses a second replay, since it names its death. After
// the last replay and before the end is recorded, the next one finds nothing to do
// and records it.
func (s *Scheduler) Tick(ctx context.Context, e Entry) (wait time.Duration, err error) {
	now, err := s.cfg.Now(ctx)
	if err != nil {
		return soon, fmt.Errorf("read clock: %w", err)
	}
	wait = seldom
	if next := e.Next(now); !next.IsZero() {
		wait = min(wait, next.Sub(now))
	}
	slot, ok := e.Last(now)
	if !ok {
		return wait, nil
	}
	token := rand.Text()
	answer, used, err := s.claim(ctx, e, slot, token)
	switch {
	case err != nil:
		return soon, err
	case answer == claimBusy:
		return min(wait, soon), nil
	case answer != claimOK:
		return wait, nil
	}
	run := Run{Name: e.Name, Slot: slot}
	if e.Do == Reconcile {
		run.Report, err = s.reconcile(ctx, e, slot, token)
	} else {
		run.Report, err = s.fire(ctx, e, slot, token, used)
	}
	if errors.Is(err, errLost) { // whoever has it now goes on
		return min(wait, soon), nil
	}
	endCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	mine, ferr := s.finish(endCtx, e, token, slot, run.Report, err == nil)
	if err = errors.Join(err, ferr); err != nil {
		return soon, err
	}
	if mine {
		line := s.cfg.Logger.Info().Str("schedule", e.Name).Time("slot", slot.In(ecpay.Taipei))
		if e.Do == Reconcile {
			line = line.Int("findings", run.Left)
		} else {
			line = line.Int("replayed", run.Replayed).Int("left", run.Left)
		}
		line.Int("failed", run.Failed).Msg("schedule ran")
		s.cfg.Observe(run)
	}
	return 0, nil // time has gone by: look at once
}

// errLost means that the claim ended and is somebody else's now.
var errLost = errors.New("the claim is lost")

// fire replays what is due in a slot. used were replayed in it before, by a worker
// that has gone.
func (s *Scheduler) fire(ctx context.Context, e Entry, slot time.Time, token string, used int) (Report, error) {
	o := deadletter.ReplayOptions{By: "schedule:" + e.Name, Note: slot.Format(time.RFC3339)}
	pause := time.NewTicker(s.cfg.Pause)
	defer pause.Stop()
	r, err := replay(ctx, s.cfg.Ledger, e.Filter, slot, used, o, func(n int) error {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		mine, err := s.keep(ctx, e, token, n)
		if err == nil && !mine {
			err = errLost
		}
		return err
	}, func(id string, err error) {
		s.cfg.Logger.Warn().Err(err).Str("schedule", e.Name).Str("task_id", id).Msg("dead task not replayed; the others are")
	})
	r.Replayed += used
	return r, err
}

// keepEvery is after how many letters that are left alone a claim is kept.
const keepEvery = 100

// replay replays the letters of a filter that died before a time, up to its limit of
// which used are spent. before is called ahead of each replay with its number, and now
// and then otherwise with the last one; it may end the run.
func replay(
	ctx context.Context, l *deadletter.Ledger, f Filter, died time.Time, used int, o deadletter.ReplayOptions,
	before func(n int) error, failed func(id string, err error),
) (Report, error) {
	var r Report
	for letter, err := range l.List(ctx, f.letters(died)) {
		if err != nil {
			return r, err
		}
		if letter.Stopped() || !f.takes(letter.Kind) {
			if r.Left++; r.Left%keepEvery == 0 {
				if err := before(used + r.Replayed); err != nil {
					return r, err
				}
			}
			continue
		}
		n := used + r.Replayed + 1
		if f.Limit > 0 && n > f.Limit {
			break
		}
		if err := before(n); err != nil {
			return r, err
		}
		o.Died, o.Unnamed = letter.DiedAt, true
		out, err := l.Replay(ctx, letter.ID, o)
		switch {
		case err == nil && (out == ledger.Replayed || out == ledger.WouldReplay):
			r.Replayed++
		case err == nil && out == ledger.Skipped: // stopped meanwhile
			r.Left++
		case err == nil: // it runs, or is done
		case ctx.Err() != nil:
			return r, ctx.Err()
		default:
			// One letter that cannot be replayed must not keep the others; a Redis that is
			// away must.
			if _, rerr := l.Size(ctx); rerr != nil {
				return r, err
			}
			r.Failed++
			failed(letter.ID, err)
		}
	}
	return r, nil
}

// Once replays now what a schedule would, by hand: it is none of its runs. That it was
// run is in the audit, also when there is nothing to do; each replay is too. failed is
// called with each task that could not be replayed.
func Once(
	ctx context.Context, rdb redis.UniversalClient, l *deadletter.Ledger, e Entry, o deadletter.ReplayOptions,
	failed func(id string, err error),
) (Report, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return Report{}, fmt.Errorf("read clock: %w", err)
	}
	if !o.DryRun {
		if err := ledger.Audit(ctx, rdb, ledger.AuditEntry{Who: o.By, What: ledger.ActSchedule, Note: o.Note}); err != nil {
			return Report{}, err
		}
	}
	return replay(ctx, l, e.Filter, now, 0, o, func(int) error { return ctx.Err() }, failed)
}
