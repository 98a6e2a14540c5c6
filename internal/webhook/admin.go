package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Admin is what people do with endpoints.
type Admin struct {
	rdb     redis.UniversalClient
	inspect *asynqx.Inspector
	reader  *record.Reader
	put     *asynqx.Client
}

// NewAdmin returns one that uses rdb and never closes it.
func NewAdmin(rdb redis.UniversalClient) *Admin {
	return &Admin{rdb, asynqx.NewInspector(rdb), record.NewReader(rdb), asynqx.NewClient(rdb)}
}

// Audit writes who did what.
func (a *Admin) Audit(ctx context.Context, e ledger.AuditEntry) error {
	return ledger.Audit(ctx, a.rdb, e)
}

// States of an endpoint.
const (
	StateEnabled  = "enabled"
	StateFailing  = "failing"  // since the last delivery
	StateDisabled = "disabled" // until a person enables it
	StatePaused   = "paused"   // by a person, on asynq's page
)

// Status is where an endpoint stands.
type Status struct {
	Name  string `json:"name"`
	URL   string `json:"url"` // without path and query
	State string `json:"state"`
	// Disabled says why it is, Reason and ReasonZh in words.
	Disabled   string     `json:"disabled,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	ReasonZh   string     `json:"reason_zh,omitempty"`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
	// FailingSince is when it failed first after the last delivery, and Failures how often since.
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Failures     int64      `json:"failures"`
	SuccessAt    *time.Time `json:"success_at,omitempty"`
	LastAt       *time.Time `json:"last_at,omitempty"`
	LastResult   string     `json:"last_result,omitempty"`
	LastText     string     `json:"last_text,omitempty"`
	LastTextZh   string     `json:"last_text_zh,omitempty"`
	Resume       *time.Time `json:"resume_at,omitempty"` // until when it wants to be left alone
	// Pending are those that are sent next, Waiting those that wait to be tried again or for an
	// earlier one of their subject, and Dead those that were given up.
	Pending int `json:"pending"`
	Waiting int `json:"waiting"`
	Dead    int `json:"dead"`
	// Missed are those that were no longer kept when they were to be put into the queue.
	Missed int64 `json:"missed"`
}

// Status returns where an endpoint stands.
func (a *Admin) Status(ctx context.Context, e Endpoint) (Status, error) {
	keys := record.WebhookKeysOf(e.Queue())
	v, err := a.rdb.HGetAll(ctx, keys.State).Result()
	if err != nil {
		return Status{}, fmt.Errorf("read the state of webhook %s: %w", e.Name, err)
	}
	q, err := a.inspect.Queue(ctx, e.Queue())
	if err != nil {
		return Status{}, fmt.Errorf("read the queue of webhook %s: %w", e.Name, err)
	}
	at := func(name string) *time.Time {
		ms := record.Number(v[name])
		if ms == 0 {
			return nil
		}
		t := time.UnixMilli(ms).In(ecpay.Taipei)
		return &t
	}
	s := Status{
		Name: e.Name, URL: e.Host(), State: StateEnabled, Failures: record.Number(v["failures"]), FailingSince: at("failing_since"),
		SuccessAt: at("success_at"), LastAt: at("last_at"),
		LastResult: v["last_result"], LastText: v["last_text"], LastTextZh: textZh(v["last_text"]),
		Pending: q.Pending + q.Active, Waiting: q.Retry + q.Scheduled, Dead: q.Archived, Missed: record.Number(v["missed"]),
	}
	if resume := at("resume_at"); resume != nil && resume.After(time.Now()) {
		s.Resume = resume
	}
	switch {
	case v["disabled_at"] != "":
		why := DisabledText(v["disabled_why"])
		s.State, s.DisabledAt, s.Disabled, s.Reason, s.ReasonZh = StateDisabled, at("disabled_at"), v["disabled_why"], why.En, why.Zh
	case q.Paused:
		s.State = StatePaused
	case s.FailingSince != nil:
		s.State = StateFailing
	}
	return s, nil
}

// Enable lets an endpoint that is disabled, paused or left alone go on, and sends at once what
// waits to be tried again. It returns how many those are. Executed again, it does no harm.
func (a *Admin) Enable(ctx context.Context, e Endpoint) (woken int, err error) {
	keys := record.WebhookKeysOf(e.Queue())
	err = a.rdb.HDel(ctx, keys.State, "disabled_at", "disabled_why", "failing_since", "failures", "resume_at", "next_at").Err()
	if err != nil {
		return 0, fmt.Errorf("enable webhook %s: %w", e.Name, err)
	}
	if err := a.inspect.Unpause(ctx, e.Queue()); err != nil {
		return 0, fmt.Errorf("take webhook %s out of its pause: %w", e.Name, err)
	}
	if woken, err = a.inspect.RunRetries(ctx, e.Queue()); err != nil {
		return 0, fmt.Errorf("send what waits for webhook %s: %w", e.Name, err)
	}
	return woken, nil
}

// ErrNoOutcome means that there is neither a delivery nor an outcome with an id.
var ErrNoOutcome = errors.New("no delivery has this id, and no outcome that is kept")

// Replay sends one outcome again, by its webhook-id.
func (a *Admin) Replay(ctx context.Context, e Endpoint, id string) error {
	merchantID, position, ok := parseID(id)
	if !ok {
		return fmt.Errorf("%q is no webhook-id; one is like out_2000132_17_1795000000123", id)
	}
	t, err := a.inspect.Task(ctx, e.Queue(), id)
	switch {
	case errors.Is(err, asynqx.ErrNotFound): // it was delivered, or is of a time before the endpoint
		return a.fromFeed(ctx, e, id, merchantID, position)
	case err != nil:
		return err
	case t.State == asynqx.Archived:
		d, err := read(id, t.Payload)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		_, err = newQueue(a.rdb, e.Name).revive(ctx, d)
		return err
	case t.State == asynqx.Pending || t.State == asynqx.Active:
		return nil
	}
	if err := a.inspect.Run(ctx, e.Queue(), id); !errors.Is(err, asynqx.ErrNotFound) {
		return err
	}
	return nil // it was delivered at this moment
}

// fromFeed puts an outcome into the queue that is not there.
func (a *Admin) fromFeed(ctx context.Context, e Endpoint, id, merchantID, position string) error {
	o, found, err := a.reader.OutcomeAt(ctx, merchantID, position)
	switch {
	case err != nil:
		return err
	case !found || !e.Owns(merchantID):
		return fmt.Errorf("%s: %w", id, ErrNoOutcome)
	}
	_, err = a.again(ctx, e, o)
	return err
}

// again puts an outcome into the queue, unless it is there.
func (a *Admin) again(ctx context.Context, e Endpoint, o record.Outcome) (stored bool, err error) {
	d, err := encode(o)
	if err == nil {
		err = a.open(ctx, e, d)
	}
	if err != nil {
		return false, err
	}
	_, err = a.put.Enqueue(ctx, d.spec(e.Queue()))
	if errors.Is(err, asynqx.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// open has later ones of the subject wait, also before the first try. Without a task it holds up
// nobody.
func (a *Admin) open(ctx context.Context, e Endpoint, d delivery) error {
	if err := a.rdb.ZAddNX(ctx, record.WebhookKeysOf(e.Queue()).Open, redis.Z{Member: d.member}).Err(); err != nil {
		return fmt.Errorf("open a delivery: %w", err)
	}
	return nil
}

// parseID is a webhook-id taken apart.
func parseID(id string) (merchantID, position string, ok bool) {
	rest, ok := strings.CutPrefix(id, "out_")
	ms := strings.LastIndexByte(rest, '_')
	if !ok || ms < 0 {
		return "", "", false
	}
	seq := strings.LastIndexByte(rest[:ms], '_')
	if seq < 1 {
		return "", "", false
	}
	merchantID, position = rest[:seq], rest[ms+1:]+"-"+rest[seq+1:ms]
	return merchantID, position, !strings.ContainsAny(merchantID, "{}") && record.IsPosition(position)
}

// Range says what is sent again.
type Range struct {
	// Since and Until bound when the outcomes were recorded; a zero one does not.
	Since, Until time.Time
	// Dead is for those alone that were given up.
	Dead bool
	// Progress, when not nil, is told how many were put into the queue so far.
	Progress func(n int)
}

func (r Range) has(at time.Time) bool {
	return !at.Before(r.Since) && (r.Until.IsZero() || at.Before(r.Until))
}

// ErrStopped means that nothing leaves the queue.
var ErrStopped = errors.New("the endpoint is disabled or paused and its queue is full; enable it first: ecpayq webhook enable")

// ReplayRange sends outcomes again that the endpoint wants: those that were given up, and those that are
// kept. It returns how many were put into the queue; what is there already is not put in again.
func (a *Admin) ReplayRange(ctx context.Context, e Endpoint, r Range) (n int, err error) {
	count := func() {
		if n++; r.Progress != nil {
			r.Progress(n)
		}
	}
	if err := a.revive(ctx, e, r, count); err != nil || r.Dead {
		return n, err
	}
	owners := e.Merchants
	if e.All() {
		if owners, err = a.reader.OutcomeOwners(ctx); err != nil {
			return n, err
		}
	}
	for some := range slices.Chunk(owners, merchantsAtOnce) {
		q := record.OutcomeQuery{Merchants: some, Since: r.Since, Limit: outcomesAtOnce}
		for {
			if err := a.room(ctx, e); err != nil {
				return n, err
			}
			page, err := a.reader.Outcomes(ctx, q)
			if gap := (*record.OutcomeGapError)(nil); errors.As(err, &gap) {
				q.After = gap.Next // removed while it was read
				continue
			}
			if err != nil {
				return n, err
			}
			for _, o := range page.Outcomes {
				if !e.Wants(o) || !r.has(o.At) {
					continue
				}
				stored, err := a.again(ctx, e, o)
				if err != nil {
					return n, err
				}
				if stored {
					count()
				}
			}
			if q.After = page.Next; len(page.Outcomes) == 0 {
				break
			}
		}
	}
	return n, nil
}

// revive sends those again that were given up.
func (a *Admin) revive(ctx context.Context, e Endpoint, r Range, count func()) error {
	const size = 500
	var list []delivery
	for page := 1; ; page++ { // all of them first: pages move when one leaves
		some, err := a.inspect.ArchivedTasks(ctx, e.Queue(), page, size)
		if err != nil {
			return err
		}
		for _, t := range some {
			var o record.Outcome
			if d, err := read(t.ID, t.Payload); err == nil && json.Unmarshal(t.Payload, &o) == nil && r.has(o.At) {
				list = append(list, d)
			}
		}
		if len(some) < size {
			break
		}
	}
	slices.SortFunc(list, func(a, b delivery) int { return strings.Compare(a.member, b.member) })
	q := newQueue(a.rdb, e.Name)
	for _, d := range list {
		revived, err := q.revive(ctx, d)
		if err != nil {
			return err
		}
		if revived {
			count()
		}
	}
	return nil
}

// ErrNotGivenUp means that there is no delivery with an id that was given up.
var ErrNotGivenUp = errors.New("no delivery with this id was given up")

// Discard removes a delivery that was given up, at a person's word.
func (a *Admin) Discard(ctx context.Context, e Endpoint, id string) error {
	switch ok, err := newQueue(a.rdb, e.Name).discard(ctx, id); {
	case err != nil:
		return fmt.Errorf("discard %s: %w", id, err)
	case !ok:
		return fmt.Errorf("%s: %w", id, ErrNotGivenUp)
	}
	return nil
}

// room waits until the queue has room.
func (a *Admin) room(ctx context.Context, e Endpoint) error {
	for {
		q, err := a.inspect.Queue(ctx, e.Queue())
		switch {
		case err != nil:
			return err
		case q.Pending < MaxOpen:
			return nil
		case q.Paused:
			return ErrStopped
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Test sends an outcome that is none, and returns what came back.
func Test(ctx context.Context, e Endpoint, agent string) (id string, a Answer, err error) {
	now := time.Now().In(ecpay.Taipei)
	body, err := json.Marshal(record.Outcome{ID: "test", Type: "test", MerchantID: AllMerchants, State: "test", At: now})
	if err != nil {
		return "", Answer{}, err
	}
	id = fmt.Sprintf("test_%d", now.UnixMilli())
	s := NewSender(e, agent)
	defer s.Close()
	return id, s.Send(ctx, e, id, body), nil
}
