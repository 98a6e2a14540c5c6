package metrics

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// SharedConfig configures a [Shared].
type SharedConfig struct {
	// Redis is used and never closed.
	Redis redis.UniversalClient
	// Probe says whether workers can use it. Defaults to one of Redis.
	Probe *redishealth.Probe
	// Queues are those that are read. Defaults to ours.
	Queues []string
	// ByMerchant adds the dead letters of each merchant, see [Config].
	ByMerchant bool
	// Egress is the one that is shown. Defaults to [worker.DefaultEgress].
	Egress string
	// Overdue says of each replay schedule for how long it should have fired, 0 for not;
	// nil without schedules.
	Overdue func(context.Context) (map[string]time.Duration, error)
	// Reconciled says what each schedule that compares invoices found last; nil without such schedules.
	Reconciled func(context.Context) (map[string]reconcile.Tally, error)
	// Now is the clock. Defaults to [time.Now].
	Now func() time.Time
}

// Shared reads what all workers share from Redis, when it is asked for: every
// worker shows the same. What cannot be read is absent, since no number would be
// true, and takes nothing else with it: each queue is read by itself. A scrape
// takes a few round trips, the longest chain of them ending after [scrapeTimeout],
// however many tasks there are; of merchants, 500 that have dead letters cost one more,
// and 500 that had requests lately two.
type Shared struct {
	cfg         SharedConfig
	ledger      *deadletter.Ledger
	standing    *merchants.Inspector
	egressState *gate.Egress
	memory      *memory
}

// scrapeTimeout keeps a scrape from waiting for Redis.
const scrapeTimeout = time.Second

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	redisUp     = desc("ecpayq_redis_up", "1 when Redis answers, 0 when it does not; then most of what follows is absent.")
	redisWrites = desc("ecpayq_redis_writable",
		"0 for the reason why workers cannot use Redis: a script of theirs, which writes, fails; 1 for every other reason.", "reason")
	redisDurable = desc("ecpayq_redis_durable", "1 for each condition under which Redis keeps what it was given, "+
		"0 where it is not met; of a cluster the worst node. Absent where Redis does not tell.", "condition")
	redisUsed    = desc("ecpayq_redis_used_memory_bytes", "Memory that Redis uses, of a cluster the sum.")
	redisMax     = desc("ecpayq_redis_max_memory_bytes", "Redis' maxmemory, of a cluster the sum; 0 for no limit.")
	redisEvicted = desc("ecpayq_redis_evicted_keys_total", "Keys that Redis dropped for lack of memory since it started.")

	queueTasks = desc("ecpayq_queue_tasks", "Tasks in asynq by queue and state.", "queue", "state")
	queueAge   = desc("ecpayq_queue_oldest_age_seconds", "Of the oldest task in the state: since when it could "+
		"be taken (pending), for how long it is overdue (scheduled, retry) or dead (archived); 0 without one.", "queue", "state")
	queuePaused   = desc("ecpayq_queue_paused", "1 while the queue is paused: nothing is taken from it.", "queue")
	queueStranded = desc("ecpayq_queue_stranded_tasks",
		"Tasks that asynq takes for running although no worker answers for them, and which it does not bring back.", "queue")

	letters         = desc("ecpayq_dead_letters", "Dead tasks in the ledger that wait for a person or a replay; of the whole Redis.")
	lettersByKind   = desc("ecpayq_dead_letters_by_kind", "The same by task type and what they died of, as of the last sweep.", "type", "kind")
	merchantLetters = desc("ecpayq_merchant_dead_letters", "Dead tasks in the ledger by merchant, of those that have some.", "merchant_id")

	merchantStates = desc("ecpayq_merchants", "Merchants that had requests within two days or are held (known), "+
		"and of those the ones that ECPay wants no requests of (banned) or whose keys it refuses (denied).", "state")
	egressPaused = desc("ecpayq_egress_paused",
		"1 while nothing of any merchant is sent by this address: ECPay bans it (address), or answers nobody (outage).", "reason")
	overdue = desc("ecpayq_schedule_overdue_seconds",
		"For how long a replay schedule should have fired and has not; 0 when it is in time.", "schedule")
	findings = desc("ecpayq_reconcile_findings",
		"What the last comparison of a schedule with ECPay's invoices found, by kind; failed are merchants that could not be compared.",
		"schedule", "kind")
	lowNumbers = desc("ecpayq_invoice_numbers_low",
		"Terms of merchants that have no invoice numbers, or whose numbers end within a week, as of the last run of a schedule that compares.",
		"schedule")

	redisMemory = desc("ecpayq_redis_memory_bytes",
		"Memory of Redis by purpose: estimated from a sample of keys, once a minute at most.", "purpose")
)

