package metrics

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// shared is a registry of a Redis of its own.
func shared(t testing.TB, change func(*SharedConfig)) (*prometheus.Registry, *redis.Client, *redistest.Server) {
	t.Helper()
	server := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb := server.Client()
	cfg := SharedConfig{Redis: rdb}
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	if err := WatchShared(reg, cfg); err != nil {
		t.Fatal(err)
	}
	return reg, rdb, server
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dead puts a letter into the ledger, as far as reading goes.
func dead(pipe redis.Pipeliner, id string, kind ecpay.Kind) {
	ctx := context.Background()
	pipe.HSet(ctx, record.TaskKey(id), record.FieldState, string(record.Dead),
		record.FieldKind, kind.String(), record.FieldPayload, "{}", record.FieldQueue, "invalid")
	pipe.ZAdd(ctx, record.DeadKey(id), redis.Z{Score: float64(time.Now().UnixMilli()), Member: id})
	pipe.ZAdd(ctx, record.OwnersKey, redis.Z{Score: float64(time.Now().UnixMilli()), Member: record.Owner(id)})
}

// addMerchants gives each of n a dead letter and a task that waits.
func addMerchants(t testing.TB, rdb *redis.Client, n int) {
	t.Helper()
	var known []string
	pipe := rdb.Pipeline()
	for i := range n {
		id := fmt.Sprintf("b2b.invalid.%d.VG11000001.2026-11-01", 1000000+i)
		dead(pipe, id, ecpay.Rejected)
		pipe.HSet(t.Context(), asynqx.TaskKey("trigger_issue", id), "state", "pending",
			"pending_since", time.Now().UnixNano(), "msg", strings.Repeat("x", 300))
		pipe.LPush(t.Context(), asynqx.Key("trigger_issue", "pending"), id)
		pipe.HSet(t.Context(), record.KeysOfTask(id).Pace, "last", time.Now().UnixMicro())
		known = append(known, record.Owner(id))
	}
	_, err := pipe.Exec(t.Context())
	must(t, err)
	must(t, merchants.New(rdb).Seen(t.Context(), known))
	_, err = deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Logger: zerolog.Nop()}).Sweep(t.Context())
	must(t, err)
}

// trips counts round trips to Redis, without those of a connection that is opened.
type trips struct{ n atomic.Int64 }

func (c *trips) count(cmd redis.Cmder) {
	if name := cmd.Name(); name != "hello" && name != "client" {
		c.n.Add(1)
	}
}

func (c *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.count(cmd); return next(ctx, cmd) }
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.count(cmds[0]); return next(ctx, cmds) }
}

func TestAScrapeCostsTheSameForOneMerchantAndForAThousand(t *testing.T) {
	t.Parallel()
	cost := func(n int, byMerchant bool) (series int, roundTrips int64) {
		reg, rdb, _ := shared(t, func(c *SharedConfig) { c.ByMerchant = byMerchant })
		addMerchants(t, rdb, n)
		count := &trips{}
		rdb.AddHook(count)
		series, err := testutil.GatherAndCount(reg)
		must(t, err)
		return series, count.n.Load()
	}
	one, oneTrips := cost(1, false)
	many, manyTrips := cost(1000, false)
	if most := 72 + 12*len(tasks.Queues()) + len(tasks.Types())*len(record.Kinds()); one != many || one > most { // letters by type and kind
		t.Errorf("got %d series for one merchant and %d for 1000, want the same, and %d at most", one, many, most)
	}
	// Two for each queue, one for the server, two for the ledger and its tally, four
	// for the memory, two for the egress, whose script Redis may not have, one for the
	// merchants; and three for each 500 of them that have requests and dead letters.
	if limit := int64(2*len(tasks.Queues()) + 1 + 2 + 4 + 2 + 1 + 2*3); oneTrips > limit || manyTrips > limit {
		t.Errorf("a scrape took %d round trips with one merchant and %d with 1000, want %d at most", oneTrips, manyTrips, limit)
	}
	if with, _ := cost(1000, true); with != many+1001 {
		t.Errorf("got %d series with one for each merchant and %d without, want 1001 more", with, many)
	}
}

