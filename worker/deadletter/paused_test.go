package deadletter_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// deposit is a client whose owner puts one task into the ledger. It waits before it notes the letter, and once
// more when it has written it and not yet compared it with asynq.
type deposit struct {
	b  *bench
	id string
	// notes and wrote are closed when it waits, and what they wait for is closed to let it go on.
	notes, mayWrite, wrote, mayEnd chan struct{}
	noted                          bool
}

func (b *bench) deposit(id string) (*deposit, *redis.Client) {
	b.Helper()
	made := func() chan struct{} { return make(chan struct{}) }
	d := &deposit{b: b, id: id, notes: made(), mayWrite: made(), wrote: made(), mayEnd: made()}
	rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
	rdb.AddHook(d)
	b.Cleanup(func() { _ = rdb.Close() })
	return d, rdb
}

func (d *deposit) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *deposit) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "sadd" && cmd.Args()[1] == record.UnsureKey && !d.noted {
			close(d.notes)
			<-d.mayWrite
			d.noted = true
		}
		return next(ctx, cmd)
	}
}

func (d *deposit) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		before := d.unsure()
		err := next(ctx, cmds)
		if now := d.unsure(); d.noted && now != "" && now != before {
			close(d.wrote)
			<-d.mayEnd
		}
		return err
	}
}

func (d *deposit) unsure() string {
	return d.b.rdb.HGet(d.b.Context(), record.TaskKey(d.id), record.FieldUnsure).Val()
}

func (b *bench) reached(what string, c <-chan struct{}) {
	b.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		b.Fatalf("not within a minute: %s", what)
	}
}

// A sweep that saw the task in asynq's archive writes its letter over that of the cancel, which is not yet sure.
func TestACancelIsOneBesideASweepThatWritesTheSameLetter(t *testing.T) {
	t.Parallel()
	b := newBench(t, quick)
	id := b.later(1)
	cancels, cancelRedis := b.deposit(id)
	sweeps, sweepRedis := b.deposit(id)
	var out ledger.ActResult
	var err error
	cancelled, swept := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cancelled)
		out, err = deadletter.New(deadletter.Config{Redis: cancelRedis, Interval: tasks.Every(0)}).Cancel(b.Context(), id, "ops", "not wanted")
	}()
	b.reached("the cancel has archived the task", cancels.notes)
	go func() {
		defer close(swept)
		sweeper := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: sweepRedis, Limit: 2 * time.Minute, ScanEvery: time.Hour})
		if _, err := sweeper.Sweep(b.Context()); err != nil {
			t.Error(err)
		}
	}()
	b.reached("the sweep has seen it", sweeps.notes)
	close(cancels.mayWrite)
	b.reached("the cancel has written its letter", cancels.wrote)
	close(sweeps.mayWrite)
	b.reached("the sweep has written it anew", sweeps.wrote)
	close(cancels.mayEnd)
	b.reached("the cancel has ended", cancelled)
	close(sweeps.mayEnd)
	b.reached("the sweep has ended", swept)
	if at := b.place(id); err != nil || out != ledger.Cancelled || at != asynqx.NoTask || b.inLedger(id) {
		t.Errorf("got %s, %v; asynq has it as %s, in the ledger: %t", out, err, at, b.inLedger(id))
	}
}

// repeated is a client that executes a deposit once more after others had their turn: its answer was lost.
type repeated struct {
	*deposit
	meanwhile func()
}

func (r *repeated) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		before := r.unsure()
		err := next(ctx, cmds)
		if now := r.unsure(); r.meanwhile != nil && now != "" && now != before {
			r.meanwhile()
			r.meanwhile = nil
			err = next(ctx, cmds)
		}
		return err
	}
}

// A stop whose answer was lost is written again after another process knew of it from asynq, which dates it by
// the clock of whoever stopped it. It is one stop: were it two, a replay of the first could run the task after
// the second was cancelled.
func TestAStopThatIsWrittenTwiceIsOneWhateverTheClocks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.later(1)
	store := ledger.New(b.rdb, time.Hour, time.Now)
	since, err := store.Now(t.Context())
	b.must(err)
	b.must(b.inspector.ArchiveTask(queue, id))
	// The clock of whoever stopped it is half an hour behind that of Redis.
	archived := redis.Z{Score: float64(since.Add(-30 * time.Minute).Unix()), Member: id}
	b.must(b.rdb.ZAdd(t.Context(), asynqx.Key(queue, "archived"), archived).Err())
	died := func() string { return b.rdb.HGet(t.Context(), record.TaskKey(id), record.FieldDied).Val() }
	var before string
	r := &repeated{deposit: &deposit{b: b, id: id, noted: true}, meanwhile: func() {
		_, err := store.Deposit(t.Context(), queue, id, "another")
		b.must(err)
		before = died()
	}}
	rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(r)
	b.must(ledger.New(rdb, time.Hour, time.Now).DepositByHand(t.Context(), queue, []string{id}, "olga", since)[0].Err)
	if after := died(); before == "" || after != before {
		t.Errorf("it died at %q, and at %q when that was written again", before, after)
	}
}