// WatchShared registers the series.
func WatchShared(reg prometheus.Registerer, cfg SharedConfig) error {
	if cfg.Queues == nil {
		cfg.Queues = tasks.QueueNames() // types may share one
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Probe == nil {
		cfg.Probe = redishealth.NewProbe(cfg.Redis)
	}
	if cfg.Egress == "" {
		cfg.Egress = worker.DefaultEgress
	}
	return reg.Register(&Shared{
		cfg: cfg, ledger: deadletter.New(deadletter.Config{Redis: cfg.Redis}),
		standing: merchants.New(cfg.Redis), egressState: gate.NewEgress(cfg.Redis, cfg.Egress, 0),
		memory: &memory{rdb: cfg.Redis, queues: cfg.Queues, now: cfg.Now},
	})
}

// Describe implements [prometheus.Collector].
func (s *Shared) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		redisUp, redisWrites, redisDurable, redisUsed, redisMax, redisEvicted, queueTasks, queueAge, queuePaused, queueStranded,
		letters, lettersByKind, merchantLetters, merchantStates, egressPaused, overdue, findings, lowNumbers, redisMemory,
	} {
		ch <- d
	}
}

// sink takes values of a scrape.
type sink chan<- prometheus.Metric

func (ch sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func flag(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// Collect implements [prometheus.Collector].
func (s *Shared) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var parts sync.WaitGroup
	for _, part := range []func(context.Context, sink){s.server, s.writable,
		s.letters, s.lettersByKind, s.merchants, s.egress, s.schedules, s.reconciled, s.byPurpose} {
		parts.Go(func() { part(ctx, ch) })
	}
	for _, q := range s.cfg.Queues {
		parts.Go(func() { s.queue(ctx, ch, q) })
	}
	parts.Wait()
}

// server reads how Redis keeps what it was given.
func (s *Shared) server(ctx context.Context, ch sink) {
	var all serverInfo
	var mu sync.Mutex
	askConfig := redisx.TopologyOf(s.cfg.Redis).MayAskConfig()
	err := redisx.ForEachMaster(ctx, s.cfg.Redis, func(ctx context.Context, node redis.Cmdable) error {
		one, err := readServer(ctx, node, askConfig)
		mu.Lock()
		defer mu.Unlock()
		all.add(one)
		return err
	})
	ch.gauge(redisUp, flag(err == nil))
	if err != nil {
		return
	}
	for condition, met := range all.durable {
		ch.gauge(redisDurable, flag(met), condition)
	}
	if !all.told {
		return // INFO is refused
	}
	ch.gauge(redisUsed, all.used)
	ch.gauge(redisMax, all.limit)
	ch <- prometheus.MustNewConstMetric(redisEvicted, prometheus.CounterValue, all.evicted)
}

// writable probes Redis as workers use it.
func (s *Shared) writable(ctx context.Context, ch sink) {
	why := redishealth.ReasonOf(s.cfg.Probe.Check(ctx))
	for _, reason := range redishealth.Reasons() {
		ch.gauge(redisWrites, flag(reason != why), string(reason))
	}
}

func (s *Shared) letters(ctx context.Context, ch sink) {
	sizes, err := s.ledger.Sizes(ctx)
	if err != nil {
		return
	}
	total, rest, shown := int64(0), int64(0), 0
	for owner, n := range sizes {
		total += n
		switch {
		case n == 0 || !s.cfg.ByMerchant:
		case owner == record.NoOwner || shown >= MaxMerchants:
			rest += n
		default:
			shown++
			ch.gauge(merchantLetters, float64(n), owner)
		}
	}
	ch.gauge(letters, float64(total))
	if s.cfg.ByMerchant {
		ch.gauge(merchantLetters, float64(rest), other)
	}
}

func (s *Shared) lettersByKind(ctx context.Context, ch sink) {
	tally, err := s.ledger.Tally(ctx)
	if err != nil || tally == nil {
		return
	}
	byLabel := deadletter.Tally{}
	for cause, n := range tally {
		byLabel[record.Cause{Type: typeLabel(cause.Type), Kind: cause.Kind}] += n
	}
	for _, typ := range typeNames() {
		for _, kind := range record.Kinds() {
			ch.gauge(lettersByKind, float64(byLabel[record.Cause{Type: typ, Kind: kind}]), typ, kind.String())
		}
	}
}

func (s *Shared) merchants(ctx context.Context, ch sink) {
	all, err := s.standing.List(ctx)
	if err != nil {
		return
	}
	banned, denied := 0, 0
	for _, m := range all {
		if m.Ban != nil {
			banned++
		}
		if len(m.Denied) > 0 {
			denied++
		}
	}
	ch.gauge(merchantStates, float64(len(all)), "known")
	ch.gauge(merchantStates, float64(banned), "banned")
	ch.gauge(merchantStates, float64(denied), "denied")
}

func (s *Shared) egress(ctx context.Context, ch sink) {
	state, err := s.egressState.Look(ctx, false)
	if err != nil {
		return
	}
	ch.gauge(egressPaused, flag(state.Why == gate.ForAddress), "address")
	ch.gauge(egressPaused, flag(state.Why == gate.ForOutage), "outage")
}

func (s *Shared) schedules(ctx context.Context, ch sink) {
	if s.cfg.Overdue == nil {
		return
	}
	late, err := s.cfg.Overdue(ctx)
	if err != nil {
		return
	}
	for name, d := range late {
		ch.gauge(overdue, d.Seconds(), name)
	}
}

func (s *Shared) reconciled(ctx context.Context, ch sink) {
	if s.cfg.Reconciled == nil {
		return
	}
	all, err := s.cfg.Reconciled(ctx)
	if err != nil {
		return
	}
	for name, t := range all {
		for _, k := range reconcile.Kinds() {
			ch.gauge(findings, float64(t.Findings[k]), name, string(k))
		}
		ch.gauge(findings, float64(t.Failed), name, "failed")
		ch.gauge(lowNumbers, float64(t.LowNumbers), name)
	}
}

func (s *Shared) byPurpose(ctx context.Context, ch sink) {
	for purpose, bytes := range s.memory.read(ctx) {
		ch.gauge(redisMemory, bytes, purpose)
	}
}

// queue reads one queue of asynq's (v0.26). asynq's own reader fails for all states
// when one task has lost its hash, which is what one wants to see.
func (s *Shared) queue(ctx context.Context, ch sink, queue string) {
	key := func(name string) string { return asynqx.Key(queue, name) }
	pipe := s.cfg.Redis.Pipeline()
	pending, active, lease := pipe.LLen(ctx, key(asynqx.Pending)), pipe.LLen(ctx, key(asynqx.Active)), pipe.ZCard(ctx, key(asynqx.Lease))
	next := pipe.LIndex(ctx, key(asynqx.Pending), -1)
	paused := pipe.Exists(ctx, key(asynqx.Paused))
	sets, firsts := map[string]*redis.IntCmd{}, map[string]*redis.ZSliceCmd{}
	for _, name := range []string{asynqx.Scheduled, asynqx.Retry, asynqx.Archived, asynqx.Completed} {
		sets[name] = pipe.ZCard(ctx, key(name))
		if name != asynqx.Completed {
			firsts[name] = pipe.ZRangeWithScores(ctx, key(name), 0, 0)
		}
	}
	redisx.ExecEach(ctx, pipe)

	depth := func(state string, n *redis.IntCmd) {
		if n.Err() == nil {
			ch.gauge(queueTasks, float64(n.Val()), queue, state)
		}
	}
	depth(asynqx.Pending, pending)
	depth(asynqx.Active, active)
	if active.Err() == nil && lease.Err() == nil {
		ch.gauge(queueStranded, float64(max(0, active.Val()-lease.Val())), queue)
	}
	if paused.Err() == nil {
		ch.gauge(queuePaused, flag(paused.Val() > 0), queue)
	}
	for name, n := range sets {
		depth(name, n)
	}
	now := s.cfg.Now()
	age := func(state string, since time.Time) {
		ch.gauge(queueAge, max(0, now.Sub(since).Seconds()), queue, state)
	}
	for name, first := range firsts {
		switch {
		case first.Err() != nil:
		case len(first.Val()) == 0:
			age(name, now)
		default:
			age(name, time.UnixMilli(int64(first.Val()[0].Score*1000)))
		}
	}
	switch {
	case pending.Err() != nil:
	case next.Val() == "":
		age(asynqx.Pending, now)
	default:
		since, err := asynqx.PendingSince(ctx, s.cfg.Redis, queue, next.Val())
		if err == nil {
			age(asynqx.Pending, since)
		} else if redisx.Missing(err) && ctx.Err() == nil {
			age(asynqx.Pending, now) // it was taken meanwhile
		}
	}
}

// serverInfo is what Redis tells of itself.
type serverInfo struct {
	durable              map[string]bool // by condition
	told                 bool
	used, limit, evicted float64
}

func (i *serverInfo) add(o serverInfo) {
	if i.durable == nil {
		i.durable = map[string]bool{}
	}
	for condition, met := range o.durable {
		before, known := i.durable[condition]
		i.durable[condition] = met && (before || !known)
	}
	i.told = i.told || o.told
	i.used, i.limit, i.evicted = i.used+o.used, i.limit+o.limit, i.evicted+o.evicted
}

// The conditions of ecpayq_redis_durable.
const (
	conditionAOF      = "append_only"    // appendonly yes
	conditionFsync    = "fsync_always"   // appendfsync always
	conditionWritable = "disk_writable"  // the last write of the AOF went well
	conditionKeeps    = "evicts_nothing" // maxmemory-policy noeviction
)

// Conditions returns the values of the label of ecpayq_redis_durable.
func Conditions() []string {
	return []string{conditionAOF, conditionFsync, conditionWritable, conditionKeeps}
}

func readServer(ctx context.Context, node redis.Cmdable, askConfig bool) (serverInfo, error) {
	pipe := node.Pipeline()
	ping, text, fsync := pipe.Ping(ctx), pipe.Info(ctx), &redis.MapStringStringCmd{}
	if askConfig { // INFO does not have it
		fsync = pipe.ConfigGet(ctx, "appendfsync")
	}
	redisx.ExecEach(ctx, pipe) // INFO and CONFIG may be refused
	info := serverInfo{durable: map[string]bool{}}
	if ping.Err() != nil {
		return info, ping.Err()
	}
	fields := map[string]string{}
	for line := range strings.Lines(text.Val()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	for condition, want := range map[string][2]string{
		conditionAOF: {"aof_enabled", "1"}, conditionWritable: {"aof_last_write_status", "ok"},
		conditionKeeps: {"maxmemory_policy", "noeviction"},
	} {
		if got, ok := fields[want[0]]; ok {
			info.durable[condition] = got == want[1]
		}
	}
	if v, ok := fsync.Val()["appendfsync"]; ok {
		info.durable[conditionFsync] = v == "always"
	}
	info.told = fields["used_memory"] != ""
	info.used, info.limit, info.evicted = number(fields["used_memory"]), number(fields["maxmemory"]), number(fields["evicted_keys"])
	return info, nil
}
