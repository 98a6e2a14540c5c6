// Package enqueue is what a shop backend imports: it stores intents as asynq
// tasks in Redis, from where workers carry them to ECPay.
//
// One call per intent, right after the payment. Calling twice is safe: the id is
// made from what is asked for, and the [Receipt] of the second call says so. An
// error that wraps [ErrRedis] leaves open whether the task was stored; call
// again with the same arguments.
package enqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// Errors that a caller can act on. A field that breaks a limit is an
// [*ecpay.ValidationError], found by [errors.As]; nothing was stored then.
var (
	// ErrRedis means that Redis could not be reached within the deadline, or
	// refused. Whether the task was stored is open; calling again is safe.
	ErrRedis = errors.New("redis is not available")
	// ErrStuck means that Redis holds a remnant of an earlier task with this id
	// that asynq can neither list nor run. Nothing was stored.
	ErrStuck = record.ErrStuck
)

// Config configures a [Client].
type Config struct {
	// RedisURL says where Redis is, see [ParseRedisURL]. Either it or Redis is set.
	RedisURL string
	// Redis is an existing client, which Close leaves open.
	Redis redis.UniversalClient
	// Hook, when not nil, sees what is sent to the Redis of RedisURL, to trace or to time it. An existing client has its own.
	Hook redis.Hook
	// Timeout bounds each call, beside the caller's context. Defaults to 5 s.
	Timeout time.Duration
	// Retention is how long asynq keeps a finished task, and with it the dashboard
	// shows it, in whole seconds. Defaults to 24 h; queries keep a minute.
	Retention time.Duration
	// Confirm asks for confirmation by replicas and disk. The zero value asks for
	// none: Redis' own word counts, which with appendfsync always is the disk's.
	Confirm Confirm
	// Interval is the spacing of a merchant's requests, along which a backlog of it
	// is given times, so that it does not stand before other merchants' tasks in the
	// queue. It is best that of the workers. Defaults to 200 ms for all, as ECPay
	// advises; 0 is none.
	Interval func(merchantID string) time.Duration
	// PayloadKeys seal payloads with data of buyers: [ParsePayloadKeys]. Without them such an intent
	// is refused with a [*NoKeyError], and nothing is stored, unless they are [PayloadPlaintext].
	PayloadKeys *PayloadKeys
	// Trace begins a trace for every task; nil for none. See [Trace] for one call.
	Trace TraceFunc
	// Now is the clock. Defaults to [time.Now].
	Now func() time.Time
}

// Client enqueues. It is safe for concurrent use.
type Client struct {
	cfg    Config
	rdb    redis.UniversalClient
	asynq  *asynqx.Client
	reader *record.Reader
	dead   *ledger.Store
	spread *tasks.Spread
	keys   *seal.Ring
	once   *oneTrip
	own    bool
	nonce  func() string
}

