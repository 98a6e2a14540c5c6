package deadletter

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// SweeperConfig configures a [Sweeper].
type SweeperConfig struct {
	// Redis is used and never closed.
	Redis redis.UniversalClient
	// Queues are those to sweep. Defaults to ours; other programs may have theirs
	// in the same Redis.
	Queues []string
	// Every is the mean time between sweeps; one that did not get to its end within Limit is followed soon. Defaults to
	// 1 min.
	Every time.Duration
	// Keep is how many dead tasks asynq's archive may hold for the dashboard, per
	// queue. Defaults to 2,000: asynq trims at 9,999, and one archive operation
	// fails for ever where 8,000 entries expire at once.
	Keep int
	// Limit bounds one sweep; what is left is for the next one. Defaults to 45 s.
	Limit time.Duration
	// ScanEvery is how often all of asynq's tasks are looked at for orphans.
	// Defaults to 1 h.
	ScanEvery time.Duration
	// ScanSteps bounds the search for orphans in one sweep, in pages of about 250 of
	// Redis' keys, after each of which it pauses. Defaults to 400.
	ScanSteps int
	Logger    zerolog.Logger
	// Observe is called at the end of every sweep of this process, with what it did
	// and why it did not get to its end. A sweep that another process holds up is
	// none.
	Observe func(Report, error)
}

// Sweeper keeps asynq's archive and the ledger together: it copies what asynq
// archived without a verdict into the ledger, keeps the archive short, and
// brings back orphans that asynq can neither list nor run. Every worker has one;
// a lock lets one sweep at a time, and two at once would do no harm.
type Sweeper struct {
	cfg   SweeperConfig
	rdb   redis.UniversalClient
	store *ledger.Store

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

// NewSweeper returns a Sweeper that does not run yet.
func NewSweeper(cfg SweeperConfig) *Sweeper {
	if cfg.Queues == nil {
		for q := range tasks.Queues() {
			cfg.Queues = append(cfg.Queues, q)
		}
		slices.Sort(cfg.Queues)
	}
	cfg.Every = cmp.Or(cfg.Every, time.Minute)
	cfg.Keep = cmp.Or(cfg.Keep, 2000)
	cfg.Limit = cmp.Or(cfg.Limit, 45*time.Second)
	cfg.ScanEvery = cmp.Or(cfg.ScanEvery, time.Hour)
	cfg.ScanSteps = cmp.Or(cfg.ScanSteps, 400)
	if cfg.Observe == nil {
		cfg.Observe = func(Report, error) {}
	}
	return &Sweeper{cfg: cfg, rdb: cfg.Redis, store: ledger.New(cfg.Redis, tasks.DefaultRetention, time.Now)}
}

// Start sweeps in the background until Stop, the first time soon.
func (s *Sweeper) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go s.loop(ctx)
}

// Stop ends the sweep that runs and waits for it. It may be called more than
// once and before Start.
func (s *Sweeper) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		return
	}
	s.cancel()
	<-s.done
}

func (s *Sweeper) loop(ctx context.Context) {
	defer close(s.done)
	wait := s.soon()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		start := time.Now()
		r, err := s.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failed: // one line for each time that Redis is away
			s.cfg.Logger.Warn().Err(err).Msg("sweep of dead tasks did not end; it goes on later")
		case err == nil && r != (Report{}):
			s.cfg.Logger.Info().Int("copied", r.Copied).Int("orphans", r.Orphans).Int("trimmed", r.Trimmed).
				Int("mended", r.Mended).Int("dangling", r.Dangling).Int("settled", r.Settled).Msg("dead tasks swept")
		}
		failed = err != nil
		wait = s.next(time.Since(start), err)
	}
}

// soon is the time before the first sweep. It is random: many workers may start at once.
func (s *Sweeper) soon() time.Duration {
	return time.Duration(mathrand.Float64() * float64(s.cfg.Every) / 12)
}

// next is the time between a sweep and the next one. It is short after one that ended for its limit: there is more to
// do than it had time for.
func (s *Sweeper) next(took time.Duration, err error) time.Duration {
	if err != nil && took >= s.cfg.Limit {
		return s.soon()
	}
	return time.Duration((0.5 + mathrand.Float64()) * float64(s.cfg.Every))
}

// Report counts what a sweep did.
type Report struct {
	Copied   int // archived without a verdict, now in the ledger
	Orphans  int // remnants brought into the ledger
	Trimmed  int // removed from asynq's archive; the ledger has them
	Mended   int // half archived by asynq
	Dangling int // entries of asynq's archive without a task
	Settled  int // letters left unsure by a sweep that did not end, or by a cancel
}

// Sweep goes once over all queues. It returns an empty report when another
// process sweeps.
func (s *Sweeper) Sweep(ctx context.Context) (Report, error) {
	r, swept, err := s.sweep(ctx)
	if (swept || err != nil) && ctx.Err() == nil {
		s.cfg.Observe(r, err)
	}
	return r, err
}