func TestAQueueHasItsSeriesOnceHoweverManyTypesShareIt(t *testing.T) {
	t.Parallel()
	reg, _, _ := shared(t, func(c *SharedConfig) { c.Queues = nil })
	families, err := reg.Gather()
	must(t, err)
	var got []string
	for _, f := range families {
		if f.GetName() == "ecpayq_queue_paused" {
			for _, m := range f.GetMetric() {
				got = append(got, m.GetLabel()[0].GetValue())
			}
		}
	}
	if diff := cmp.Diff(tasks.QueueNames(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADepthAndAnAgeAreThoseOfAsynq(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	reg, rdb, _ := shared(t, func(c *SharedConfig) { c.Queues, c.Now = []string{"invalid"}, func() time.Time { return now } })
	client, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
	put := func(id string, opts ...asynq.Option) {
		t.Helper()
		_, err := client.EnqueueContext(t.Context(), asynq.NewTask("b2b:invalid", nil), append(opts, asynq.TaskID(id), asynq.Queue("invalid"))...)
		must(t, err)
	}
	put("a")
	put("b")
	put("c", asynq.ProcessAt(now.Add(time.Hour)))
	put("d")
	must(t, inspector.ArchiveTask("invalid", "d"))
	must(t, inspector.PauseQueue("invalid"))
	must(t, rdb.HSet(t.Context(), asynqx.TaskKey("invalid", "a"), "pending_since", now.Add(-90*time.Second).UnixNano()).Err())
	must(t, rdb.ZAdd(t.Context(), asynqx.Key("invalid", "archived"), redis.Z{Score: float64(now.Unix() - 3600), Member: "d"}).Err())
	must(t, rdb.ZAdd(t.Context(), asynqx.Key("invalid", "retry"),
		redis.Z{Score: float64(now.Unix() - 5), Member: "e"}, redis.Z{Score: float64(now.Unix() + 5), Member: "f"}).Err())
	must(t, rdb.LPush(t.Context(), asynqx.Key("invalid", "active"), "g", "h").Err())
	must(t, rdb.ZAdd(t.Context(), asynqx.Key("invalid", "lease"), redis.Z{Score: float64(now.Unix()), Member: "g"}).Err())
	want := map[string]float64{
		"ecpayq_queue_tasks invalid pending": 2, "ecpayq_queue_tasks invalid scheduled": 1, "ecpayq_queue_tasks invalid archived": 1,
		"ecpayq_queue_tasks invalid retry": 2, "ecpayq_queue_tasks invalid active": 2, "ecpayq_queue_tasks invalid completed": 0,
		"ecpayq_queue_oldest_age_seconds invalid pending": 90, "ecpayq_queue_oldest_age_seconds invalid scheduled": 0,
		"ecpayq_queue_oldest_age_seconds invalid retry": 5, "ecpayq_queue_oldest_age_seconds invalid archived": 3600,
		"ecpayq_queue_paused invalid": 1, "ecpayq_queue_stranded_tasks invalid": 1,
	}
	if diff := cmp.Diff(want, series(t, reg, "ecpayq_queue")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABrokenQueueLosesOnlyItsOwnSeries(t *testing.T) {
	t.Parallel()
	reg, rdb, _ := shared(t, nil)
	whole := series(t, reg, "ecpayq_")
	for _, row := range []struct {
		name, key string
		lost      []string
	}{
		{"a list that is a string", asynqx.Key("invalid", "pending"),
			[]string{"ecpayq_queue_tasks invalid pending", "ecpayq_queue_oldest_age_seconds invalid pending"}},
		{"a set that is a string", asynqx.Key("invalid", "retry"),
			[]string{"ecpayq_queue_tasks invalid retry", "ecpayq_queue_oldest_age_seconds invalid retry"}},
		{"leases that are a string", asynqx.Key("invalid", "lease"), []string{"ecpayq_queue_stranded_tasks invalid"}},
	} {
		must(t, rdb.Set(t.Context(), row.key, "x", 0).Err())
		got := series(t, reg, "ecpayq_")
		var lost []string
		for name := range whole {
			if _, ok := got[name]; !ok {
				lost = append(lost, name)
			}
		}
		slices.Sort(lost)
		slices.Sort(row.lost)
		if diff := cmp.Diff(row.lost, lost); diff != "" {
			t.Errorf("%s: series that are gone (-want +got):\n%s", row.name, diff)
		}
		must(t, rdb.Del(t.Context(), row.key).Err())
	}
	// asynq's own reader fails for all queues when one task has lost its hash.
	must(t, rdb.SAdd(t.Context(), "asynq:queues", "invalid").Err())
	must(t, rdb.LPush(t.Context(), asynqx.Key("invalid", "pending"), "without a hash").Err())
	if _, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo("invalid"); err == nil {
		t.Error("asynq reads a queue whose task has no hash: this shows nothing")
	}
	got := series(t, reg, "ecpayq_")
	if got["ecpayq_queue_tasks invalid pending"] != 1 || len(got) != len(whole) {
		t.Errorf("with a task that has no hash: %d series, want %d; %v pending, want 1",
			len(got), len(whole), got["ecpayq_queue_tasks invalid pending"])
	}
}

func TestTheLedgerIsShownByTypeAndKindAndAbsentWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	now := time.Now()
	reg, rdb, server := shared(t, func(c *SharedConfig) { c.Now = func() time.Time { return now } })
	pipe := rdb.Pipeline()
	dead(pipe, "b2b.invalid.2000132.VG11000001.2026-11-01", ecpay.Rejected)
	dead(pipe, "b2b.invalid.2000132.VG11000002.2026-11-01", ecpay.Rejected)
	dead(pipe, "b2c.trigger_issue.3000001.ORDER1", ecpay.Ambiguous)
	dead(pipe, "by other means", ecpay.Unknown)
	_, err := pipe.Exec(t.Context())
	must(t, err)
	if got := series(t, reg, "ecpayq_dead_letters"); len(got) != 1 || got["ecpayq_dead_letters"] != 4 {
		t.Errorf("before a sweep: got %v, want the sum alone, 4", got)
	}
	_, err = deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Logger: zerolog.Nop()}).Sweep(t.Context())
	must(t, err)
	got := series(t, reg, "ecpayq_dead_letters")
	if want := 1 + len(typeNames())*len(record.Kinds()); len(got) != want {
		t.Errorf("got %d series, want %d: zeros are to be seen", len(got), want)
	}
	maps.DeleteFunc(got, func(_ string, v float64) bool { return v == 0 })
	want := map[string]float64{
		"ecpayq_dead_letters": 4, "ecpayq_dead_letters_by_kind Rejected b2b:invalid": 2,
		"ecpayq_dead_letters_by_kind Ambiguous b2c:trigger_issue": 1, "ecpayq_dead_letters_by_kind Unknown other": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	server.Kill()
	now = now.Add(memoryEvery)
	got = series(t, reg, "ecpayq_")
	maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.HasPrefix(name, "ecpayq_redis_writable ") })
	if diff := cmp.Diff(map[string]float64{"ecpayq_redis_up": 0}, got); diff != "" {
		t.Errorf("while Redis is away (-want +got):\n%s", diff)
	}
}

func TestWhatMakesRedisForgetIsShown(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "everysec"}).Client()
	reg := prometheus.NewRegistry()
	must(t, WatchShared(reg, SharedConfig{Redis: rdb}))
	show := func() map[string]float64 {
		got := series(t, reg, "ecpayq_redis_durable", "ecpayq_redis_max", "ecpayq_redis_used", "ecpayq_redis_up")
		if got["ecpayq_redis_used_memory_bytes"] < 100_000 {
			t.Errorf("got %v bytes of used memory", got["ecpayq_redis_used_memory_bytes"])
		}
		delete(got, "ecpayq_redis_used_memory_bytes")
		return got
	}
	want := map[string]float64{
		"ecpayq_redis_up": 1, "ecpayq_redis_max_memory_bytes": 0, "ecpayq_redis_durable append_only": 1, "ecpayq_redis_durable fsync_always": 0,
		"ecpayq_redis_durable disk_writable": 1, "ecpayq_redis_durable evicts_nothing": 1,
	}
	for _, set := range [][2]string{{"", ""}, {"appendfsync", "always"},
		{"maxmemory", "200mb"}, {"maxmemory-policy", "allkeys-lru"}, {"appendonly", "no"}} {
		switch set[0] {
		case "appendfsync":
			want["ecpayq_redis_durable fsync_always"] = 1
		case "maxmemory":
			want["ecpayq_redis_max_memory_bytes"] = 200 << 20
		case "maxmemory-policy":
			want["ecpayq_redis_durable evicts_nothing"] = 0
		case "appendonly":
			want["ecpayq_redis_durable append_only"] = 0
		}
		if set[0] != "" {
			must(t, rdb.ConfigSet(t.Context(), set[0], set[1]).Err())
		}
		if diff := cmp.Diff(want, show()); diff != "" {
			t.Errorf("with %s %s (-want +got):\n%s", set[0], set[1], diff)
		}
	}
}

