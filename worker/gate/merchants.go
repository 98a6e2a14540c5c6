package gate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Merchants shows where merchants stand in the fleet, and ends what holds them. It is
// safe for concurrent use.
type Merchants struct {
	rdb                redis.UniversalClient
	wake, lift, forget *redis.Script
}

//go:embed wake.lua
var wakeLua string

//go:embed lift.lua
var liftLua string

//go:embed forget.lua
var forgetLua string

// NewMerchants returns Merchants that use rdb and never close it.
func NewMerchants(rdb redis.UniversalClient) *Merchants {
	return &Merchants{rdb: rdb, wake: record.NewScript(paceLua + wakeLua), lift: record.NewScript(paceLua + liftLua), forget: record.NewScript(forgetLua)}
}

// Interval is a duration that is written like "200ms".
type Interval time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (i Interval) MarshalText() ([]byte, error) { return []byte(time.Duration(i).String()), nil }

// Merchant is where a merchant stands. Times are by Redis' clock, in Asia/Taipei.
type Merchant struct {
	ID string `json:"merchant_id"`
	// Interval is by which a request was permitted last, and LastAt when.
	Interval Interval   `json:"interval"`
	LastAt   *time.Time `json:"last_at,omitempty"`
	// Waiting is about how many have a place in line, and NextPlace the one that who
	// comes now would get; nil for at once.
	Waiting   int        `json:"waiting"`
	NextPlace *time.Time `json:"next_place,omitempty"`
	// Held is how many tasks are held for the merchant, in line or not.
	Held int `json:"held"`
	// InFlight is how many requests are on their way.
	InFlight int      `json:"in_flight"`
	Ban      *Ban     `json:"ban,omitempty"`
	Denied   []Denial `json:"denied,omitempty"`
	// Broken is the first of its keys that cannot be read, and why: what is above lacks
	// what is there.
	Broken string `json:"broken,omitempty"`
}

// Ban is a pause that ECPay asked for.
type Ban struct {
	Since time.Time `json:"since"`
	// Until may have passed: then a request is tried, or will be.
	Until time.Time `json:"until"`
	Why   string    `json:"why,omitempty"`
}

// Denial is what ECPay refuses for the keys, or that there are none.
type Denial struct {
	// Service is B2C or B2B.
	Service string `json:"service"`
	// Fingerprint names the keys, see [ecpay.Fingerprint]; [NoKeys] when there are none.
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since"`
	Why         string    `json:"why"`
	// Pauses counts them; NextProbe is when the keys are tried again. It may have passed:
	// then they are, by Probing now.
	Pauses    int       `json:"pauses"`
	NextProbe time.Time `json:"next_probe"`
	Probing   bool      `json:"probing"`
	// Overdue means that nobody has tried them although it is time.
	Overdue bool `json:"-"`
}

// overdueAfter leaves time to the task that was refused, which comes back by itself.
const overdueAfter = 5 * time.Second

// NoKeys stands for the fingerprint of keys that are missing.
const NoKeys = "none"

// ErrNoMerchant means that nothing is known of a merchant: nothing was sent for it
// within a day or so, and nothing waits.
var ErrNoMerchant = errors.New("nothing is known of this merchant")

// seenFor is how long a merchant is listed after its last request.
const seenFor = 48 * time.Hour

// Seen notes that something was sent for merchants, so that they are listed.
func (m *Merchants) Seen(ctx context.Context, ids []string) error {
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
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note merchants: %w", err)
	}
	return nil
}