// sweep says in swept whether it was this process' turn.
func (s *Sweeper) sweep(ctx context.Context) (r Report, swept bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Limit)
	defer cancel()
	token := rand.Text()
	got, err := s.rdb.SetNX(ctx, record.SweepKey, token, 2*s.cfg.Limit).Result()
	if err != nil || !got {
		return Report{}, false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = unlock.Run(ctx, s.rdb, unlockKeys{record.SweepKey}, unlockArgs{token}) // it ends by itself
	}()
	var errs []error // one queue does not keep the others
	if r.Settled, err = s.store.SettleLeftovers(ctx, 1000); err != nil {
		errs = append(errs, err)
	}
	for q := range s.inTurn(ctx) {
		for _, step := range []func(context.Context, string, string, *Report) error{s.sweepArchive, s.trim} {
			if err := step(ctx, q, token, &r); err != nil {
				errs = append(errs, fmt.Errorf("queue %s: %w", q, err))
				break
			}
		}
	}
	errs = append(errs, s.forgetOwners(ctx), s.tally(ctx), s.findOrphans(ctx, token, &r))
	return r, true, errors.Join(errs...)
}

// inTurn yields the queues, each sweep from another one on: a queue that takes all
// the time there is does not keep the others for ever.
func (s *Sweeper) inTurn(ctx context.Context) iter.Seq[string] {
	turn, err := s.rdb.HIncrBy(ctx, record.ScanKey, record.FieldSweeps, 1).Result()
	if err != nil {
		turn = mathrand.Int64()
	}
	return func(yield func(string) bool) {
		n := uint64(len(s.cfg.Queues))
		for i := range n {
			if !yield(s.cfg.Queues[(uint64(turn)%n+i)%n]) {
				return
			}
		}
	}
}

type unlockKeys struct{ Lock string }

type unlockArgs struct{ Token string }

var unlock = redisx.NewScript[unlockKeys, unlockArgs, int64](
	`if redis.call('GET', KEYS.lock) == ARGV.token then return redis.call('DEL', KEYS.lock) end return 0`)

// known is what both sides say of an id in asynq's archive.
type known struct {
	id string
	// asynq is the state in asynq's task, empty without one.
	asynq string
	// complete means that the ledger has all that a replay needs.
	complete, finished bool
	// judged means that the record is that of a dead task: otherwise it was run
	// again since and asynq archived it without a verdict.
	judged bool
	// stopped means that a person archived it since it died, which the ledger does not
	// say yet.
	stopped bool
}

// lacks reports whether the ledger lacks something of it.
func (k known) lacks() bool { return !k.finished && (!k.complete || !k.judged || k.stopped) }

func (s *Sweeper) look(ctx context.Context, queue string, ids []string) ([]known, error) {
	pipe := s.rdb.Pipeline()
	type cmds struct {
		state *redis.StringCmd
		score *redis.FloatCmd
		rec   *redis.SliceCmd
		has   *redis.BoolCmd
		done  *redis.IntCmd
		at    *redis.FloatCmd
	}
	all := make([]cmds, len(ids))
	for i, id := range ids {
		all[i] = cmds{
			state: pipe.HGet(ctx, asynqx.TaskKey(queue, id), "state"),
			score: pipe.ZScore(ctx, record.DeadKey(id), id),
			rec:   pipe.HMGet(ctx, record.TaskKey(id), record.FieldState, record.FieldUnsure, record.FieldDied, record.FieldBy),
			has:   pipe.HExists(ctx, record.TaskKey(id), record.FieldPayload),
			done:  pipe.Exists(ctx, record.DoneKey(id)),
			at:    pipe.ZScore(ctx, asynqx.Key(queue, asynqx.Archived), id),
		}
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("compare archive and ledger: %w", err)
	}
	out := make([]known, len(ids))
	var later []string // archived later than they died: by hand, or the clocks differ
	for i, c := range all {
		rec := c.rec.Val()
		out[i] = known{
			id: ids[i], asynq: c.state.Val(), finished: c.done.Val() == 1,
			complete: c.score.Err() == nil && c.has.Val() && len(rec) == 4 && rec[1] == nil,
			judged:   len(rec) == 4 && rec[0] == string(record.Dead),
		}
		if out[i].complete && out[i].judged && archivedLater(rec[2], rec[3], c.at) {
			later = append(later, ids[i])
		}
	}
	byHand := s.store.ArchivedByHand(ctx, queue, later)
	for i := range out {
		out[i].stopped = byHand[out[i].id]
	}
	return out, nil
}

// archivedLater reports whether asynq archived a task clearly after it died by its
// letter, which no person made.
func archivedLater(died, by any, at *redis.FloatCmd) bool {
	who, _ := by.(string)
	if _, hand := record.ArchivedByHand(who); hand || at.Err() != nil {
		return false
	}
	text, _ := died.(string)
	ms, err := strconv.ParseInt(text, 10, 64)
	return err == nil && int64(at.Val())*1000 > ms+2000
}

