package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Limits of the reading of outcomes.
const (
	merchantsAtOnce = 500
	outcomesAtOnce  = 500

	minLook, maxLook = 50 * time.Millisecond, time.Second
	leadCheck        = leadLife / 3
	forwardTimeout   = 10 * time.Second
)

// forwarder puts the outcomes of merchants into the queue of an endpoint.
type forwarder struct {
	queue  *queue
	reader *record.Reader
	of     func() Endpoint
	token  string
	log    zerolog.Logger
	quiet  zerolog.Logger // of what comes again and again

	// positions are those in Redis, as far as they are known: who has the lead alone moves
	// them. nil for not read.
	positions map[string]string
}

// run fills the queue until ctx ends.
func (f *forwarder) run(ctx context.Context) {
	var led time.Time
	leads := false
	defer func() {
		if leads { // or nobody would fill the queue for the rest of its life
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadCheck)
			defer cancel()
			_, _ = f.queue.lead(ctx, f.token, time.Millisecond)
		}
	}()
	for pause := minLook; ; {
		if time.Since(led) >= leadCheck {
			was := leads
			leads = f.leads(ctx)
			if led = time.Now(); leads && !was {
				f.positions = nil
			}
		}
		switch moved, err := f.look(ctx, leads); {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.quiet.Warn().Err(err).Msg("outcomes are not put into the queue of the webhook; they wait")
			f.positions, pause = nil, maxLook
		case moved:
			pause = minLook
			continue
		default:
			pause = min(2*pause, maxLook)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (f *forwarder) leads(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, leadCheck)
	defer cancel()
	ok, err := f.queue.lead(ctx, f.token, leadLife)
	return ok && err == nil
}

// look reads once for all merchants and reports whether there was something.
func (f *forwarder) look(ctx context.Context, leads bool) (moved bool, err error) {
	if !leads {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	open, err := f.queue.open(ctx)
	if err != nil || open >= MaxOpen {
		return false, err
	}
	owners, err := f.owners(ctx)
	if err != nil {
		return false, err
	}
	for some := range slices.Chunk(owners, merchantsAtOnce) {
		more, err := f.page(ctx, some, min(outcomesAtOnce, MaxOpen-open))
		moved = moved || more
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// owners are the merchants that are read. What a merchant had when the endpoint was made, or
// when the merchant was added to it, is not delivered: its position begins behind that.
func (f *forwarder) owners(ctx context.Context) ([]string, error) {
	e := f.of()
	owners := e.Merchants
	if e.All() {
		all, err := f.reader.OutcomeOwners(ctx)
		if err != nil {
			return nil, err
		}
		owners = all
	}
	if f.positions == nil {
		positions, err := f.queue.rdb.HGetAll(ctx, f.queue.keys.Positions).Result()
		if err != nil {
			return nil, fmt.Errorf("read the positions: %w", err)
		}
		f.positions = positions
	}
	var unknown []string
	for _, m := range owners {
		if _, known := f.positions[m]; !known {
			unknown = append(unknown, m)
		}
	}
	_, begun := f.positions[AllMerchants] // by an endpoint that may have had all then, and has some now
	begun = begun && e.All()
	if len(unknown) == 0 && (begun || !e.All()) {
		return owners, nil
	}
	return owners, f.adopt(ctx, unknown, e.All(), begun)
}

// adopt gives merchants without a position one: behind their last outcome or, where the endpoint
// wanted those of all merchants before this one had any, before its first. A position that another
// process has set stands.
func (f *forwarder) adopt(ctx context.Context, unknown []string, all, begun bool) error {
	at := map[string]string{}
	for some := range slices.Chunk(unknown, merchantsAtOnce) {
		if begun {
			for _, m := range some {
				at[m] = record.FirstOutcome
			}
			continue
		}
		last, err := f.reader.LastOutcomes(ctx, some)
		if err != nil {
			return err
		}
		maps.Copy(at, last)
	}
	set := func(m, position string) error {
		err := f.queue.rdb.HSetNX(ctx, f.queue.keys.Positions, m, position).Err()
		if err != nil {
			return fmt.Errorf("set a position: %w", err)
		}
		return nil
	}
	for m, position := range at {
		if err := set(m, position); err != nil {
			return err
		}
	}
	if all && !begun { // last: until then those that are there are behind theirs
		if err := set(AllMerchants, record.FirstOutcome); err != nil {
			return err
		}
	}
	positions, err := f.queue.rdb.HGetAll(ctx, f.queue.keys.Positions).Result()
	f.positions = positions
	return err
}

// page reads the outcomes of some merchants once.
func (f *forwarder) page(ctx context.Context, merchants []string, most int) (moved bool, err error) {
	at := map[string]string{}
	for _, m := range merchants {
		at[m] = f.positions[m]
	}
	page, err := f.reader.Outcomes(ctx, record.OutcomeQuery{Positions: at, Merchants: merchants, Limit: most})
	if gap := (*record.OutcomeGapError)(nil); errors.As(err, &gap) {
		return true, f.pass(ctx, gap)
	}
	if err != nil {
		return false, err
	}
	e, passed := f.of(), map[string]string{}
	for _, o := range page.Outcomes {
		if !e.Wants(o) {
			passed[o.MerchantID] = o.Position
			continue
		}
		delete(passed, o.MerchantID)
		if err := f.put(ctx, o); err != nil {
			return true, err
		}
	}
	for m, to := range passed {
		if err := f.moved(f.queue.skip(ctx, m, f.positions[m], to, 0)); err != nil {
			return true, err
		}
		f.positions[m] = to
	}
	return len(page.Outcomes) > 0, nil
}

// errMoved means that another process has moved a position.
var errMoved = errors.New("another process fills this queue as well")

func (f *forwarder) moved(ok bool, err error) error {
	if err == nil && !ok {
		return errMoved
	}
	return err
}

func (f *forwarder) put(ctx context.Context, o record.Outcome) error {
	d, err := encode(o)
	if err != nil {
		return err
	}
	if err := f.moved(f.queue.forward(ctx, d, o.MerchantID, f.positions[o.MerchantID], o.Position)); err != nil {
		return err
	}
	f.positions[o.MerchantID] = o.Position
	return nil
}

func encode(o record.Outcome) (delivery, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return delivery{}, fmt.Errorf("encode an outcome: %w", err)
	}
	return deliveryOf(o, body)
}

// pass goes on behind outcomes that cannot be read any more, and says so.
func (f *forwarder) pass(ctx context.Context, gap *record.OutcomeGapError) error {
	missed := max(0, gap.Oldest-gap.Seq-1)
	if gap.Lost {
		missed = 0
	}
	f.log.Error().Err(gap).Int64("missed", missed).Str("merchant_id", gap.MerchantID).
		Msg("outcomes were not delivered by the webhook and are not kept any more")
	if err := f.moved(f.queue.skip(ctx, gap.MerchantID, f.positions[gap.MerchantID], gap.Position, missed)); err != nil {
		return err
	}
	f.positions[gap.MerchantID] = gap.Position
	return nil
}

func isConflict(err error) bool { return errors.Is(err, asynqx.ErrExists) }