func TestMemoryByPurposeAddsUpAndTellsTasksFromMarkers(t *testing.T) {
	t.Parallel()
	reg, rdb, _ := shared(t, nil)
	const n = 2000
	pipe := rdb.Pipeline()
	for i := range n {
		id := fmt.Sprintf("b2b.invalid.2000132.VG%08d.2026-11-01", i)
		pipe.HSet(t.Context(), asynqx.TaskKey("invalid", id), "state", "pending", "msg", strings.Repeat("x", 400))
		pipe.LPush(t.Context(), asynqx.Key("invalid", "pending"), id)
		pipe.Set(t.Context(), record.DoneKey(id), "1", time.Hour)
		pipe.HSet(t.Context(), record.TaskKey(id), "state", "done")
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: record.OwnerOutcomesKey("2000132"), Values: []string{"id", id}})
		pipe.SAdd(t.Context(), record.OutcomeOwnersKey, "2000132")
	}
	_, err := pipe.Exec(t.Context())
	must(t, err)
	// What it really is.
	want := map[string]float64{}
	iter := rdb.Scan(t.Context(), 0, "*", 1000).Iterator()
	for iter.Next(t.Context()) {
		size, err := rdb.MemoryUsage(t.Context(), iter.Val(), 0).Result()
		must(t, err)
		purpose := purposeOf(iter.Val())
		if strings.HasSuffix(iter.Val(), "}:pending") {
			purpose = purposeQueues
		}
		want[purpose] += float64(size)
	}
	must(t, iter.Err())
	got := series(t, reg, "ecpayq_redis_memory_bytes")
	if len(got) != len(Purposes()) {
		t.Errorf("got %d purposes, want %d", len(got), len(Purposes()))
	}
	for _, p := range []string{purposeTasks, purposeMarkers, purposeRecords, purposeQueues, purposeOutcomes} {
		if v := got["ecpayq_redis_memory_bytes "+p]; want[p] == 0 || v < want[p]*0.6 || v > want[p]*1.4 {
			t.Errorf("%s: got %.0f bytes, want about %.0f", p, v, want[p])
		}
	}
	// It is not measured anew for every scrape.
	must(t, rdb.FlushAll(t.Context()).Err())
	if diff := cmp.Diff(got, series(t, reg, "ecpayq_redis_memory_bytes")); diff != "" {
		t.Errorf("a moment later (-want +got):\n%s", diff)
	}
}