const sweepSize = 500

// sweepArchive goes over asynq's archive and copies what the ledger lacks. What
// cannot be copied is logged and stays; it does not keep the others.
func (s *Sweeper) sweepArchive(ctx context.Context, queue, token string, r *Report) error {
	key := asynqx.Key(queue, asynqx.Archived)
	for at := int64(0); ; {
		ids, err := s.rdb.ZRange(ctx, key, at, at+sweepSize-1).Result()
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		page, err := s.look(ctx, queue, ids)
		if err != nil {
			return err
		}
		before := r.Dangling
		s.sweepPage(ctx, queue, token, page, r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(ids) < sweepSize {
			return nil
		}
		at += int64(len(ids) - (r.Dangling - before)) // what was removed is behind us no more
	}
}

// sweepPage settles the entries of one page together, in a few round trips.
func (s *Sweeper) sweepPage(ctx context.Context, queue, token string, page []known, r *Report) {
	var bare, half, missing []string
	lacks := map[string]bool{}
	for _, k := range page {
		lacks[k.id] = k.lacks()
		switch {
		case k.asynq == "":
			bare = append(bare, k.id)
		case k.asynq != "archived":
			half = append(half, k.id)
		case lacks[k.id]:
			missing = append(missing, k.id)
		}
	}
	for i, p := range s.store.TidyAll(ctx, queue, bare) {
		switch {
		case p.Err != nil:
			s.notCopied(ctx, queue, bare[i], p.Err)
		case p.State == asynqx.NoTask:
			r.Dangling++
		case lacks[bare[i]]:
			missing = append(missing, bare[i])
		}
	}
	for i, p := range s.store.MendAll(ctx, queue, half) {
		switch {
		case p.Err != nil:
			s.notCopied(ctx, queue, half[i], p.Err)
		case p.State == asynqx.Archived:
			r.Mended++
			if lacks[half[i]] {
				missing = append(missing, half[i])
			}
		}
	}
	for i, d := range s.store.DepositAll(ctx, queue, missing, token) {
		if d.Err != nil {
			s.notCopied(ctx, queue, missing[i], d.Err)
		}
		if d.Kept {
			r.Copied++
		}
	}
}

func (s *Sweeper) notCopied(ctx context.Context, queue, id string, err error) {
	if ctx.Err() == nil {
		s.cfg.Logger.Warn().Err(err).Str("task_id", id).Str("queue", queue).Msg("dead task not copied; it stays in asynq")
	}
}

// trim keeps asynq's archive short: the longest dead go, and only those of which
// the ledger has everything.
func (s *Sweeper) trim(ctx context.Context, queue, _ string, r *Report) error {
	key := asynqx.Key(queue, asynqx.Archived)
	n, err := s.rdb.ZCard(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("count archive: %w", err)
	}
	excess := n - int64(s.cfg.Keep)
	for at := int64(0); excess > 0; {
		ids, err := s.rdb.ZRange(ctx, key, at, at+min(excess, sweepSize)-1).Result()
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		page, err := s.look(ctx, queue, ids)
		if err != nil {
			return err
		}
		var had []string
		for _, k := range page {
			if !k.lacks() {
				had = append(had, k.id)
			}
		}
		excess -= int64(len(page))
		at += int64(len(page) - len(had))
		for _, p := range s.store.DropAll(ctx, queue, had) {
			if p.Err != nil {
				return p.Err
			}
			if p.State == ledger.Dropped {
				r.Trimmed++
			}
		}
	}
	return nil
}

// forgetOwners removes merchants without dead letters from the list of those
// that have some.
func (s *Sweeper) forgetOwners(ctx context.Context) error {
	counts, err := ownersLetters(ctx, s.rdb)
	if err != nil {
		return err
	}
	for owner, n := range counts {
		if n > 0 {
			continue
		}
		if err := ledger.ForgetOwner(ctx, s.rdb, owner); err != nil {
			return err
		}
	}
	return nil
}

// ownersLetters counts the letters of every owner, in a few round trips.
func ownersLetters(ctx context.Context, rdb redis.UniversalClient) (map[string]int64, error) {
	owners, err := rdb.ZRange(ctx, record.OwnersKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read merchants with dead letters: %w", err)
	}
	counts := make(map[string]int64, len(owners))
	for chunk := range slices.Chunk(owners, 500) {
		pipe := rdb.Pipeline()
		cmds := make([]*redis.IntCmd, len(chunk))
		for i, o := range chunk {
			cmds[i] = pipe.ZCard(ctx, record.OwnerDeadKey(o))
		}
		if err := redisx.Exec(ctx, pipe); err != nil {
			return nil, fmt.Errorf("count dead letters: %w", err)
		}
		for i, o := range chunk {
			counts[o] = cmds[i].Val()
		}
	}
	return counts, nil
}
