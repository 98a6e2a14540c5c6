package relay

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
)

// Config configures a [Relay].
type Config struct {
	Database *Database
	// Client stores intents. It is never closed.
	Client *enqueue.Client
	// Known says whether there are keys of a merchant; nil asks nobody.
	Known func(merchantID string) bool
	// Poll is the pause between two claims while there is nothing in the table. Defaults to
	// [DefaultPoll].
	Poll time.Duration
	// Listen waits for NOTIFY of PostgreSQL beside that, on a connection of its own.
	Listen bool
	// Rows is how many are claimed at once, and four times as many while there are more. Defaults to 256.
	Rows   int
	Logger zerolog.Logger
	// Status, when not nil, is told every 10 s where the table stands. It is never closed.
	Status redis.UniversalClient
	// Observe, when not nil, is told of every claim that had rows, and of every error.
	Observe func(Claim, error)
}

// moreRows is how many times as many rows are claimed while there are more: fewer round trips and fewer waits
// for the disk, and more that is claimed again when a relay is killed.
const moreRows = 4

// DefaultPoll is that of [Config].
const DefaultPoll = 100 * time.Millisecond

// claimTimeout is less than the database's patience: what a relay does not finish it gives up
// itself.
const claimTimeout = idleInClaim - 5*time.Second

// Relay carries rows to Redis until it is stopped.
type Relay struct {
	cfg  Config
	db   *sql.DB
	at   position
	wake chan struct{}
	left int // how many claims in a row left some

	mu     sync.Mutex
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Relay that does not run yet. It makes no connection before it does.
func New(cfg Config) (*Relay, error) {
	cfg.Poll = cmp.Or(cfg.Poll, DefaultPoll)
	cfg.Rows = cmp.Or(cfg.Rows, 256)
	if cfg.Observe == nil {
		cfg.Observe = func(Claim, error) {}
	}
	db, err := cfg.Database.Open()
	if err != nil {
		return nil, err
	}
	return &Relay{cfg: cfg, db: db, wake: make(chan struct{}, 1)}, nil
}

// DB is its pool, for what else is asked of the database.
func (r *Relay) DB() *sql.DB { return r.db }

// Start relays in the background until Stop.
func (r *Relay) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.done.Go(func() { r.run(ctx) })
	if r.cfg.Status != nil {
		r.done.Go(func() { r.tell(ctx) })
	}
	if r.cfg.Listen && r.cfg.Database.Notifies() {
		r.done.Go(func() { r.listen(ctx) })
	}
}

// Stop ends after the claim that is under way, and closes the pool. It may be called more than
// once, and before Start.
func (r *Relay) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		r.cancel()
	}
	r.done.Wait()
	return r.db.Close()
}

// Pauses after errors.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
)

func (r *Relay) run(ctx context.Context) {
	failures := 0
	full, told, whole := false, false, false
	for ctx.Err() == nil {
		claim, err := r.step(ctx, full)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failures++
			again := r.cfg.Database.again(err)
			told = r.complain(err, failures) || told
			pause(ctx, backoff(failures, again), nil) // no commit cuts it short
			if !again && claim.why == nil {
				r.reconnect()
			}
			full = false
		default:
			if told {
				r.cfg.Logger.Info().Msg("outbox is relayed again")
			}
			failures, told = 0, false
			if !whole {
				whole = r.lookForPolicies(ctx)
			}
			if full = claim.full; !full {
				pause(ctx, r.at.rest(r.cfg.Poll), r.wake)
			}
		}
	}
}

// lookForPolicies warns where rows may be hidden. It reports whether it could look.
func (r *Relay) lookForPolicies(ctx context.Context) (looked bool) {
	err := NewAdmin(r.cfg.Database, r.db).Whole(ctx)
	if errors.Is(err, ErrHidden) {
		r.cfg.Logger.Warn().Err(err).Str("hint", hidden.En).Str("hint_zh", hidden.Zh).Msg("rows of the outbox may never be relayed")
	}
	return err == nil || errors.Is(err, ErrHidden)
}

