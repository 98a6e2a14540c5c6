package enqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// items makes a batch of payloads.
func items(payloads ...tasks.Payload) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, p := range payloads {
			if !yield(Item{Payload: p}) {
				return
			}
		}
	}
}

// one of every type.
func oneOfEach() []tasks.Payload {
	return []tasks.Payload{
		ptrTo(trigger("EACH")),
		&tasks.B2CCancelDelayIssue{MerchantID: "2000132", Tsr: "EACH"},
		ptrTo(void("VG11000002", "訂單取消")),
		&tasks.B2BInvalidConfirm{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2026-11-01"},
		&tasks.B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1"},
	}
}

// everything in a Redis, in a form that can be compared: of a message, the order
// of its headers and their time and nonce do not count, nor does the moment at
// which a task became pending.
func everything(t *testing.T, rdb *redis.Client) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, key := range rdb.Keys(t.Context(), "*").Val() {
		switch typ := rdb.Type(t.Context(), key).Val(); typ {
		case "hash":
			m := rdb.HGetAll(t.Context(), key).Val()
			if _, ok := m["pending_since"]; ok {
				m["pending_since"] = "some time"
			}
			fields := map[string]any{}
			for k, v := range m {
				fields[k] = v
			}
			fields["msg"] = message(t, m["msg"])
			all[key] = fields
		case "list":
			all[key] = rdb.LRange(t.Context(), key, 0, -1).Val()
		case "zset":
			all[key] = rdb.ZRangeWithScores(t.Context(), key, 0, -1).Val()
		case "set":
			members := rdb.SMembers(t.Context(), key).Val()
			slices.Sort(members)
			all[key] = members
		default:
			t.Fatalf("%s is a %s", key, typ)
		}
		if ttl := rdb.TTL(t.Context(), key).Val(); ttl >= 0 {
			t.Errorf("%s has a life of %s", key, ttl)
		}
	}
	return all
}

// message lists the fields of a message of asynq's as they are on the wire.
func message(t *testing.T, msg string) (list []string) {
	t.Helper()
	for b := []byte(msg); len(b) > 0; {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal("no message of asynq's")
		}
		size := protowire.ConsumeFieldValue(number, typ, b[n:])
		if size < 0 {
			t.Fatal("no message of asynq's")
		}
		list = append(list, fmt.Sprintf("%d/%d %q", number, typ, b[n:n+size]))
		b = b[n+size:]
	}
	slices.Sort(list)
	return list
}

