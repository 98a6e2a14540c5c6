// Package merchants shows where merchants stand in the fleet, whose requests worker/gate
// admits: their pace, who waits, what ECPay refuses. It ends pauses and wakes what was
// held because of them.
package merchants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Inspector shows where merchants stand, and ends what holds them. It is safe for
// concurrent use.
type Inspector struct{ rdb redis.UniversalClient }

// New returns an Inspector that uses rdb and never closes it.
func New(rdb redis.UniversalClient) *Inspector { return &Inspector{rdb} }

// ErrNotFound means that nothing is known of a merchant: nothing was sent for it
// within a day or so, and nothing waits.
var ErrNotFound = errors.New("nothing is known of this merchant")

// seenFor is how long a merchant is listed after its last request.
const seenFor = 48 * time.Hour

// Seen notes that something was sent for merchants, so that they are listed.
func (m *Inspector) Seen(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	now, err := m.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("note merchants: %w", err)
	}
	members := make([]redis.Z, len(ids))
	for i, id := range ids {
		members[i] = redis.Z{Score: float64(now.UnixMilli()), Member: id}
	}
	pipe := m.rdb.Pipeline()
	pipe.ZAdd(ctx, record.MerchantsKey, members...)
	pipe.ZRemRangeByScore(ctx, record.MerchantsKey, "-inf", strconv.FormatInt(now.Add(-seenFor).UnixMilli(), 10))
	if err := redisx.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("note merchants: %w", err)
	}
	return nil
}

// List returns the merchants for which something was sent within two days, or that
// are held, by MerchantID.
func (m *Inspector) List(ctx context.Context) ([]Merchant, error) {
	pipe := m.rdb.Pipeline()
	seen, denied := pipe.ZRange(ctx, record.MerchantsKey, 0, -1), pipe.ZRange(ctx, record.DeniedKey, 0, -1)
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	ids := map[string]bool{}
	for _, id := range append(seen.Val(), denied.Val()...) {
		ids[id] = true
	}
	var all []Merchant
	for page := range slices.Chunk(slices.Sorted(maps.Keys(ids)), 500) {
		list, err := m.read(ctx, page)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// Denied returns the merchants with keys that were refused lately.
func (m *Inspector) Denied(ctx context.Context) ([]Merchant, error) {
	ids, err := m.rdb.ZRange(ctx, record.DeniedKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	return m.read(ctx, ids)
}

// Forget takes a merchant out of the list of Denied, unless it was put there lately.
func (m *Inspector) Forget(ctx context.Context, mer Merchant) error {
	return ledger.ForgetName(ctx, m.rdb, record.DeniedKey, mer.ID)
}

// Get returns one, or [ErrNotFound].
func (m *Inspector) Get(ctx context.Context, id string) (Merchant, error) {
	list, err := m.read(ctx, []string{id})
	if err != nil {
		return Merchant{}, err
	}
	if len(list) == 0 {
		return Merchant{}, ErrNotFound
	}
	return list[0], nil
}

// read leaves out those of which nothing is known.
func (m *Inspector) read(ctx context.Context, ids []string) ([]Merchant, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	now, err := m.rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read merchants: %w", err)
	}
	pipe := m.rdb.Pipeline()
	paces, flights, helds := make([]*redis.MapStringStringCmd, len(ids)), make([]*redis.IntCmd, len(ids)), make([]*redis.IntCmd, len(ids))
	from := "(" + strconv.FormatInt(now.UnixMicro(), 10)
	for i, id := range ids {
		k := record.KeysOf(id)
		paces[i], flights[i], helds[i] = pipe.HGetAll(ctx, k.Pace), pipe.ZCount(ctx, k.Flight, from, "+inf"), pipe.ZCard(ctx, k.Held)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read merchants: %w", err)
	}
	var list []Merchant
	for i, id := range ids {
		broken := ""
		for _, cmd := range []redis.Cmder{paces[i], flights[i], helds[i]} {
			if err := cmd.Err(); err != nil && broken == "" { // a key of the wrong type, which keeps no other merchant
				broken = fmt.Sprintf("%v: %s", cmd.Args()[1], err)
			}
		}
		if len(paces[i].Val()) == 0 && helds[i].Val() == 0 && broken == "" {
			continue
		}
		mer := parse(id, paces[i].Val(), now)
		mer.Broken = broken
		mer.InFlight, mer.Held = int(flights[i].Val()), int(helds[i].Val())
		list = append(list, mer)
	}
	return list, nil
}