// New returns a Client. It does not connect yet: a Redis that is away makes the
// first call fail, not the start of the shop.
func New(cfg Config) (*Client, error) {
	if (cfg.RedisURL == "") == (cfg.Redis == nil) {
		return nil, errors.New("enqueue: give either RedisURL or Redis")
	}
	if cfg.Hook != nil && cfg.Redis != nil {
		return nil, errors.New("enqueue: Hook goes with RedisURL; add it to Redis by AddHook")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Retention == 0 {
		cfg.Retention = tasks.DefaultRetention
	}
	if cfg.Confirm.Timeout == 0 {
		cfg.Confirm.Timeout = time.Second
	}
	if cfg.Timeout < 0 || cfg.Retention < 0 || cfg.Confirm.Timeout < 0 || cfg.Confirm.Replicas < 0 {
		return nil, errors.New("enqueue: Timeout, Retention and Confirm must not be negative")
	}
	if cfg.Retention%time.Second != 0 {
		return nil, fmt.Errorf("enqueue: Retention is %s; it must be whole seconds, because asynq drops what is less", cfg.Retention)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Interval == nil {
		cfg.Interval = tasks.Every(tasks.DefaultInterval)
	}
	c := &Client{cfg: cfg, rdb: cfg.Redis, spread: tasks.NewSpread(cfg.Interval), nonce: tasks.NewNonce, keys: cfg.PayloadKeys}
	if cfg.Redis == nil {
		o, err := ParseRedisURL(cfg.RedisURL)
		if err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
		c.rdb, c.own = impatient(o, cfg.Confirm), true
		if cfg.Hook != nil {
			c.rdb.AddHook(cfg.Hook)
		}
	}
	c.asynq = asynqx.NewClient(c.rdb)
	c.once = newOneTrip(c.rdb)
	c.reader = record.NewReader(c.rdb)
	c.dead = ledger.New(c.rdb, cfg.Retention, cfg.Now).Spread(c.spread).PayloadKeys(c.keys)
	return c, nil
}

// Close closes the connection to Redis if the Client opened it.
func (c *Client) Close() error {
	if c.own {
		return c.rdb.Close()
	}
	return nil
}

// Receipt says what became of one call.
type Receipt struct {
	// ID is the task's id, for `ecpayq task show` and [Client.Task].
	ID    string `json:"id"`
	Type  string `json:"type"`
	Queue string `json:"queue"`
	// State is where the task stands: pending, or scheduled if it waits for a time
	// that was asked for, for a new one; that of the earlier one for a duplicate.
	State string `json:"state"`
	// Duplicate means that the same intent was enqueued before and nothing new
	// was stored.
	Duplicate bool `json:"duplicate"`
	// Differs names the fields in which the earlier task asks for something else,
	// which stands; empty if it asks for the same or cannot be compared any more.
	Differs []string `json:"differs,omitempty"`
	// SealedBy is the id of the key with which the earlier task is sealed, where it is not among
	// Config.PayloadKeys, so that nobody can tell here whether it asks for the same.
	SealedBy string `json:"sealed_by,omitempty"`
	// Replaced means that the earlier task was dead and that this one is run in its
	// place, see [ReplaceDead].
	Replaced bool `json:"replaced,omitempty"`
}

// Option changes one call.
type Option func(*call)

type call struct {
	processAt   time.Time
	trace       map[string]string
	replaceDead bool
	by          string
	err         error
}

// ProcessAt keeps the task until t before it is first run. asynq counts in seconds:
// a part of one is rounded up, so that the task is not early. t is before the year 9999.
func ProcessAt(t time.Time) Option {
	return func(c *call) {
		if c.processAt = wholeSecond(t); t.Year() > LastYear {
			c.err = fmt.Errorf("enqueue: ProcessAt is in the year %d; it must be before %d", t.Year(), LastYear+1)
		}
	}
}

// LastYear is the last to which a task may be put off: the next cannot be written as RFC 3339 in all zones.
const LastYear = 9998

// ProcessIn keeps the task for d before it is first run, and up to a second longer.
// d is whole seconds; asynq would run a task at once that is to wait for less.
func ProcessIn(d time.Duration) Option {
	return func(c *call) {
		if d%time.Second != 0 {
			c.err = fmt.Errorf("enqueue: ProcessIn is %s; it must be whole seconds, because asynq drops what is less", d)
		}
		c.processAt = wholeSecond(time.Now().Add(d))
	}
}

// wholeSecond rounds up, and leaves the time and the zone of what is whole alone.
func wholeSecond(t time.Time) time.Time {
	if down := t.Truncate(time.Second); down.Before(t) {
		return down.Add(time.Second)
	}
	return t
}

// ReplaceDead stores this payload in the place of an earlier task that is dead,
// and runs it. An earlier task in any other state stands, as without the option.
func ReplaceDead() Option { return func(c *call) { c.replaceDead = true } }

// By says who replaces a dead task, for the audit that `ecpayq audit` shows.
// Without it the audit says "enqueue".
func By(who string) Option { return func(c *call) { c.by = who } }

// Trace sends W3C trace context (traceparent, tracestate) along with the task.
func Trace(carrier map[string]string) Option { return func(c *call) { c.trace = carrier } }

// Enqueue stores the task of any intent, a pointer to one of this package's types.
func (c *Client) Enqueue(ctx context.Context, p tasks.Payload, opts ...Option) (Receipt, error) {
	if err := p.Validate(); err != nil {
		return Receipt{}, fmt.Errorf("enqueue: %w", err)
	}
	o := call{by: "enqueue"}.with(opts)
	if o.err != nil {
		return Receipt{}, o.err
	}
	if c.cfg.Trace != nil {
		return c.traced(ctx, p, o)
	}
	return c.enqueue(ctx, p, o)
}

func (o call) with(opts []Option) call {
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// enqueue stores a payload that is valid.
func (c *Client) enqueue(ctx context.Context, p tasks.Payload, o call) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	// A conflict whose task is gone a moment later (done and forgotten in
	// between) is no duplicate: once more.
	for range 3 {
		r, err := c.store(ctx, p, o)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		if err != nil || !c.confirms(r) {
			return r, err
		}
		again, err := c.confirmed(ctx, r)
		if !again {
			return r, err // the receipt stands also when it is not confirmed
		}
	}
	return Receipt{}, fmt.Errorf("enqueue %s: %w", tasks.ID(p), ErrStuck)
}

// intent is a payload on its way into Redis.
type intent struct {
	call
	typ     tasks.Type
	receipt Receipt
	payload tasks.Payload
	stored  []byte
	nonce   string
	now     time.Time // of its enqueue
}

func (c *Client) intent(p tasks.Payload, o call) (intent, error) {
	stored, err := c.keys.Encode(p)
	if err != nil {
		return intent{}, fmt.Errorf("enqueue: %w", err)
	}
	typ := tasks.TypeOf(p)
	return intent{
		call: o, typ: typ, receipt: Receipt{ID: tasks.ID(p), Type: typ.Name, Queue: typ.Queue},
		payload: p, stored: stored, nonce: c.nonce(), now: c.cfg.Now(),
	}, nil
}

// task is what asynq's client is given, for one as for many. It takes a place in
// its merchant's line.
func (c *Client) task(i *intent) asynqx.Spec {
	h := tasks.Headers{Schema: tasks.SchemaOf(i.payload), Enqueued: i.now, ProcessAt: i.processAt, Nonce: i.nonce, Trace: i.trace}
	return asynqx.Spec{
		Type: i.receipt.Type, Queue: i.typ.Queue, ID: i.receipt.ID, Payload: i.stored, Headers: h.Map(),
		Retention: tasks.RetentionOf(i.payload, c.cfg.Retention), ProcessAt: c.spread.Next(i.payload, i.processAt, i.now),
	}
}

func (c *Client) store(ctx context.Context, p tasks.Payload, o call) (Receipt, error) {
	i, err := c.intent(p, o)
	if err != nil {
		return Receipt{}, err
	}
	r := i.receipt
	if i.replaceDead {
		if replaced, answered, err := c.replaceDead(ctx, &i); answered {
			return replaced, err
		}
	}
	state, found, err := c.put(ctx, &i)
	switch {
	case found.stands(p):
		return c.giveBack(&i, func() (Receipt, error) { return c.ended(ctx, &i, found) })
	case err == nil:
		r.State = i.state(state)
		return r, nil
	case errors.Is(err, asynqx.ErrExists):
		return c.conflict(ctx, &i)
	default:
		return Receipt{}, redisError(ctx, r.ID, err)
	}
}

// state is that of a task that was just stored. One that waits for its merchant's
// turn only is pending: nobody asked for a time.
func (i *intent) state(inAsynq string) string {
	if inAsynq == asynqx.Scheduled && !i.processAt.After(i.now) {
		return record.StatePending
	}
	return inAsynq
}

// conflict describes the task whose id exists, and gives the place in line back
// if it is not this one.
func (c *Client) conflict(ctx context.Context, i *intent) (Receipt, error) {
	return c.giveBack(i, func() (Receipt, error) { return c.duplicate(ctx, i, i.nonce) })
}

func (c *Client) giveBack(i *intent, describe func() (Receipt, error)) (Receipt, error) {
	r, err := describe()
	if err != nil || r.Duplicate {
		c.spread.GiveBack(i.payload, i.processAt, i.now)
	}
	return r, err
}

// send obeys ctx also with a client of the caller's that does not.
func (c *Client) send(ctx context.Context, t asynqx.Spec) (state string, err error) {
	return obey(ctx, c.own, func() (string, error) { return c.asynq.Enqueue(ctx, t) })
}

// obey ends with ctx, also where f does not because its Redis client ignores
// contexts; obedient says that it does.
func obey[T any](ctx context.Context, obedient bool, f func() (T, error)) (T, error) {
	if obedient {
		return f()
	}
	return redisx.Within(ctx, f)
}

// duplicate describes the task that was there first; nonce is empty when nothing
// was stored by this call.
func (c *Client) duplicate(ctx context.Context, i *intent, nonce string) (Receipt, error) {
	t, err := c.read(ctx, i.receipt.ID)
	return c.receipt(ctx, i, record.Found{Task: t, Err: err}, nonce)
}

// read obeys ctx also with a client of the caller's that does not.
func (c *Client) read(ctx context.Context, id string) (record.Task, error) {
	return obey(ctx, c.own, func() (record.Task, error) { return c.reader.Get(ctx, id) })
}

// receipt is that of a call whose task was there first, or an error that wraps
// [record.ErrNotFound] when it is gone. With our own nonce it is the one we
// stored: the Redis client repeated the command after it had lost the answer.
func (c *Client) receipt(ctx context.Context, i *intent, t record.Found, nonce string) (Receipt, error) {
	r := i.receipt
	switch {
	case errors.Is(t.Err, record.ErrNotFound):
		return Receipt{}, t.Err
	case errors.Is(t.Err, ErrStuck):
		return Receipt{}, fmt.Errorf("enqueue %s: %w", r.ID, t.Err)
	case t.Err != nil:
		return Receipt{}, redisError(ctx, r.ID, t.Err)
	case t.Unsure:
		// A sweep read the task before a person ended it, and wrote its letter since. That is
		// no earlier task: what this call asks for would be stored nowhere.
		if err := c.settle(ctx, r.Queue, r.ID); err != nil {
			return Receipt{}, redisError(ctx, r.ID, err)
		}
		return Receipt{}, record.ErrNotFound
	}
	r.State = t.State
	r.Duplicate = nonce == "" || tasks.ParseHeaders(t.Headers).Nonce != nonce
	if bytes.Equal(t.Payload, i.stored) {
		return r, nil
	}
	earlier, err := c.keys.Decode(r.ID, t.Type, t.Headers, t.Payload)
	var sealed *seal.KeyError
	switch {
	case err == nil:
		_ = earlier.Validate() // which writes it as ours is: another program may have stored it
		r.Differs = tasks.Differs(i.payload, earlier)
	case errors.As(err, &sealed):
		r.SealedBy = sealed.Key
	}
	return r, nil
}

// settle obeys ctx also with a client of the caller's that does not.
func (c *Client) settle(ctx context.Context, queue, id string) error {
	_, err := obey(ctx, c.own, func() (struct{}, error) { return struct{}{}, c.dead.Settle(ctx, queue, id) })
	return err
}

// Task returns what is known of a task, or an error that wraps
// [record.ErrNotFound].
func (c *Client) Task(ctx context.Context, id string) (record.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if _, _, err := tasks.ParseID(id); err != nil {
		return record.Task{}, err
	}
	t, err := c.read(ctx, id)
	if err == nil || errors.Is(err, record.ErrNotFound) || errors.Is(err, ErrStuck) {
		return t, err
	}
	return t, redisError(ctx, id, err)
}

func redisError(ctx context.Context, id string, err error) error {
	err = record.PlainError(err)
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%s)", context.Cause(ctx), strings.TrimSpace(err.Error()))
	}
	return fmt.Errorf("task %s: %w: %w", id, ErrRedis, err)
}
