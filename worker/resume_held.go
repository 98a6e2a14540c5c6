package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// resumer wakes tasks that are held because their keys were refused: all tasks of a merchant
// whose keys work, also when another process found that out or the keys are new to this process;
// and one task of a merchant whose pause is over, which tries the keys again. Every process has
// one, which runs beside the attempts; two may do the same at once. A nil resumer does nothing.
type resumer struct {
	merchants *merchants.Inspector
	keys      KeyProvider
	log       zerolog.Logger
	working   chan string // merchants whose keys were refused, and work

	mu   sync.Mutex
	seen map[string]bool // merchants for which something was sent since the last look
}

// resumePause is how often a process looks for keys that are new to it.
const resumePause = 2 * time.Second

func newResumer(m *merchants.Inspector, keys KeyProvider, log zerolog.Logger) *resumer {
	return &resumer{merchants: m, keys: keys, log: log, working: make(chan string, 64), seen: map[string]bool{}}
}

// sent notes a merchant.
func (r *resumer) sent(merchantID string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.seen[merchantID] = true
	r.mu.Unlock()
}

// keysWork says that the keys of a merchant, which were refused, work.
func (r *resumer) keysWork(merchantID string) {
	if r == nil {
		return
	}
	select {
	case r.working <- merchantID:
	default: // the next look finds it
	}
}

// run looks until ctx ends.
func (r *resumer) run(ctx context.Context) {
	tick := time.NewTicker(resumePause)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err = r.look(ctx)
		case id := <-r.working:
			var m merchants.Merchant
			if m, err = r.merchants.Get(ctx, id); err == nil {
				err = r.resume(ctx, m)
			}
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn().Err(err).Msg("held tasks are not looked after; they run by themselves after an hour")
		}
	}
}

// look notes the merchants that were seen, and resumes those with refused keys where that
// is due.
func (r *resumer) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r.mu.Lock()
	ids := make([]string, 0, len(r.seen))
	for id := range r.seen {
		ids = append(ids, id)
	}
	clear(r.seen)
	r.mu.Unlock()
	if err := r.merchants.Seen(ctx, ids); err != nil {
		return err
	}
	denied, err := r.merchants.Denied(ctx)
	if err != nil {
		return err
	}
	for _, m := range denied {
		if err := r.resume(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// resume wakes the held tasks that may go on with the keys that this process has, or one
// of them if it is time to try them.
func (r *resumer) resume(ctx context.Context, m merchants.Merchant) error {
	if m.Held == 0 {
		return r.merchants.Forget(ctx, m)
	}
	key := gate.NoKeys
	switch keys, err := r.keys.Merchant(ctx, m.ID); {
	case err == nil:
		key = keys.KeyFingerprint()
	case !errors.Is(err, ErrUnknownMerchant):
		return nil // another time
	}
	for _, service := range []ecpay.Category{ecpay.B2C, ecpay.B2B} {
		denial, limit := m.Denies(gate.Scope(service, key)), 0
		if denial != nil {
			if !denial.Overdue {
				continue
			}
			limit = 1
		}
		ofService := func(id string) bool {
			t, _, err := tasks.ParseID(id)
			return err == nil && t.Operation.Category == service
		}
		woken, err := r.merchants.Wake(ctx, m.ID, limit, ofService, ecpay.Denied.String())
		if err != nil {
			return err
		}
		if woken.Tasks > 0 {
			r.log.Info().Str("merchant_id", m.ID).Str("service", string(service)).Str("key", key).
				Int("tasks", woken.Tasks).Bool("to_try_keys", limit > 0).Msg("held tasks woken")
		}
	}
	return nil
}
