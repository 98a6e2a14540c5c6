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

// keeper looks after merchants beside the attempts: it wakes the held tasks of those
// whose keys work, also when others lifted the hold or the keys are new to this
// process, and sees to it that somebody tries keys again. Every process has one; what
// they do may be done twice. A nil keeper does nothing.
type keeper struct {
	merchants *merchants.Inspector
	keys      KeyProvider
	log       zerolog.Logger
	lifted    chan string

	mu   sync.Mutex
	seen map[string]bool // merchants for which something was sent since the last look
}

// keeperPause is how often keys that are new to a process are noticed.
const keeperPause = 2 * time.Second

func newKeeper(m *merchants.Inspector, keys KeyProvider, log zerolog.Logger) *keeper {
	return &keeper{merchants: m, keys: keys, log: log, lifted: make(chan string, 64), seen: map[string]bool{}}
}

// sent notes a merchant.
func (k *keeper) sent(merchantID string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.seen[merchantID] = true
	k.mu.Unlock()
}

// lift says that the keys of a merchant, which were refused, work.
func (k *keeper) lift(merchantID string) {
	if k == nil {
		return
	}
	select {
	case k.lifted <- merchantID:
	default: // the next look finds it
	}
}

// run looks until ctx ends.
func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(keeperPause)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err = k.look(ctx)
		case id := <-k.lifted:
			var m merchants.Merchant
			if m, err = k.merchants.Get(ctx, id); err == nil {
				err = k.lookAfter(ctx, m)
			}
		}
		if err != nil && ctx.Err() == nil {
			k.log.Warn().Err(err).Msg("held tasks are not looked after; they run by themselves after an hour")
		}
	}
}

// look notes the merchants that were seen and looks after those with refused keys.
func (k *keeper) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	k.mu.Lock()
	ids := make([]string, 0, len(k.seen))
	for id := range k.seen {
		ids = append(ids, id)
	}
	clear(k.seen)
	k.mu.Unlock()
	if err := k.merchants.Seen(ctx, ids); err != nil {
		return err
	}
	denied, err := k.merchants.Denied(ctx)
	if err != nil {
		return err
	}
	for _, m := range denied {
		if err := k.lookAfter(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// lookAfter wakes the tasks that may go on with the keys that this process has, or one
// of them if it is time to try them.
func (k *keeper) lookAfter(ctx context.Context, m merchants.Merchant) error {
	if m.Held == 0 {
		return k.merchants.Forget(ctx, m)
	}
	key := gate.NoKeys
	switch keys, err := k.keys.Merchant(ctx, m.ID); {
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
		woken, err := k.merchants.Wake(ctx, m.ID, limit, ofService, ecpay.Denied.String())
		if err != nil {
			return err
		}
		if woken.Tasks > 0 {
			k.log.Info().Str("merchant_id", m.ID).Str("service", string(service)).Str("key", key).Int("tasks", woken.Tasks).Bool("to_try_keys", limit > 0).Msg("held tasks woken")
		}
	}
	return nil
}