// List returns the merchants for which something was sent within two days, or that
// are held, by MerchantID.
func (m *Merchants) List(ctx context.Context) ([]Merchant, error) {
	pipe := m.rdb.Pipeline()
	seen, denied := pipe.ZRange(ctx, record.MerchantsKey, 0, -1), pipe.ZRange(ctx, record.DeniedKey, 0, -1)
	if err := record.Exec(ctx, pipe); err != nil {
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
func (m *Merchants) Denied(ctx context.Context) ([]Merchant, error) {
	ids, err := m.rdb.ZRange(ctx, record.DeniedKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	return m.read(ctx, ids)
}

// Forget takes a merchant out of the list of Denied, unless it was put there lately.
func (m *Merchants) Forget(ctx context.Context, mer Merchant) error {
	return ledger.ForgetName(ctx, m.rdb, record.DeniedKey, mer.ID)
}

// Get returns one, or [ErrNoMerchant].
func (m *Merchants) Get(ctx context.Context, id string) (Merchant, error) {
	list, err := m.read(ctx, []string{id})
	if err != nil {
		return Merchant{}, err
	}
	if len(list) == 0 {
		return Merchant{}, ErrNoMerchant
	}
	return list[0], nil
}

// read leaves out those of which nothing is known.
func (m *Merchants) read(ctx context.Context, ids []string) ([]Merchant, error) {
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
	if err := record.Exec(ctx, pipe); err != nil {
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
		mer := parseMerchant(id, paces[i].Val(), now)
		mer.Broken = broken
		mer.InFlight, mer.Held = int(flights[i].Val()), int(helds[i].Val())
		list = append(list, mer)
	}
	return list, nil
}

// parseMerchant reads a pace; see pace.lua.
func parseMerchant(id string, p map[string]string, now time.Time) Merchant {
	m := Merchant{ID: id, LastAt: micro(p["last"])}
	if n, err := strconv.ParseInt(p["interval"], 10, 64); err == nil {
		m.Interval = Interval(time.Duration(n) * time.Microsecond)
	}
	line := micro(p["line"])
	if ahead := micro(p["ahead"]); ahead != nil && (line == nil || ahead.After(*line)) {
		line = ahead // those in line go after them
	}
	if line != nil && line.After(now) {
		next := line.Add(time.Duration(m.Interval))
		m.NextPlace, m.Waiting = &next, 1
		if m.Interval > 0 {
			m.Waiting = int((line.Sub(now) + time.Duration(m.Interval) - 1) / time.Duration(m.Interval))
		}
	}
	if until := micro(p["ban"]); until != nil {
		m.Ban = &Ban{Until: *until, Why: p["ban_why"]}
		if since := micro(p["ban_since"]); since != nil {
			m.Ban.Since = *since
		}
		if m.Waiting > 0 && until.After(now) { // the line begins where the ban ends
			m.Waiting = 1
			if m.Interval > 0 && m.NextPlace != nil {
				m.Waiting = max(0, int(m.NextPlace.Sub(*until)/time.Duration(m.Interval)))
			}
		}
	}
	for _, f := range slices.Sorted(maps.Keys(p)) {
		scope, ok := strings.CutPrefix(f, "denied:")
		w := strings.SplitN(p[f], " ", 6)
		if !ok || len(w) != 6 {
			continue
		}
		d := Denial{Why: w[5]}
		d.Service, d.Fingerprint, _ = strings.Cut(scope, ":")
		if since, next := micro(w[0]), micro(w[1]); since != nil && next != nil {
			d.Since, d.NextProbe = *since, *next
		}
		d.Pauses, _ = strconv.Atoi(w[2])
		end := micro(w[3])
		d.Probing = end != nil && end.After(now)
		d.Overdue = !d.Probing && d.NextProbe.Add(overdueAfter).Before(now)
		m.Denied = append(m.Denied, d)
	}
	return m
}

func micro(s string) *time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return nil
	}
	t := time.UnixMicro(n).In(ecpay.Taipei)
	return &t
}

// Denies returns how keys are refused, nil when they are not.
func (m Merchant) Denies(scope string) *Denial {
	for i, d := range m.Denied {
		if d.Service+":"+d.Fingerprint == scope {
			return &m.Denied[i]
		}
	}
	return nil
}

// heldKinds are those of tasks that are held for their merchant.
var heldKinds = []string{ecpay.Denied.String(), ecpay.Throttled.String(), ecpay.Operator.String()}

// Woken is what waking held tasks brought about.
type Woken struct {
	// Tasks is how many run again along the merchant's pace.
	Tasks int `json:"woken"`
	// Running is how many are run at this moment, or are about to be.
	Running int `json:"running"`
}

// Wake lets held tasks of a merchant run along its pace, at most limit (0 for all),
// those of some kinds and for which want, when not nil, says so. Nobody runs later
// than before. It may be interrupted and run twice.
func (m *Merchants) Wake(ctx context.Context, id string, limit int, want func(taskID string) bool, kinds ...string) (Woken, error) {
	var sum Woken
	held := record.KeysOf(id).Held
	for cursor := uint64(0); ; {
		words, next, err := m.rdb.ZScan(ctx, held, cursor, "", wakePage).Result()
		if err != nil {
			return sum, fmt.Errorf("list held tasks: %w", err)
		}
		var page []heldTask
		for i := 0; i+1 < len(words); i += 2 {
			at, _ := strconv.ParseFloat(words[i+1], 64)
			if want == nil || want(words[i]) {
				page = append(page, heldTask{id: words[i], at: time.UnixMilli(int64(at))})
			}
		}
		if limit > 0 {
			slices.SortFunc(page, func(a, b heldTask) int { return a.at.Compare(b.at) })
		}
		most := len(page)
		if limit > 0 {
			most = limit - sum.Tasks - sum.Running
		}
		w, err := m.wakePage(ctx, id, page, most, kinds)
		sum.Tasks += w.Tasks
		sum.Running += w.Running
		if err != nil || next == 0 || limit > 0 && sum.Tasks+sum.Running >= limit {
			return sum, err
		}
		cursor = next
	}
}

type heldTask struct {
	id string
	at time.Time // when it runs again
}

const (
	wakePage = 500
	// WakeEarly is how much earlier than its place a task runs again; a worker keeps it
	// until then. asynq counts in whole seconds.
	WakeEarly = 2500 * time.Millisecond
)

func (m *Merchants) wakePage(ctx context.Context, id string, page []heldTask, most int, kinds []string) (Woken, error) {
	var w Woken
	if len(page) == 0 {
		return w, nil
	}
	keys, args := []string{record.KeysOf(id).Pace}, []any{tasks.DefaultInterval.Microseconds(), most}
	for _, t := range page {
		keys = append(keys, record.TaskKey(t.id))
	}
	for _, k := range kinds {
		args = append(args, k)
	}
	places, err := m.wake.Run(ctx, m.rdb, keys, args...).Int64Slice()
	switch {
	case err != nil:
		return w, fmt.Errorf("give places: %w", err)
	case len(places) != len(page):
		return w, fmt.Errorf("give places: %d of %d", len(places), len(page))
	}
	// asynq's own entry says when it runs: moved if it is there, and never to later.
	pipe := m.rdb.Pipeline()
	found := make([]*redis.FloatCmd, len(page))
	now := pipe.Time(ctx)
	for i, t := range page {
		typ, _, _ := tasks.ParseID(t.id)
		retry := record.AsynqKey(typ.Queue, "retry")
		if places[i] > 0 {
			at := time.UnixMicro(places[i]).Add(-WakeEarly).Unix()
			pipe.ZAddArgs(ctx, retry, redis.ZAddArgs{XX: true, LT: true, Members: []redis.Z{{Score: float64(at), Member: t.id}}})
		}
		found[i] = pipe.ZScore(ctx, retry, t.id)
	}
	if err := record.Exec(ctx, pipe); err != nil {
		return w, fmt.Errorf("wake tasks: %w", err)
	}
	var over []any
	for i, t := range page {
		there, gone := found[i].Err() == nil, t.at.Before(now.Val().Add(-goneAfter))
		switch {
		case there && places[i] > 0:
			w.Tasks++
			over = append(over, t.id, t.at.UnixMilli())
		case !there && gone: // deleted, or run by other means
			over = append(over, t.id, t.at.UnixMilli())
		case places[i] > 0:
			w.Running++ // it goes into that entry in a moment, and is woken the next time
		}
	}
	if len(over) > 0 {
		if err := m.forget.Run(ctx, m.rdb, []string{record.KeysOf(id).Held}, over...).Err(); err != nil {
			return w, fmt.Errorf("wake tasks: %w", err)
		}
	}
	return w, nil
}

// goneAfter is how long after its time a task that asynq does not know may still be on
// its way into asynq's entries.
const goneAfter = 10 * time.Minute

// Resumed is what [Merchants.Resume] did.
type Resumed struct {
	ID string `json:"merchant_id"`
	// Banned is until when it would have been banned, nil when it was not.
	Banned *time.Time `json:"banned_until,omitempty"`
	// Denied are the services and fingerprints that were refused.
	Denied []string `json:"denied,omitempty"`
	Woken
}

// Resume ends the pauses of a merchant on a person's word, and wakes all its tasks that
// are held for it, along its pace; not those that wait for something of their own,
// like an unanswered write for its fence. It may be interrupted and run twice. It
// returns [ErrNoMerchant] when nothing is known of the merchant.
func (m *Merchants) Resume(ctx context.Context, id, by, note string) (Resumed, error) {
	r := Resumed{ID: id}
	shown, err := m.Get(ctx, id)
	if err != nil {
		return r, err
	}
	if err := ledger.Audit(ctx, m.rdb, ledger.AuditEntry{Who: by, What: ledger.ActResume, MerchantID: id, Note: note}); err != nil {
		return r, err
	}
	was, err := m.lift.Run(ctx, m.rdb, []string{record.KeysOf(id).Pace}, shown.pauses()...).Slice()
	if err != nil {
		return r, fmt.Errorf("end pauses: %w", err)
	}
	for i, v := range was {
		switch v := v.(type) {
		case int64:
			if i == 0 && v > 0 {
				until := time.UnixMicro(v).In(ecpay.Taipei)
				r.Banned = &until
			}
		case string:
			r.Denied = append(r.Denied, v)
		}
	}
	// A task may have been held this moment, and asynq may not have it back yet.
	for range resumeRounds {
		w, err := m.Wake(ctx, id, 0, nil, heldKinds...)
		r.Tasks += w.Tasks
		r.Running = w.Running
		if err != nil || w.Running == 0 {
			return r, err
		}
		select {
		case <-time.After(resumePause):
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	return r, nil
}

// pauses are those of the merchant, as lift.lua wants to know them.
func (m Merchant) pauses() []any {
	ban := int64(0)
	if m.Ban != nil {
		ban = m.Ban.Until.UnixMicro()
	}
	seen := []any{ban}
	for _, d := range m.Denied {
		seen = append(seen, Scope(ecpay.Category(d.Service), d.Fingerprint), d.NextProbe.UnixMicro())
	}
	return seen
}

const (
	resumeRounds = 5
	resumePause  = 200 * time.Millisecond
)