// reconnect closes the connections: after a failover, those that are open may be to a server that only reads.
func (r *Relay) reconnect() {
	r.db.SetMaxIdleConns(0)
	r.db.SetMaxIdleConns(idleConns)
}

func backoff(failures int, again bool) time.Duration {
	d := min(firstPause<<min(failures, 10), maxPause)
	if again {
		d = min(d, firstPause)
	}
	return time.Duration((0.5 + rand.Float64()/2) * float64(d))
}

// complain logs the first error of a row of them, and one in a while. Transactions that were in
// each other's way are none until they are so again and again.
func (r *Relay) complain(err error, failures int) (told bool) {
	first := 1
	if r.cfg.Database.again(err) {
		first = 10
	}
	if told = failures == first || failures%100 == 0; told {
		event := r.cfg.Logger.Warn().Err(err).Str("database", r.cfg.Database.String()).Int("times", failures)
		if hint := r.cfg.Database.Hint(failed("claim", err)); !hint.IsZero() && !errors.Is(err, enqueue.ErrRedis) {
			event = event.Str("hint", hint.En).Str("hint_zh", hint.Zh)
		}
		event.Msg("outbox is not relayed; its rows stay, and it is tried again")
	}
	return told
}

// pause ends early with ctx, and when somebody wakes it; nil for nobody.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// step claims some rows. full means that there were more than the last claim took.
func (r *Relay) step(ctx context.Context, full bool) (Claim, error) {
	after := r.at.next(time.Now())
	rows := r.cfg.Rows
	if full {
		rows *= moreRows
	}
	// What Redis was given is worth its commit: the end of ctx does not interrupt it.
	claiming, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	claim, err := r.claim(claiming, after, rows)
	claim.full = claim.Rows == rows
	if err != nil { // the rows are there, and the next claim begins where this one did
		return claim, r.failed(claim, err)
	}
	r.at.claimed(claim.scan, claim.last)
	if claim.Left > 0 {
		r.at.hold(time.Now().Add(time.Second))
		if r.left++; r.left == 1 || r.left%100 == 0 {
			r.cfg.Logger.Warn().Err(claim.why).Int("rows", claim.Left).Int("times", r.left).
				Msg("some rows of the outbox stay for now, and are relayed again")
		}
	} else if claim.Rows > 0 {
		r.left = 0
	}
	if claim.Rows > 0 {
		r.cfg.Observe(claim, claim.why)
	}
	return claim, nil
}

func (r *Relay) failed(c Claim, err error) error {
	r.cfg.Observe(c, err)
	return err
}

// Once relays until there is no row left that can be. It returns what it did also with an error.
func (r *Relay) Once(ctx context.Context) (all Claim, err error) {
	for {
		// Rows with lower ids may have been committed meanwhile: the last pass takes nothing.
		done, err := r.pass(ctx, &all)
		switch {
		case err != nil:
			return all, err
		case done == 0 && all.Left > 0:
			return all, fmt.Errorf("%d rows stay in the outbox for now; relaying again takes them: %w", all.Left, all.why)
		case done == 0:
			return all, nil
		}
	}
}

// pass goes through the table once, from the first id to the last. It tells how many rows did not stay.
func (r *Relay) pass(ctx context.Context, all *Claim) (done int, err error) {
	r.at = position{}
	all.Left = 0
	failures, full := 0, false
	for {
		c, err := r.step(ctx, full)
		if full = c.full; err == nil || c.why != nil { // else the claim was not committed
			all.add(c)
		}
		switch {
		case ctx.Err() != nil:
			return done, ctx.Err()
		case err != nil && r.cfg.Database.again(err) && failures < 100:
			failures++
			pause(ctx, backoff(failures, true), nil)
			continue
		case err != nil && c.why == nil:
			return done, failed("relay the outbox", err)
		case err != nil:
			return done, err
		case c.Rows == 0:
			return done, nil
		}
		done += c.Rows - c.Left
		r.at.hold(time.Now().Add(time.Hour)) // one claim after the other
	}
}