func TestEveryKeyOfOursHasAPurpose(t *testing.T) {
	t.Parallel()
	const id = "b2b.invalid.2000132.VG11000001.2026-11-01"
	probeKey, _ := record.ProbeKeys(3)
	for key, want := range map[string]string{
		record.TaskKey(id): purposeRecords, record.DoneKey(id): purposeMarkers,
		record.LockKey(id): purposePace, record.KeysOfTask(id).Pace: purposePace,
		record.KeysOfTask(id).Flight: purposePace, record.KeysOfTask(id).Held: purposePace, record.MerchantsKey: purposePace,
		record.DeniedKey: purposePace, record.EgressKeys("default")[0]: purposePace,
		record.DeadKey(id): purposeLedger, record.OwnersKey: purposeLedger, record.UnsureKey: purposeLedger,
		record.SweepKey: purposeLedger, record.ScanKey: purposeLedger, record.TallyKey: purposeLedger, record.AuditKey: purposeAudit,
		record.ScheduleKey("night", "spec"): purposeSchedules,
		record.ScheduleKey("dead", "spec"):  purposeSchedules, record.BarrierKey("invalid"): purposePace,
		record.ReplicationKey(redisx.TopologyOf(&redis.Client{}), id):        purposePace,
		record.ReplicationKey(redisx.TopologyOf(&redis.ClusterClient{}), id): purposePace,
		asynqx.TaskKey("invalid", id):                                        purposeTasks,
		asynqx.Key("invalid", "processed"):                                   purposeAsynq, "asynq:queues": purposeAsynq,
		record.OwnerOutcomesKey("2000132"): purposeOutcomes, record.OutcomeOwnersKey: purposeOutcomes, record.IdempotencyKey("0a"): purposeAPI,
		record.OutboxKey: purposePace, probeKey: purposePace, "somebody else's": other, "ecpayq": other,
	} {
		if got := purposeOf(key); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

func TestMerchantsThatAreHeldAndAPausedEgressAreShown(t *testing.T) {
	t.Parallel()
	reg, rdb, _ := shared(t, nil)
	show := func(want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, series(t, reg, "ecpayq_merchants", "ecpayq_egress")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want := map[string]float64{
		"ecpayq_merchants known": 0, "ecpayq_merchants banned": 0, "ecpayq_merchants denied": 0,
		"ecpayq_egress_paused address": 0, "ecpayq_egress_paused outage": 0,
	}
	show(want)
	g := gate.New(rdb, redisx.Confirm{})
	attempt := func(merchant, token string) gate.Attempt {
		a := gate.Attempt{Keys: record.KeysOfTask("b2b.invalid." + merchant + ".VG11000001.2026-11-01"), Token: token, LockFor: time.Minute}
		_, err := g.Begin(t.Context(), a, time.Now())
		must(t, err)
		return a
	}
	for i, merchant := range []string{"1000001", "1000002", "1000003"} {
		a := attempt(merchant, "t"+merchant)
		_, err := g.Enter(t.Context(), a, gate.Request{Name: "1", InFlight: 8, Life: time.Minute, Now: time.Now()})
		must(t, err)
		must(t, merchants.New(rdb).Seen(t.Context(), []string{merchant}))
		if i < 2 {
			must(t, g.Leave(t.Context(), a, gate.Result{State: record.Held, Banned: time.Hour, Kind: ecpay.Throttled}))
		}
		want["ecpayq_merchants known"]++
		want["ecpayq_merchants banned"] = float64(min(i+1, 2))
		show(want)
		_, err = gate.NewEgress(rdb, worker.DefaultEgress, 0).Forbidden(t.Context(), a, merchant, time.Hour)
		must(t, err)
	}
	want["ecpayq_egress_paused address"] = 1
	show(want)
	_, began, err := g.Answered(t.Context(), attempt("1000004", "t4"), gate.Scope("B2B", "F"), gate.KeysRefused, "110")
	if err != nil || !began {
		t.Fatal(began, err)
	}
	want["ecpayq_merchants known"]++
	want["ecpayq_merchants denied"] = 1
	show(want)
}

func TestASchedulesDelayIsShown(t *testing.T) {
	t.Parallel()
	late, err := map[string]time.Duration{"nightly": 0, "hourly": time.Minute}, error(nil)
	reg, _, _ := shared(t, func(c *SharedConfig) {
		c.Overdue = func(context.Context) (map[string]time.Duration, error) { return late, err }
	})
	want := map[string]float64{"ecpayq_schedule_overdue_seconds nightly": 0, "ecpayq_schedule_overdue_seconds hourly": 60}
	if diff := cmp.Diff(want, series(t, reg, "ecpayq_schedule")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err = context.DeadlineExceeded; len(series(t, reg, "ecpayq_schedule")) != 0 {
		t.Error("shown although it is not known")
	}
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{1, 1000, 10000} {
		b.Run(fmt.Sprintf("%d merchants", n), func(b *testing.B) {
			reg, rdb, _ := shared(b, nil)
			addMerchants(b, rdb, n)
			for b.Loop() {
				if _, err := reg.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWhyRedisTakesNoWritesIsShown(t *testing.T) {
	t.Parallel()
	reg, rdb, server := shared(t, nil)
	want := func(what string, reason redishealth.Reason) {
		t.Helper()
		// The result of a probe counts for a second.
		for end := time.Now().Add(20 * time.Second); ; {
			all := map[string]float64{}
			for _, r := range redishealth.Reasons() {
				all["ecpayq_redis_writable "+string(r)] = flag(r != reason)
			}
			diff := cmp.Diff(all, series(t, reg, "ecpayq_redis_writable"))
			if diff == "" {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%s (-want +got):\n%s", what, diff)
				return
			}
			must(t, redistest.Sleep(t.Context(), 50*time.Millisecond))
		}
	}
	want("a sound Redis", "")
	must(t, rdb.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	want("without replicas", redishealth.FewReplicas)
	must(t, rdb.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err())
	want("a sound Redis again", "")
	server.Freeze()
	want("a frozen one", redishealth.Timeout)
	server.Kill()
	want("without Redis", redishealth.Refused)
}