// TestABatchWritesByteForByteWhatAsynqsClientWrites fails when another version of
// asynq stores tasks in another way.
func TestABatchWritesByteForByteWhatAsynqsClientWrites(t *testing.T) {
	t.Parallel()
	ours, theirs := redistest.New(t, redistest.Options{AppendFsync: "no"}), redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := newClient(t, ours)
	now := time.Now()
	c.cfg.Now = func() time.Time { return now }
	c.nonce, c.spread = func() string { return "NONCE123" }, tasks.NewSpread(tasks.Every(0))
	plain := asynq.NewClientFromRedisClient(theirs.Client())
	later := now.Add(time.Hour).Truncate(time.Second)
	var batch []Item
	for i := range 3 * chunkSize / 5 {
		for _, p := range oneOfEach() {
			switch p := p.(type) {
			case *tasks.B2CTriggerIssue:
				p.Tsr = fmt.Sprintf("EACH%d", i)
			case *tasks.B2CCancelDelayIssue:
				p.Tsr = fmt.Sprintf("EACH%d", i)
			case *tasks.B2BInvalid:
				p.InvoiceNumber = fmt.Sprintf("VG%08d", i)
			case *tasks.B2BInvalidConfirm:
				p.InvoiceNumber = fmt.Sprintf("VG%08d", i)
			case *tasks.B2BGetAllowanceConfirm:
				p.AllowanceNo = fmt.Sprint(i)
			}
			item, h := Item{Payload: p}, tasks.Headers{Enqueued: now, Nonce: "NONCE123"}
			options := asynqOptions(p)
			if i%3 == 0 {
				item.Options, h.ProcessAt = []Option{ProcessAt(later)}, later
				options = append(options, asynq.ProcessAt(later))
			}
			batch = append(batch, item)
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			stored, err := tasks.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := plain.EnqueueContext(t.Context(), asynq.NewTaskWithHeaders(tasks.TypeOf(p).Name, stored, h.Map(), options...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for r := range c.Batch(t.Context(), slices.Values(batch)) {
		if r.Err != nil || r.Receipt.Duplicate {
			t.Fatalf("%+v", r)
		}
	}
	want, got := everything(t, theirs.Client()), everything(t, ours.Client())
	if len(want) < len(batch) {
		t.Fatalf("%d keys are compared, want those of %d tasks", len(want), len(batch))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Redis (-asynq's client +a batch):\n%s", diff)
	}
}

// sent is a hook that keeps the commands that a client sends.
type sent struct {
	process  func(ctx context.Context, cmd redis.Cmder)
	pipeline func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook
}

func (sent) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s sent) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if s.process != nil {
			s.process(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}

func (s sent) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	if s.pipeline != nil {
		return s.pipeline(next)
	}
	return next
}

// outcome is what a shop sees of a result.
type outcome struct {
	state              string
	duplicate, replace bool
	differs            string
	err                string
}

func outcomeOf(r Result) outcome {
	o := outcome{state: r.Receipt.State, duplicate: r.Receipt.Duplicate,
		replace: r.Receipt.Replaced, differs: strings.Join(r.Receipt.Differs, ",")}
	if r.Err != nil {
		o.err = r.Err.Error()
	}
	return o
}

// universal is a Redis of each kind.
func universal(t *testing.T) map[string]string {
	return map[string]string{
		"one server": redistest.New(t, redistest.Options{AppendFsync: "no"}).URL(),
		"sentinel":   redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 1}).URL(),
		"cluster":    redistest.NewCluster(t, 3).URL(),
	}
}

func TestABatchSaysOfEachItemWhatEnqueueWouldSay(t *testing.T) {
	t.Parallel()
	for name, url := range universal(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := ParseRedisURL(url)
			if err != nil {
				t.Fatal(err)
			}
			rdb := redis.NewUniversalClient(o)
			t.Cleanup(func() { _ = rdb.Close() })
			c, err := New(Config{RedisURL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			insp, store := asynq.NewInspectorFromRedisClient(rdb), ledger.New(rdb, time.Hour, time.Now)
			killVoid(t, c, insp, store, "VG00000001", false)
			killVoid(t, c, insp, store, "VG00000002", true)
			killVoid(t, c, insp, store, "VG00000003", true)
			rows := batchItems(t, c, rdb)
			i := 0
			for r := range c.Batch(t.Context(), func(yield func(Item) bool) {
				for _, row := range rows {
					if !yield(row.item) {
						return
					}
				}
			}) {
				row := rows[i]
				if r.Index != i {
					t.Errorf("%s: index %d, want %d", row.name, r.Index, i)
				}
				if diff := cmp.Diff(row.want, outcomeOf(r), cmp.AllowUnexported(outcome{})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", row.name, diff)
				}
				i++
			}
			if i != len(rows) {
				t.Fatalf("%d results, want %d", i, len(rows))
			}
			wantNotStoredAgain(t, insp, rdb)
		})
	}
}

// killVoid enqueues a void that dies; swept, only the ledger has it.
func killVoid(t *testing.T, c *Client, insp *asynq.Inspector, store *ledger.Store, number string, sweep bool) {
	t.Helper()
	r, err := c.Invalid(t.Context(), void(number, "typo"))
	if err != nil {
		t.Fatal(err)
	}
	if err := insp.ArchiveTask("invalid", r.ID); err != nil {
		t.Fatal(err)
	}
	if ok, err := store.Deposit(t.Context(), "invalid", r.ID, "test"); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if sweep {
		if p, err := store.Drop(t.Context(), "invalid", r.ID); err != nil || p != ledger.Dropped {
			t.Fatalf("%s, %v", p, err)
		}
	}
}

// batchItem is an item of a batch and what is said of it.
type batchItem struct {
	name string
	item Item
	want outcome
}

// batchItems are items of every kind, of which some are known before.
func batchItems(t *testing.T, c *Client, rdb redis.UniversalClient) []batchItem {
	t.Helper()
	other := void("VG00000001", "typo")
	other.MerchantID = "3000000" // a ledger of its own, in another slot
	finished := trigger("FINISHED")
	if err := rdb.Set(t.Context(), record.DoneKey(tasks.ID(&finished)), 1, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	asked := oneOfEach()[4]
	if err := rdb.Set(t.Context(), record.DoneKey(tasks.ID(asked)), 1, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TriggerIssue(t.Context(), trigger("PENDING")); err != nil {
		t.Fatal(err)
	}
	return []batchItem{
		{"new", Item{Payload: ptrTo(trigger("NEW"))}, outcome{state: "pending"}},
		{"new, of another queue", Item{Payload: ptrTo(void("VG00000009", "r"))}, outcome{state: "pending"}},
		{"new, for later", Item{Payload: ptrTo(trigger("LATER")), Options: []Option{ProcessIn(time.Hour)}}, outcome{state: "scheduled"}},
		{"the same twice in one batch", Item{Payload: ptrTo(trigger("NEW"))}, outcome{state: "pending", duplicate: true}},
		{"pending", Item{Payload: ptrTo(trigger("PENDING"))}, outcome{state: "pending", duplicate: true}},
		{"pending, and differs", Item{Payload: &tasks.B2CTriggerIssue{MerchantID: "2000132", Tsr: "PENDING", DelayDay: ptrTo(3)}},
			outcome{state: "pending", duplicate: true, differs: "DelayDay"}},
		{"dead", Item{Payload: ptrTo(void("VG00000001", "mended"))}, outcome{state: "dead", duplicate: true, differs: "Reason"}},
		{"dead and swept", Item{Payload: ptrTo(void("VG00000002", "mended"))}, outcome{state: "dead", duplicate: true, differs: "Reason"}},
		{"dead, to be replaced", Item{Payload: ptrTo(void("VG00000003", "mended")), Options: []Option{ReplaceDead()}},
			outcome{state: "pending", replace: true}},
		{"of another merchant", Item{Payload: &other}, outcome{state: "pending"}},
		{"done, and forgotten by asynq", Item{Payload: &finished}, outcome{state: "completed", duplicate: true}},
		{"done, but a question", Item{Payload: asked}, outcome{state: "pending"}},
		{"invalid", Item{Payload: ptrTo(trigger(""))}, outcome{err: "enqueue: B2C TriggerIssue: invalid request: Tsr is required"}},
		{"nothing", Item{}, outcome{err: "enqueue: no payload"}},
		{"new, after all that", Item{Payload: ptrTo(trigger("LAST"))}, outcome{state: "pending"}},
	}
}

// wantNotStoredAgain: a dead task that stands is as it was, and what is in the ledger or done is in no queue.
func wantNotStoredAgain(t *testing.T, insp *asynq.Inspector, rdb redis.UniversalClient) {
	t.Helper()
	finished := trigger("FINISHED")
	if info, err := insp.GetTaskInfo("invalid", tasks.ID(ptrTo(void("VG00000001", "")))); err != nil ||
		info.State != asynq.TaskStateArchived {
		t.Errorf("a dead task that stands: %+v, %v", info, err)
	}
	for _, id := range []string{tasks.ID(ptrTo(void("VG00000002", ""))), tasks.ID(&finished)} {
		for _, queue := range []string{"invalid", "trigger_issue"} {
			if n := rdb.Exists(t.Context(), asynqx.TaskKey(queue, id)).Val(); n != 0 {
				t.Errorf("%s was stored again", id)
			}
		}
	}
}

func TestABatchStoresEveryItemOnceOverManyPipelines(t *testing.T) {
	t.Parallel()
	for name, url := range universal(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := New(Config{RedisURL: url, Interval: tasks.Every(0)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			const n = 3*chunkSize + 7
			for _, run := range []struct {
				name      string
				duplicate bool
			}{{"first run", false}, {"second run", true}} {
				got := 0
				for r := range c.Batch(t.Context(), numbered(n)) {
					if r.Err != nil || r.Index != got || r.Receipt.Duplicate != run.duplicate {
						t.Fatalf("%s: result %d: %+v", run.name, got, r)
					}
					got++
				}
				if got != n {
					t.Errorf("%s: %d results, want %d", run.name, got, n)
				}
			}
			if pending := c.rdb.LLen(t.Context(), "asynq:{trigger_issue}:pending").Val(); pending != n {
				t.Errorf("%d tasks, want %d", pending, n)
			}
		})
	}
}

// TestAnIntentThatIsTwiceInABatchIsStoredAsItIsFirst: in one chunk, where they may
// go by different scripts, and in two that are on their way at once.
func TestAnIntentThatIsTwiceInABatchIsStoredAsItIsFirst(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Redis: redistest.New(t, redistest.Options{AppendFsync: "no"}).Client(), Interval: tasks.Every(0)})
	if err != nil {
		t.Fatal(err)
	}
	first := func(i int) Item {
		item := Item{Payload: ptrTo(trigger(fmt.Sprintf("TWICE%d", i)))}
		if i%2 == 0 {
			item.Options = []Option{ProcessIn(time.Hour)}
		}
		return item
	}
	again := func(i int) Item {
		p := trigger(fmt.Sprintf("TWICE%d", i))
		p.DelayDay = ptrTo(3)
		item := Item{Payload: &p}
		if i%2 == 1 {
			item.Options = []Option{ProcessIn(time.Hour)}
		}
		return item
	}
	batch := []Item{first(0), first(1)}
	const gap = chunkSize - chunkSize/4 // some are repeated in the same chunk, some in the next
	for i := 2; i < 3*chunkSize; i++ {
		batch = append(batch, first(i))
		if i >= gap {
			batch = append(batch, again(i-gap))
		}
	}
	n, repeated := 0, 0
	for r := range c.Batch(t.Context(), slices.Values(batch)) {
		p := batch[r.Index].Payload.(*tasks.B2CTriggerIssue)
		want := outcome{state: record.StatePending}
		if i := strings.TrimPrefix(p.Tsr, "TWICE"); strings.ContainsAny(i[len(i)-1:], "02468") {
			want.state = record.StateScheduled
		}
		if p.DelayDay != nil {
			want.duplicate, want.differs = true, "DelayDay"
			repeated++
		}
		if diff := cmp.Diff(want, outcomeOf(r), cmp.AllowUnexported(outcome{})); diff != "" {
			t.Fatalf("item %d (-want +got):\n%s", r.Index, diff)
		}
		n++
	}
	if n != len(batch) || repeated != 3*chunkSize-gap {
		t.Errorf("%d results, want %d; %d of them repeated, want %d", n, len(batch), repeated, 3*chunkSize-gap)
	}
}

func TestAFlushedItemIsAnsweredBeforeTheNextIsTaken(t *testing.T) {
	t.Parallel()
	c := newClient(t, redistest.New(t, redistest.Options{AppendFsync: "no"}))
	var order []string
	for r := range c.Batch(t.Context(), func(yield func(Item) bool) {
		for _, tsr := range []string{"A", "B"} {
			order = append(order, "take "+tsr)
			if !yield(Item{Payload: ptrTo(trigger(tsr))}) || !yield(Item{Flush: true}) {
				return
			}
		}
		order = append(order, "end")
	}) {
		order = append(order, fmt.Sprint("result ", r.Index, r.Err))
	}
	if diff := cmp.Diff([]string{"take A", "result 0 <nil>", "take B", "result 1 <nil>", "end"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABatchEndsWithItsContextOrWithItsReader(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := newClient(t, srv)
	// Items without end.
	for name, end := range map[string]func(cancel func()) (goOn bool){
		"the context": func(cancel func()) bool { cancel(); return true },
		"the reader":  func(func()) bool { return false },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		taken, stored := 0, 0
		for r := range c.Batch(ctx, func(yield func(Item) bool) {
			for yield(Item{Payload: ptrTo(trigger(fmt.Sprintf("END%d", taken)))}) {
				taken++
			}
		}) {
			if r.Err == nil {
				stored++
			} else if !errors.Is(r.Err, ErrRedis) || !errors.Is(r.Err, context.Canceled) {
				t.Errorf("%s: %v", name, r.Err)
			}
			if r.Index == chunkSize && !end(cancel) {
				break
			}
		}
		cancel()
		if taken > (maxOnWay+2)*chunkSize || stored < chunkSize { // on their way, being taken, and just answered
			t.Errorf("%s: %d items taken, %d known to be stored", name, taken, stored)
		}
	}
}
